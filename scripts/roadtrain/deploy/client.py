"""Ask an OpenAI-compatible server (vLLM, NIM) about a video file, or a picture.

The video travels inside the request, so the server needs no access to this machine's disk. A key comes from the environment and
goes to its own server only (roadtrain.deploy.api_keys).

A server tokenizes what it is sent, and reads control tokens in it: a text that has one is refused here, since it would be
another prompt than the same text in training (roadtrain.model.plain_text).
"""

import base64
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadtrain.cli import UserError
from roadtrain.deploy.transport import Refusal, Transport
from roadtrain.evaluate.replies import BROKEN_OFF, letter_probabilities
from roadtrain.frames.containers import file_fault
from roadtrain.media import PICTURES

CONTROL_TOKEN = re.compile(r"<\|\w+\|>")  # as all of Qwen's are written
HEALTH = ("/v1/health/ready", "/health")  # NIM's and vLLM's
REASONING = ("reasoning_content", "reasoning")  # where a server's reasoning parser puts what comes before the answer
PIECES = 64  # of an answer's text that one token may come in: more is an answer without an end
LIKELIEST = 20  # tokens whose probabilities are asked for: as many as OpenAI's interface allows, and vLLM by default
TYPES = {
    ".mp4": "video/mp4",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".mov": "video/quicktime",
    ".avi": "video/x-msvideo",
}


@dataclass(frozen=True)
class SentVideo:
    """A video, or a picture, as it travels."""

    kind: str  # its MIME type
    content: bytes

    @property
    def url(self) -> str:
        return f"data:{self.kind};base64,{base64.b64encode(self.content).decode()}"

    @property
    def part(self) -> dict[str, Any]:
        """Of a message."""
        name = "image_url" if self.kind.startswith("image/") else "video_url"
        return {"type": name, name: {"url": self.url}}


@dataclass
class FirstToken:
    """What a server says about the first token of an answer, known when the answer has begun."""

    logprobs: dict[str, float] = field(default_factory=dict)  # of its likeliest tokens; empty: it says none

    def probabilities(self, letters: Sequence[str]) -> dict[str, float] | None:
        """Of the option letters, as the evaluation has them; None unless the server named every one of them."""
        if not letters or not self.logprobs.keys() >= set(letters):
            return None
        return letter_probabilities(letters, [self.logprobs[letter] for letter in letters])


@dataclass
class Inspected:
    """What a server says about a prompt."""

    prompt_tokens: int | None = None  # how many it has; None: it doesn't say
    prompt_ids: list[int] | None = None  # which; of vLLM alone
    first_token: FirstToken = field(default_factory=FirstToken)


class Client:
    """An OpenAI-compatible server. `url` with or without /v1; `timeout` in seconds."""

    def __init__(self, url: str, model: str | None = None, timeout: float = 600):
        """Raises UserError for a URL that is none, or a key that belongs to no server."""
        self._server = Transport(url, timeout)
        self.url, self._model = self._server.url, model

    def healthy(self) -> str | None:
        """The health address that answered, None when none did."""
        return next((path for path in HEALTH if self._server.status(path, timeout=10) == 200), None)

    def models(self) -> list[str]:
        answer = self._server.get("/v1/models")
        try:
            return [str(model["id"]) for model in answer["data"]]
        except (KeyError, TypeError):
            raise UserError(f"{self.url}: /v1/models lists no models: not an OpenAI-compatible server") from None

    @property
    def model(self) -> str:
        """Its name; the server's first where none was given."""
        if self._model is None:
            names = self.models()
            if not names:
                raise UserError(f"{self.url}: serves no model")
            self._model = names[0]
        return self._model

    def stream(
        self,
        media: Sequence[SentVideo],
        question: str,
        system_prompt: str,
        max_new_tokens: int,
        first_token: FirstToken | None = None,
    ) -> Iterator[str]:
        """The answer to a question about all the media in pieces, as they come. Greedy. With `first_token` the likeliest tokens are asked for, where the server
        gives them. Raises UserError with what the server said, or for a text with a control token."""
        check_sendable(question=question, system_prompt=system_prompt)
        content: Any = [*(medium.part for medium in media), {"type": "text", "text": question}]
        messages = [{"role": "system", "content": system_prompt}, {"role": "user", "content": content}]
        options = {"temperature": 0, "seed": 0, "max_tokens": max_new_tokens}
        if first_token is None:
            yield from self.converse(messages, options)
            return
        pieces = self.converse(messages, options | {"logprobs": True, "top_logprobs": LIKELIEST}, first_token)
        try:
            first = next(pieces, "")
        except Refusal as error:
            if error.status not in (400, 422):
                raise
            # It gives no probabilities, or asks too much elsewhere.
            pieces, first = self.converse(messages, options, first_token), ""
        yield first
        yield from pieces

    def converse(
        self, messages: Sequence[dict[str, Any]], options: dict[str, Any], first_token: FirstToken | None = None
    ) -> Iterator[str]:
        """The answer to a conversation in pieces. `options`: of the request (max_tokens, ..). Raises Refusal, or UserError with what
        is wrong; who has written the texts has seen to control tokens (check_sendable)."""
        request = {"model": self.model, "messages": list(messages), "stream": True, **options}
        yield from self._answer(request, first_token or FirstToken())

    def inspect(self, messages: Sequence[dict[str, Any]]) -> Inspected:
        """What the server says about a conversation's prompt and the first token of its answer. Raises Refusal, or UserError."""
        request = {"model": self.model, "messages": list(messages), "temperature": 0, "max_tokens": 1, "seed": 0}
        request |= {"logprobs": True, "top_logprobs": LIKELIEST, "return_token_ids": True}
        answer = self._server.send("/v1/chat/completions", request)
        inspected = Inspected()
        try:
            choice = answer["choices"][0]
            inspected.prompt_tokens = _whole((answer.get("usage") or {}).get("prompt_tokens"))
            ids = answer.get("prompt_token_ids")
            inspected.prompt_ids = None if ids is None else [_token(id) for id in ids]
            if likeliest := (choice.get("logprobs") or {}).get("content"):
                inspected.first_token.logprobs = _likeliest(likeliest[0])
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise UserError(f"{self.url}: sent something else than an answer") from None
        return inspected

    def tokenize(self, messages: Sequence[dict[str, Any]]) -> list[int]:
        """A conversation's tokens, by vLLM's /tokenize. Raises Refusal where there is none."""
        value = {"model": self.model, "messages": list(messages), "add_generation_prompt": True}
        answer = self._server.send("/tokenize", value)
        try:
            return [_token(token) for token in answer["tokens"]]
        except (KeyError, TypeError, ValueError):
            raise UserError(f"{self.url}: /tokenize sent no tokens") from None

    def _answer(self, request: dict[str, Any], first_token: FirstToken) -> Iterator[str]:
        """Raises UserError when what comes is no answer: an empty one would be a wrong one."""
        answers = words = reasons = begins = False
        pieces, most = 0, PIECES * request.get("max_tokens", math.inf)
        for value in self._server.post("/v1/chat/completions", request, _is_word, _is_finished):
            if (pieces := pieces + _is_word(value)) > most:
                raise UserError(
                    f"{self.url}: answers on and on: {pieces} pieces where max_tokens is {request['max_tokens']}"
                )
            try:
                for choice in value["choices"]:
                    content = choice["delta"].get("content")
                    if not isinstance(content, str | None):  # its Python form would be the answer
                        raise TypeError(content)
                    reasons = reasons or any(choice["delta"].get(key) for key in REASONING)
                    logprobs = (choice.get("logprobs") or {}).get("content")
                    if logprobs and not (begins or reasons):
                        first_token.logprobs = _likeliest(logprobs[0])
                    begins = begins or bool(logprobs or content)  # of later tokens nothing is wanted
                    answers = True
                    if content:
                        words = True
                        yield content
                    if (reason := choice.get("finish_reason")) in BROKEN_OFF:
                        raise UserError(f"{self.url}: the answer broke off: finish_reason {reason}")
            except (KeyError, TypeError, ValueError, AttributeError, IndexError):
                raise UserError(f"{self.url}: sent something else than an answer in pieces") from None
        if not answers:
            raise UserError(f"{self.url}: sent no answer in pieces (stream: true)")
        if reasons and not words:
            raise UserError(
                f"{self.url}: sent reasoning and no answer; let it reason longer, or start it without a reasoning parser"
            )


def _whole(value: Any) -> int | None:
    """A number of tokens, where one is said. Raises TypeError for anything else: "10" would be another number than 10."""
    if value is not None and type(value) is not int:
        raise TypeError(value)
    return value


def _token(value: Any) -> int:
    """A token's id. Raises ValueError for what is none."""
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise ValueError(value)
    return value


def _is_word(value: dict[str, Any]) -> bool:
    """Whether a piece says something: words of the answer or the reasoning, or why it ends. An empty one is a sign of life."""
    choices = value.get("choices")
    if not isinstance(choices, list):
        return False
    deltas = [choice.get("delta") for choice in choices if isinstance(choice, dict)]
    texts = (delta.get(key) for delta in deltas if isinstance(delta, dict) for key in ("content", *REASONING))
    return any(texts) or _is_finished(value)


def _is_finished(value: dict[str, Any]) -> bool:
    """Whether a piece is the last: it says why the answer ends."""
    choices = value.get("choices")
    return isinstance(choices, list) and any(isinstance(c, dict) and c.get("finish_reason") for c in choices)


def _likeliest(token: dict[str, Any]) -> dict[str, float]:
    """{token: log-probability}; of two tokens that read the same, the likelier. What is no number is left out."""
    logprobs: dict[str, float] = {}
    for other in token.get("top_logprobs") or []:
        name, value = str(other["token"]), float(other["logprob"])
        if math.isfinite(value):
            logprobs[name] = max(value, logprobs.get(name, value))
    return logprobs


def check_sendable(**texts: str) -> None:
    """Raises UserError naming the first text in which a server would read a control token."""
    for name, text in texts.items():
        if token := CONTROL_TOKEN.search(text):
            raise UserError(
                f"{name.replace('_', ' ')} {text!r}: {token[0]} would be a control token to a server;"
                " leave it out, or ask the checkpoint itself, where it is text: ask.py --checkpoint"
            )


def sent_file(video: str | Path) -> SentVideo:
    """A file as it is: the server samples it by its own reader. Raises FileNotFoundError, and ValueError for a pipe or a device."""
    if fault := file_fault(video):
        raise FileNotFoundError(2, fault, str(video)) if fault == "no such file" else ValueError(f"{video}: {fault}")
    kind = (TYPES | PICTURES).get(Path(video).suffix.lower(), "video/mp4")
    return SentVideo(kind, Path(video).read_bytes())
