"""An OpenAI-compatible server as small as can be: it notes what it is sent and answers as it is told, in pieces."""

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Chat:
    """What it says, and what it was sent."""

    pieces: tuple[str, ...] = ("B", ".")
    logprobs: dict[str, float] | None = None  # of the first token; None: a request for them is refused
    status: int = 200
    fails: tuple[int, ...] = ()  # the statuses of the first posts, then `status`
    health: int = 200  # the status of everything that is got
    error: str = '{"error": {"message": "no"}}'
    location: str = ""  # where every request is sent on to
    drip: tuple[bytes, bytes] | None = None  # instead of everything: the first, and then the second every 50 ms
    raw: bytes | None = None  # instead of an answer in pieces
    prompt: list[int] | None = None  # tokens of every prompt, for a request that isn't streamed
    says_tokens: bool = True  # vLLM's return_token_ids and /tokenize
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[dict] = field(default_factory=list)
    url: str = ""


def handler_of(chat: Chat) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def drips(self, first: bytes, again: bytes) -> None:
            """For ten seconds: a test fails instead of waiting for ever."""
            with contextlib.suppress(OSError):
                self.wfile.write(first)
                for _ in range(200):
                    self.wfile.write(again)
                    time.sleep(0.05)

        def do_GET(self) -> None:
            chat.headers.append(dict(self.headers))
            if chat.drip:
                return self.drips(*chat.drip)
            self.answer(chat.health, json.dumps({"data": [{"id": "m"}]}).encode())

        def do_POST(self) -> None:
            chat.headers.append(dict(self.headers))
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            chat.bodies.append(body)
            if chat.drip:
                self.drips(*chat.drip)
            elif chat.location:
                self.answer(307, b"", Location=chat.location)
            elif (status := dict(enumerate(chat.fails, 1)).get(len(chat.bodies), chat.status)) != 200:
                self.answer(status, chat.error.encode())
            elif self.path == "/tokenize":
                tokens = json.dumps({"tokens": chat.prompt}).encode()
                self.answer(200, tokens) if chat.says_tokens else self.answer(404, b"{}")
            elif chat.prompt is not None and not body.get("stream"):
                self.answer(200, json.dumps(whole_answer(chat)).encode())
            elif "logprobs" in body and chat.logprobs is None:
                self.answer(400, b'{"error": {"message": "logprobs: not here"}}')
            else:
                self.answer(200, chat.raw or answer_in_pieces(chat, "logprobs" in body), "text/event-stream")

        def log_message(self, *_: object) -> None: ...

    return Handler


def answer_in_pieces(chat: Chat, logprobs: bool) -> bytes:
    values = [
        {"delta": {"role": "assistant", "content": ""}},
        *({"delta": {"content": piece}} for piece in chat.pieces),
    ]
    if logprobs:
        likeliest = [{"token": token, "logprob": value} for token, value in chat.logprobs.items()]
        values[1]["logprobs"] = {"content": [{"token": chat.pieces[0], "top_logprobs": likeliest}]}
    lines = [f"data: {json.dumps({'choices': [value]})}\n\n" for value in values]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def whole_answer(chat: Chat) -> dict:
    """Not in pieces: with the number of the prompt's tokens, and as vLLM, with these."""
    likeliest = [{"token": token, "logprob": value} for token, value in (chat.logprobs or {}).items()]
    logprobs = {"content": [{"token": chat.pieces[0], "top_logprobs": likeliest}]}
    choice = {"message": {"content": "".join(chat.pieces)}, "finish_reason": "stop", "logprobs": logprobs}
    tokens = {"prompt_token_ids": chat.prompt} if chat.says_tokens else {}
    return {"choices": [choice], "usage": {"prompt_tokens": len(chat.prompt or [])}} | tokens


@contextmanager
def chat_server(chat: Chat) -> Iterator[Chat]:
    """At chat.url until the end of the block."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_of(chat))
    server.block_on_close = False  # a thread that drips ends when it finds nobody there
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    chat.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield chat
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
