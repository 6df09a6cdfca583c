"""What is sent to a server is what a server reads as text."""

import json
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadtrain.cli import UserError
from roadtrain.deploy.client import Client, FirstToken, check_sendable
from roadtrain.deploy.transport import Refusal
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


def piece_with(content, *likeliest: tuple[str, float], **delta) -> dict:
    """A piece with what the server says of its token; nothing of it without `likeliest`."""
    logprobs = [{"token": str(content), "top_logprobs": [{"token": t, "logprob": p} for t, p in likeliest]}]
    return {"delta": {"content": content, **delta}, "logprobs": {"content": logprobs if content or delta else []}}


LETTERS = (("A", -3.0), ("B", -0.1))


@pytest.mark.parametrize(
    "pieces",
    [
        [piece_with("Hm"), piece_with("B", *LETTERS)],
        [{"delta": {"content": "Hm"}}, piece_with("B", *LETTERS)],
        [piece_with("", *LETTERS, reasoning_content="Rain"), piece_with("B", *LETTERS)],
    ],
)
def test_the_letters_of_a_later_token_are_not_where_the_answer_begins(pieces):
    """A server may say nothing of the first one, or begin with its reasoning."""
    first_token = FirstToken()
    raw = "".join(f"data: {json.dumps({'choices': [value]})}\n\n" for value in pieces) + "data: [DONE]\n\n"
    with chat_server(Chat(raw=raw.encode(), logprobs={})) as chat:
        assert "".join(Client(chat.url, "m").converse(ASKED, {"logprobs": True}, first_token)).endswith("B")
    assert first_token.probabilities(("A", "B")) is None


@pytest.mark.parametrize("content", [[{"type": "text", "text": "B"}], {"text": "B"}, 3, ["B"]])
def test_content_that_is_no_text_is_no_answer(content):
    """Its Python form would be one, with other letters in it."""
    raw = f"data: {json.dumps({'choices': [{'delta': {'content': content}}]})}\n\n"
    with (
        chat_server(Chat(raw=raw.encode())) as chat,
        pytest.raises(UserError, match="sent something else than an answer in pieces"),
    ):
        list(Client(chat.url, "m").converse(ASKED, {}))


def test_a_server_without_tls_is_there():
    with chat_server(Chat()) as chat, pytest.raises(UserError, match="no TLS that is trusted: .*SSL"):
        Client(chat.url.replace("http:", "https:"), "m").models()


@pytest.mark.parametrize("size", [1, 1 << 25])
def test_a_server_that_closes_the_connection_is_there(size):
    """It ended over this request, or takes none so large: to start one would be no remedy."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close() -> None:
            connection, _ = server.accept()
            connection.recv(1 << 16)
            connection.close()

        threading.Thread(target=close).start()
        client = Client(f"http://127.0.0.1:{server.getsockname()[1]}", "m")
        with pytest.raises(UserError, match=r"closed the connection to a request of [\d,]+ bytes without an answer"):
            client.tokenize([{"role": "user", "content": "x" * size}])


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


OK = b"HTTP/1.0 200 OK\r\n"
EMPTY = b'data: {"choices": [{"delta": {"content": ""}}]}\n\n'
SAID = EMPTY.replace(b'""', b'"A"')
ASKED = [{"role": "user", "content": "?"}]
WORDS = {"status line": (b"HTTP", b"H"), "header": (OK + b"X: ", b"x"), "body": (OK + b"\r\n", b" ")}
PIECES = {
    "line": (OK + b"\r\ndata: ", b"x"),
    "line after a word": (OK + b"\r\n" + SAID + b"data: ", b"x"),
    "sign of life": (OK + b"\r\n", b": ping\n\n"),
    "sign of life after a word": (OK + b"\r\n" + SAID, b": ping\n\n"),
    "piece without a word": (OK + b"\r\n", EMPTY),
}


@pytest.mark.parametrize("drip", WORDS)
def test_json_that_drips_is_waited_for_no_longer_than_silence(drip):
    word = "JSON body" if drip == "body" else "status line"
    since = time.monotonic()
    with chat_server(Chat(drip=WORDS[drip])) as chat:
        client = Client(chat.url, "m", timeout=0.3)
        for ask in (client.models, lambda: client.inspect([]), lambda: client.tokenize([])):
            with pytest.raises(UserError, match=rf"{chat.url}: no whole {word} in 0\.3 s"):
                ask()
        assert drip == "body" or client._server.status("/health", 0.3) is None
        assert client._server.describe("/health", 0.3).startswith("no answer (no whole")
    assert time.monotonic() - since < 30  # it drips for ever


@pytest.mark.parametrize("drip", PIECES)
def test_an_answer_that_drips_is_waited_for_no_longer_than_silence(drip):
    """A server, or a proxy before it, that says ": ping" for ever, or half of a line: a hang without a name."""
    since = time.monotonic()
    with (
        chat_server(Chat(drip=PIECES[drip])) as chat,
        pytest.raises(UserError, match=r"no whole event of the answer in 0\.3 s"),
    ):
        list(Client(chat.url, "m", timeout=0.3).converse(ASKED, {}))
    assert time.monotonic() - since < 30  # it drips for ever


def test_a_refusal_that_drips_is_one():
    """Its status is there."""
    drip = (b'HTTP/1.0 400 No\r\n\r\n{"error": ', b" ")
    with chat_server(Chat(drip=drip)) as chat, pytest.raises(Refusal, match="400 without a reason"):
        list(Client(chat.url, "m", timeout=0.3).converse(ASKED, {}))


def test_an_answer_without_an_end_is_none():
    """Each word is there in time, and more of them than were asked for."""
    with chat_server(Chat(raw=SAID * 200)) as chat, pytest.raises(UserError, match="answers on and on: 129 pieces"):
        list(Client(chat.url, "m").converse(ASKED, {"max_tokens": 2}))


def test_words_that_come_in_time_may_take_longer_together():
    with chat_server(Chat(drip=(OK + b"\r\n", SAID))) as chat:
        pieces = Client(chat.url, "m", timeout=0.3).converse(ASKED, {"max_tokens": 100})
        assert [next(pieces) for _ in range(12)] == ["A"] * 12
        pieces.close()


def test_a_request_that_nobody_takes_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:  # the kernel takes the connection, and some of the request
        client = Client(f"http://127.0.0.1:{server.getsockname()[1]}", "m", timeout=0.3)
        with pytest.raises(UserError, match=r"took no whole request in 0\.3 s"):
            client.tokenize([{"role": "user", "content": "x" * (1 << 25)}])


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
