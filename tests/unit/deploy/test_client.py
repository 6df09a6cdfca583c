"""What is sent to a server is what a server reads as text."""

import contextlib
import http.server
import json
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadtrain.cli import UserError
from roadtrain.deploy.client import Client, check_sendable
from support import tiny
from support.chat_server import Chat, chat_server


@pytest.mark.parametrize("token", sorted(tiny.processor_control()))
def test_a_text_with_a_control_token_is_refused_in_one_line(token):
    for texts in ({"question": f"Is {token} on it?"}, {"question": "Q", "system_prompt": f"\n{token}"}):
        with pytest.raises(UserError) as caught:
            check_sendable(**texts)
        assert token in str(caught.value) and "\n" not in str(caught.value)
        assert str(caught.value).startswith("system prompt" if "system_prompt" in texts else "question")


@given(st.text())
def test_every_other_text_is_sent(text):
    if not any(token in text for token in tiny.processor_control()):
        check_sendable(question=text, system_prompt="a < b | c > d <video>")


def piece(finish_reason: str | None = None, **delta) -> dict:
    return {"choices": [{"delta": delta, "finish_reason": finish_reason}]}


def test_reasoning_without_an_answer_is_no_empty_answer():
    pieces = (piece(reasoning_content="Rain, so"), piece("length", content=""))
    raw = "".join(f"data: {json.dumps(value)}\n\n" for value in pieces)
    problem = pytest.raises(UserError, match="sent reasoning and no answer")
    with chat_server(Chat(raw=raw.encode())) as chat, problem:
        list(Client(chat.url, "m").converse([], {}))


@pytest.mark.parametrize("tokens", ["123", ["1"], [1.5], [True], {"1": 2}])
def test_tokens_are_whole_numbers_or_none(tokens):
    with chat_server(Chat(prompt=tokens)) as chat:
        with pytest.raises(UserError, match="/tokenize sent no tokens"):
            Client(chat.url, "m").tokenize([])
        with pytest.raises(UserError, match="sent something else than an answer"):
            Client(chat.url, "m").inspect([])


@pytest.mark.parametrize("reason", ["abort", "error", "content_filter"])
def test_an_answer_that_a_server_broke_off_is_none(reason):
    """Its beginning would count as the answer."""
    pieces = [{"delta": {"content": "A"}}, {"delta": {"content": ""}, "finish_reason": reason}]
    raw = "".join(f"data: {json.dumps({'choices': [piece]})}\n\n" for piece in pieces) + "data: [DONE]\n\n"
    with (
        chat_server(Chat(raw=raw.encode())) as chat,
        pytest.raises(UserError, match=f"broke off: finish_reason {reason}"),
    ):
        list(Client(chat.url, "m").converse([{"role": "user", "content": "?"}], {}))


@pytest.mark.parametrize("first", [b"", b'data: {"choices": [{"delta": {"content": "A"}}]}\n\n'])
def test_signs_of_life_are_no_answer(first):
    """A server, or a proxy before it, that says ": ping" for ever is a hang without a name."""

    class Pinging(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(first)
            with contextlib.suppress(OSError):
                for _ in range(200):  # ten seconds: the test fails instead of waiting for ever
                    self.wfile.write(b": ping\n\n")
                    time.sleep(0.05)

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pinging)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        client = Client(f"http://127.0.0.1:{server.server_port}", "m", timeout=0.3)
        with pytest.raises(UserError, match=r"sent signs of life and no answer for 0\.3 s"):
            list(client.converse([{"role": "user", "content": "?"}], {}))
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "more",
    [
        {"usage": {"prompt_tokens": "3"}},
        {"usage": {"prompt_tokens": 3.0}},
        {"usage": [3]},
        {"prompt_token_ids": "abc"},
        {"prompt_token_ids": [[1, 2, 3]]},
        {"prompt_token_ids": [10**30]},
        {"prompt_token_ids": [-1]},
        {"prompt_token_ids": 3},
    ],
)
def test_tokens_that_are_none_are_no_answer(more, monkeypatch):
    """They would be other tokens than training's, or a traceback."""
    client = Client("http://127.0.0.1:1", "m")
    monkeypatch.setattr(client._server, "send", lambda *_: {"choices": [{}]} | more)
    with pytest.raises(UserError, match="sent something else than an answer"):
        client.inspect([])
