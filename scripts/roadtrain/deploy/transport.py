"""JSON to and from one HTTP server, and answers that come in pieces (server-sent events), by the standard library alone.

What is sent is for the server that was named: no redirect is followed, and a proxy (HTTPS_PROXY) is used for https only, where
it sees neither key nor video. No other setting of the environment, no netrc file and no cookie has a say.
"""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

from roadtrain.cli import UserError
from roadtrain.deploy.addresses import server_url
from roadtrain.deploy.api_keys import api_key, why_no_key
from roadtrain.deploy.deadlines import Answer, HttpByDeadline, HttpsByDeadline, Late

MOST = 16_000_000  # bytes of one JSON text that a server sends
BODY, EVENT = "JSON body", "event of the answer"


class Refusal(UserError):
    """The server answered with an error. `status`: its HTTP status."""

    def __init__(self, words: str, status: int) -> None:
        super().__init__(words)
        self.status = status


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """Every answer is one, whatever its status; and wherever a server sends a request on to, it doesn't go."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        return response

    https_response = http_response


class Transport:
    """The way to one server. `url` with or without /v1; `timeout` in seconds, of waiting for its next whole word: the status line,
    a JSON body, an event of an answer in pieces."""

    def __init__(self, url: str, timeout: float) -> None:
        """Raises UserError for a URL that is none, or a key that belongs to nobody."""
        self._key = api_key(url)  # first: a URL with a password in it is shown to nobody
        self.url, self._timeout = server_url(url), timeout
        proxies = {name: at for name, at in urllib.request.getproxies().items() if name == "https"}
        handlers = (_AnyStatus, HttpByDeadline, HttpsByDeadline, urllib.request.ProxyHandler(proxies))
        self._opener = urllib.request.build_opener(*handlers)

    def status(self, path: str, timeout: float) -> int | None:
        """Of an address that takes no key; None: nobody answers there."""
        try:
            with self._opener.open(self.url + path, timeout=timeout) as answer:
                return int(answer.status)
        except (OSError, http.client.HTTPException):  # refused, no answer in time, no HTTP
            return None

    def describe(self, path: str, timeout: float) -> str:
        """What an address says, in one line: the status and the first line of its body, or why there is none."""
        request = urllib.request.Request(self.url + path)
        if self._key:
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        try:
            with self._opener.open(request, timeout=timeout) as answer:
                answer.waiting.begin("body")
                status, body = int(answer.status), answer.read(MOST)
        except (OSError, http.client.HTTPException) as error:
            return f"no answer ({self._words(str(getattr(error, 'reason', '') or error) or type(error).__name__)})"
        words = self._words(body.decode(errors="replace"))
        return f"{status} {words}".rstrip()

    def get(self, path: str) -> Any:
        """The JSON at an address."""
        with self._open(path, None) as answer:
            return self._json(self._body(answer))

    def send(self, path: str, value: dict[str, Any]) -> Any:
        """The JSON that a server answers with. Raises Refusal."""
        with self._open(path, json.dumps(value).encode()) as answer:
            return self._json(self._body(answer))

    def post(
        self,
        path: str,
        value: dict[str, Any],
        is_word: Callable[[dict[str, Any]], bool],
        is_last: Callable[[dict[str, Any]], bool],
    ) -> Iterator[dict[str, Any]]:
        """The JSON objects that a server answers with, as they come. Raises Refusal, or UserError when the answer breaks off: it ends
        with [DONE], or with an object that `is_last`; or when nothing that `is_word` comes for too long: ":" and anything, and
        objects without a word, are signs of life."""
        some = last = False
        with self._open(path, json.dumps(value).encode()) as answer:
            try:
                answer.waiting.begin(EVENT)
                while line := answer.readline(MOST):
                    text = line.strip()
                    if text == b"data: [DONE]" or text == b"data:[DONE]":
                        return
                    if text.startswith(b"data:"):
                        piece = self._object(text.removeprefix(b"data:"))
                        some, last = True, last or is_last(piece)
                        yield piece
                        if is_word(piece):  # after the yield: who takes it may take time
                            answer.waiting.begin(EVENT)
            except Late as error:
                raise UserError(f"{self.url}: {error}") from None
            except (OSError, http.client.HTTPException) as error:
                raise UserError(f"{self.url}: the answer broke off: {self._words(str(error))}") from None
        if some and not last:
            raise UserError(f"{self.url}: the answer broke off: its end didn't come")

    def _open(self, path: str, body: bytes | None) -> Answer:
        """An answer that is no refusal."""
        request = urllib.request.Request(self.url + path, body, {"Accept": "application/json, text/event-stream"})
        if body is not None:
            request.add_header("Content-Type", "application/json")
        if self._key:
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        try:
            answer: Answer = self._opener.open(request, timeout=self._timeout)
        except OSError as error:
            reason = getattr(error, "reason", None) or error  # urllib's URLError has one
            if isinstance(reason, Late):
                raise UserError(f"{self.url}: {reason}") from None
            if isinstance(reason, TimeoutError):
                raise UserError(f"{self.url}: did not answer for {self._timeout:g} s") from None
            if isinstance(reason, ssl.SSLError):
                raise UserError(f"{self.url}: no TLS that is trusted: {self._words(str(reason))}") from None
            if isinstance(reason, ConnectionError) and not isinstance(reason, ConnectionRefusedError):
                size = f"a request of {len(body or b''):,} bytes"
                raise UserError(
                    f"{self.url}: closed the connection to {size} without an answer: its log says why"
                ) from None
            raise UserError(f"{self.url}: no server answers there; start one: scripts/serve.py CHECKPOINT") from None
        except http.client.HTTPException as error:
            raise UserError(f"{self.url}: speaks no HTTP: {self._words(str(error) or type(error).__name__)}") from None
        if not 200 <= answer.status < 300:
            with answer:
                raise self._refusal(answer)
        return answer

    def _body(self, answer: Answer) -> bytes:
        try:
            answer.waiting.begin(BODY)
            return answer.read(MOST)
        except Late as error:
            raise UserError(f"{self.url}: {error}") from None
        except (OSError, http.client.HTTPException) as error:
            raise UserError(f"{self.url}: the answer broke off: {self._words(str(error))}") from None

    def _refusal(self, answer: Answer) -> Refusal:
        status = answer.status
        if 300 <= status < 400 and (to := answer.headers.get("location")):
            return Refusal(f"{self.url}: sends requests on to {to}: name that server if you trust it", status)
        try:
            body = self._body(answer)
        except UserError:  # the status says enough
            body = b""
        wants_key = why_no_key(self.url) if status in (401, 403) and not self._key else ""
        return Refusal(f"{self.url}: {status} {self._reason(body)}{wants_key}", status)

    def _reason(self, body: bytes) -> str:
        """The reason in an error's body: OpenAI's and vLLM's JSON, or the first line of anything else."""
        try:
            value = json.loads(body)
        except ValueError:
            return self._words(body.decode(errors="replace")) or "without a reason"
        for key in ("error", "message", "detail"):
            if isinstance(value, dict) and key in value:
                value = value[key]
        return self._words(value if isinstance(value, str) else json.dumps(value))

    def _json(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise UserError(f"{self.url}: sent no JSON: {self._words(text[:80].decode(errors='replace'))}") from None

    def _object(self, text: bytes) -> dict[str, Any]:
        value = self._json(text)
        if not isinstance(value, dict):
            raise UserError(f"{self.url}: sent no JSON object: {self._words(text[:80].decode(errors='replace'))}")
        if value.get("error"):
            raise UserError(f"{self.url}: {self._reason(text)}")
        return value

    def _words(self, text: str) -> str:
        """A server's words in one line, without the key, should it repeat it. Of long ones the beginning and the end: vLLM prints what
        it was given, then what it was told."""
        line = (text.strip().splitlines() or [""])[0]
        line = line.replace(self._key, "(the key)") if self._key else line
        return line if len(line) <= 600 else f"{line[:300]} .. {line[-300:]}"
