"""A key goes to the server that it belongs to, and is in no message; what a server says is shown, never obeyed."""

import json

import pytest

from roadtrain.cli import UserError
from roadtrain.deploy.api_keys import KEY, SERVER, api_key
from roadtrain.deploy.client import Client, FirstToken, SentVideo
from support.chat_server import Chat, chat_server
from support.programs import run_program

SECRET = "sk-0123456789"
VIDEO = SentVideo("video/mp4", b"video")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in (KEY, SERVER, "OPENAI_API_KEY", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def key(monkeypatch):
    def bind(server: str, secret: str = SECRET) -> None:
        monkeypatch.setenv(KEY, secret)
        monkeypatch.setenv(SERVER, server)

    return bind


def ask(url: str, **more) -> str:
    return "".join(Client(url, timeout=10, **more).stream([VIDEO], "What?", "Be brief.", 8))


def sent_keys(chat: Chat) -> set[str | None]:
    return {headers.get("Authorization") for headers in chat.headers}


def test_the_server_that_is_named_with_the_key_gets_it_and_no_other(key):
    with chat_server(Chat()) as own, chat_server(Chat()) as other:
        key(own.url + "/v1/")
        assert ask(own.url) == ask(other.url) == "B."
    assert sent_keys(own) == {f"Bearer {SECRET}"} and sent_keys(other) == {None}


@pytest.mark.parametrize(
    "server, url",
    [
        ("https://a.example", "http://a.example"),  # a key that was meant for an encrypted way
        ("https://a.example", "https://a.example:444"),
        ("https://a.example", "https://b.a.example"),
        ("https://a.example", "https://a.example.b"),
    ],
)
def test_another_scheme_host_or_port_is_another_server(key, server, url):
    key(server)
    assert api_key(url) is None and api_key(server) == SECRET


def test_the_same_server_in_other_words(key):
    key("https://A.example:443/")
    assert api_key("https://a.example/v1") == SECRET


def test_a_key_that_belongs_to_no_server_is_not_sent(monkeypatch):
    monkeypatch.setenv(KEY, SECRET)
    with pytest.raises(UserError, match=f"{SERVER} doesn't say which server it belongs to") as caught:
        api_key("http://127.0.0.1:8000")
    assert SECRET not in str(caught.value)


def test_keys_of_other_programs_stay_here(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    with chat_server(Chat()) as chat:
        ask(chat.url)
    assert SECRET not in json.dumps(chat.headers)


@pytest.mark.parametrize("secret", [f"{SECRET}\r\nX-Evil: 1", f"{SECRET} x", f"{SECRET}é", "\x1b[2J"])
def test_a_key_that_can_be_none_is_refused_without_showing_it(key, secret):
    key("http://127.0.0.1:8000", secret)
    with pytest.raises(UserError) as caught:
        Client("http://127.0.0.1:8000")
    assert SECRET not in str(caught.value) and "\x1b" not in str(caught.value)


def test_an_address_with_a_password_is_refused_without_showing_it():
    with pytest.raises(UserError) as caught:
        Client(f"http://user:{SECRET}@127.0.0.1:8000")
    assert SECRET not in str(caught.value) and KEY in str(caught.value)


def test_neither_key_nor_video_follows_a_redirect(key):
    with chat_server(Chat()) as other, chat_server(Chat(location=f"{other.url}/v1/chat/completions")) as first:
        key(first.url)
        with pytest.raises(UserError, match=f"{first.url}: sends requests on to {other.url}"):
            ask(first.url, model="m")
    assert other.headers == [] and len(first.bodies) == 1


def test_no_proxy_sees_what_is_sent_in_the_clear(key, monkeypatch):
    with chat_server(Chat()) as proxy, chat_server(Chat()) as chat:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", "")
        key(chat.url)
        assert ask(chat.url) == "B."
    assert proxy.headers == []


def test_a_server_that_repeats_the_key_has_it_shown_to_nobody(key):
    with chat_server(Chat(status=401, error=json.dumps({"error": {"message": f"wrong: {SECRET}"}}))) as chat:
        key(chat.url)
        with pytest.raises(UserError, match=r"401 wrong: \(the key\)") as caught:
            ask(chat.url)
    assert SECRET not in str(caught.value)


def test_a_server_that_wants_a_key_says_how_it_gets_one(key):
    with chat_server(Chat(status=401)) as chat:
        with pytest.raises(UserError, match=f"no key was sent: set {KEY}, and {SERVER}={chat.url}"):
            ask(chat.url)
        key("https://elsewhere.example")
        with pytest.raises(UserError, match=f"{KEY} belongs to https://elsewhere.example"):
            ask(chat.url)


def test_letters_have_the_probabilities_that_the_server_gives():
    with chat_server(Chat(logprobs={"B": -0.1, " A": 0.0, "A": -3.0, "C": float("nan")})) as chat:
        first = FirstToken()
        assert "".join(Client(chat.url).stream([VIDEO], "Q", "S", 8, first)) == "B."
    shares = first.probabilities("AB")
    assert shares["B"] == pytest.approx(1 / (1 + 2.718281828 ** (-3.0 + 0.1)), abs=1e-5)
    assert sum(shares.values()) == pytest.approx(1, abs=2e-5)
    assert first.probabilities("ABC") is None and first.probabilities("ABD") is None  # never a share of some letters
    assert chat.bodies[0]["top_logprobs"] == 20 and chat.bodies[0]["temperature"] == 0


def test_a_server_without_probabilities_is_asked_again_without_them():
    with chat_server(Chat()) as chat:
        first = FirstToken()
        assert "".join(Client(chat.url).stream([VIDEO], "Q", "S", 8, first)) == "B."
    assert first.probabilities("AB") is None and [("logprobs" in body) for body in chat.bodies] == [True, False]


@pytest.mark.parametrize(
    "raw, words",
    [
        (b'{"choices": [{"message": {"content": "B"}}]}', "sent no answer in pieces"),
        (b"data: {broken\n\n", "sent no JSON"),
        (b'data: ["B"]\n\n', "sent no JSON object"),
        (b'data: {"choices": [7]}\n\n', "something else than an answer"),
        (b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
        (b'data: {"choices": [{"delta": {"content": "B"}}]}\n\n', "the answer broke off"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "sent no JSON"),
    ],
)
def test_what_is_no_answer_is_no_empty_answer(raw, words):
    with chat_server(Chat(raw=raw)) as chat, pytest.raises(UserError, match=words):
        ask(chat.url)


def test_an_answer_ends_with_its_last_piece_or_with_done():
    piece = '{"error": null, "choices": [{"delta": {"content": "B"}, "finish_reason": %s}]}'
    for raw in (piece % '"stop"', piece % "null" + "\n\ndata: [DONE]"):
        with chat_server(Chat(raw=f"data: {raw}\n\n".encode())) as chat:
            assert ask(chat.url) == "B"


def test_nothing_that_a_server_says_steers_the_terminal(tmp_path):
    """Its answer, its errors and the names of its models, whatever the format; the C1 controls, too."""
    (tmp_path / "v.mp4").write_bytes(b"video")
    evil = "\x1b]0;title\x07\x9b2Jhello\u202e"
    options = {"video": tmp_path / "v.mp4", "question": "Which?", "options": "one|two", "max_new_tokens": 4}
    with chat_server(Chat(pieces=("\x1b", "[2J", evil))) as chat:
        for more in ({}, {"stream": True}, {"format": "json"}):
            process = run_program("ask.py", **options, server=chat.url, **more)
            assert process.returncode == 0 and "hello" in process.stdout, process.stderr
            assert not set(process.stdout) & set("\x1b\x07\x9b\u202e"), more
        chat.status, chat.error = 500, json.dumps({"error": {"message": evil}})
        process = run_program("ask.py", **options, server=chat.url)
    assert process.returncode == 1 and "hello" in process.stderr and not set(process.stderr) & set("\x1b\x07\x9b\u202e")


def test_options_are_told_with_their_probabilities(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"video")
    words = ["--question", "Weather?", "--options", "Sunny|Rainy", "--question", "What happens?"]
    with chat_server(Chat(logprobs={"A": -2.0, "B": -0.2})) as chat:
        process = run_program("ask.py", *words, video=tmp_path / "v.mp4", server=chat.url)
        as_json = run_program("ask.py", *words, video=tmp_path / "v.mp4", server=chat.url, format="json")
    assert "    A   14.19%  Sunny\n  > B   85.81%  Rainy\n" in process.stdout, process.stdout + process.stderr
    first, second = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert first["options"] == {"A": "Sunny", "B": "Rainy"} and first["letter"] == "B"
    assert first["probabilities"] == {"A": 0.14185, "B": 0.85815} and "options" not in second
    assert "logprobs" in chat.bodies[0] and "logprobs" not in chat.bodies[1]
