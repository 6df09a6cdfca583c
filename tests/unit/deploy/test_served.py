"""Questions over HTTP with the videos themselves: what is sent, in which order replies come, what a refusal becomes."""

import argparse
import base64
import signal
import subprocess
import sys
import threading
import time

import pytest

from roadtrain.cli import UserError
from roadtrain.data.llava import entry_json, multiple_choice, read_questions, write_entries
from roadtrain.data.question import Question, Turn, group_by_clip
from roadtrain.deploy import served
from roadtrain.deploy.client import Client, SentVideo
from roadtrain.deploy.messages import conversation
from roadtrain.deploy.own_server import any_port, own_server
from roadtrain.deploy.served import ServedAsking, in_order
from roadtrain.evaluate.replies import CannotAsk, Reply
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip, Medium, Words
from roadtrain.spec.evaluate import Evaluate
from support import tiny
from support.chat_server import Chat, chat_server
from support.clips import decode, render
from support.programs import ROOT

VISION = {"nframes": 4, "min_pixels": 4096, "max_pixels": 8192}
PROMPT = "You are a helpful assistant."


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two questions about a video, one about a window of it, one with a control token in its words."""
    root = tmp_path_factory.mktemp("served")
    render(root / "media/a.mp4", frames=30)
    options = {"a": "one", "b": "two"}
    words = {"scenario": "s", "video": "a.mp4", "type": "t", "phase": "p", "answer": "A"}
    entries = [
        entry_json(id="q0", human=multiple_choice("Zero?", options), **words),
        entry_json(id="q1", human=multiple_choice("One <|im_end|>?", options), **words),
        entry_json(id="w0", human=multiple_choice("In the window?", options), start=1.0, end=2.5, **words),
    ]
    write_entries(root / "x.llava.json", entries)
    decode(root, VISION)
    return root


def asking_of(root, chat: Chat, **evaluate) -> ServedAsking:
    args = argparse.Namespace(
        media=str(root / "media"), media_links="refuse", system_prompt=PROMPT, evaluate=Evaluate(**evaluate)
    )
    return ServedAsking(Client(chat.url, "m"), tiny.processor().tokenizer, FrameIndex.load(root / "index.json"), args)


def ask(root, chat: Chat, **evaluate):
    """The result of each of the two clips."""
    clips = group_by_clip(read_questions(root / "x.llava.json"))
    return list(in_order(asking_of(root, chat, **evaluate).ask, clips))


def video_of(body: dict) -> bytes:
    (part,) = [part for part in body["messages"][1]["content"] if part["type"] == "video_url"]
    return base64.b64decode(part["video_url"]["url"].partition(",")[2])


def test_a_video_is_sent_as_the_file_that_it_is_and_a_window_as_its_frames(root, capsys):
    with chat_server(Chat(logprobs={"A": -2.0, "B": -0.2})) as chat:
        whole, window = ask(root, chat)
    assert list(whole) == ["q0"] and list(window) == ["w0"] and whole["q0"].response == "B."
    assert whole["q0"].probabilities == {"A": pytest.approx(0.1419, abs=1e-3), "B": pytest.approx(0.8581, abs=1e-3)}
    file = (root / "media/a.mp4").read_bytes()
    sent = {body["messages"][1]["content"][1]["text"][:4]: video_of(body) for body in chat.bodies}
    assert sent["Zero"] == file and sent["In t"] != file and len(sent) == 2
    assert "q1: <|im_end|> in its texts would be a control token to a server" in capsys.readouterr().err


def test_the_frames_of_a_window_are_trainings(root, tmp_path):
    import av

    with chat_server(Chat(logprobs={})) as chat:
        ask(root, chat)
    (body,) = [body for body in chat.bodies if body["messages"][1]["content"][1]["text"].startswith("In the")]
    (tmp_path / "w.mp4").write_bytes(video_of(body))
    with av.open(str(tmp_path / "w.mp4")) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    (medium,) = FrameIndex.load(root / "index.json").read(Clip((Medium("a.mp4", 1.0, 2.5),))).media
    assert [picture.tolist() for picture in shown] == medium.frames.permute(0, 2, 3, 1).tolist()


def test_only_letters_may_be_said_where_the_spec_says_so(root):
    with chat_server(Chat(logprobs={"A": -1.0, "B": -2.0})) as chat:
        ask(root, chat, answers="letters")
        letters = chat.bodies[0]
        ask(root, chat, max_new_tokens=7)
    tokenizer = tiny.processor().tokenizer
    assert letters["max_tokens"] == 1 and letters["allowed_token_ids"] == tokenizer.convert_tokens_to_ids(["A", "B"])
    free = chat.bodies[-1]
    assert free["max_tokens"] == 7 and "allowed_token_ids" not in free and free["temperature"] == 0


def test_a_clip_that_the_server_refuses_is_not_asked_and_the_reason_is_kept(root):
    with chat_server(Chat(status=400, error='{"error": {"message": "Could not open video stream"}}')) as chat:
        whole, window = ask(root, chat)
    assert isinstance(whole, CannotAsk) and isinstance(window, CannotAsk)
    assert str(whole) == "400 Could not open video stream"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_fails_is_asked_again_and_ends_the_job_where_it_is_not_well(root, status, monkeypatch, capsys):
    """A failing server's silence would be wrong answers, and it is no refusal of the checkpoint's either."""
    monkeypatch.setattr(served, "PAUSES", (0.01, 0.01))
    with chat_server(Chat(status=status)) as chat:
        whole, window = ask(root, chat)
    assert whole == {"q0": Reply(None, failure=f"{status} no")} and window["w0"].failure and len(chat.bodies) == 6
    assert f"q0: the server failed 3 times: {status} no" in capsys.readouterr().err
    with chat_server(Chat(status=status, health=503)) as chat, pytest.raises(UserError, match="it isn't well any more"):
        ask(root, chat)


def test_a_server_that_failed_once_is_not_held_to_it(root, monkeypatch):
    monkeypatch.setattr(served, "PAUSES", (0.01, 0.01))
    with chat_server(Chat(fails=(500, 503, 200), logprobs={})) as chat:
        clips = group_by_clip(read_questions(root / "x.llava.json"))
        _, window = clips.items()
        reply = asking_of(root, chat).ask(*window)["w0"]
    assert reply.response == "B." and reply.failure is None and len(chat.bodies) == 3


def test_a_server_that_is_gone_ends_the_job(root):
    with pytest.raises(UserError, match=r"q0 \(a.mp4\): http://.* no server answers there"):
        ask(root, Chat(url=f"http://127.0.0.1:{any_port()}"))


def clips_of(count: int) -> dict[Clip, list[Question]]:
    return {Clip((Medium(f"{n}.mp4"),)): [] for n in range(count)}


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 23])
def test_every_clip_is_asked_once_and_replies_come_in_their_order(count):
    """However long each takes."""
    lock, running, most, times_asked = threading.Lock(), 0, 0, []

    def slow(clip, _):
        nonlocal running, most
        with lock:
            running, times_asked[len(times_asked) :] = running + 1, [clip.first.file]
            most = max(most, running)
        time.sleep(0.001 * (hash(clip.first.file) % 7))
        with lock:
            running -= 1
        return {clip.first.file: None}

    assert [list(one) for one in in_order(slow, clips_of(count), 4)] == [[f"{n}.mp4"] for n in range(count)]
    assert sorted(times_asked) == sorted(f"{n}.mp4" for n in range(count)) and most <= 4


def test_the_first_error_ends_it_and_asks_nothing_more():
    times_asked = []

    def fail(clip, _):
        times_asked.append(clip.first.file)
        raise UserError("gone")

    with pytest.raises(UserError, match="gone"):
        list(in_order(fail, clips_of(50), 2))
    assert len(times_asked) <= 3


def test_the_first_error_waits_for_no_clip_that_hangs():
    """Ctrl-C doesn't, either; the server is ended then, and with it what hangs."""
    begun, ended, through = threading.Event(), threading.Event(), []

    def hang(clip, _):
        if clip.first.file == "0.mp4":
            begun.wait(20)
            raise UserError("gone")
        begun.set()
        ended.wait(20)
        through.append(clip)

    with pytest.raises(UserError, match="gone"):
        list(in_order(hang, clips_of(3), 2))
    assert not through
    ended.set()


def test_a_conversation_has_the_roles_of_training():
    """Words between media, the model's turn among them, and earlier questions."""
    parts = (Medium("a.mp4"), Words("Before."), Words("Yes.", "model"), Words("Now:"), Medium("b.png", kind="image"))
    history = (Turn("First?", "A"),)
    words = {"id": "q", "scenario": "s", "type": "t", "phase": "p", "text": "?", "answer": "B"}
    question = Question(clip=Clip(parts), prompt="Second?", history=history, **words)
    video, image = SentVideo("video/mp4", b"v"), SentVideo("image/png", b"i")
    messages = conversation(question, [video, image], PROMPT)
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert messages[1]["content"] == [video.part, {"type": "text", "text": "Before."}]
    assert messages[3]["content"][1:] == [image.part, {"type": "text", "text": "First?"}]
    assert (messages[2]["content"], messages[4]["content"]) == ("Yes.", "A")
    assert messages[5]["content"] == [{"type": "text", "text": "Second?"}]


def test_a_server_that_ends_is_named_with_its_code():
    with (
        pytest.raises(UserError, match="the server that was started ended with exit code 3"),
        own_server(["-c", "import sys; sys.exit(3)"], any_port()),
    ):
        pass


def test_a_server_that_never_answers_is_named_and_ended():
    import psutil

    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with (
        pytest.raises(UserError, match=r"doesn't answer at http://127.0.0.1:\d+ after 1 s"),
        own_server(["-c", "import time; time.sleep(100)"], any_port(), start=1),
    ):
        pass
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before


STUBBORN = """
import http.server, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as vLLM while it starts
engine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"], start_new_session=True)
print("ENGINE", engine.pid, file=sys.stderr, flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_and_its_engine_end_with_the_program_that_was_killed(signal_number, tmp_path):
    """A server that went on would hold a GPU for ever. This one doesn't end when it is told to."""
    import psutil

    code = (
        "import sys, time; sys.path.insert(0, 'scripts')\n"
        "from roadtrain.deploy import own_server\n"
        "port = own_server.any_port()\n"
        "own_server.Client.healthy = lambda self: '/' if self._server.status('/', 5) == 200 else None\n"
        f"with own_server.own_server(['-c', {STUBBORN!r}, str(port)], port, grace=1):\n"
        "    print('READY', file=sys.stderr, flush=True); time.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True) as program:
        engine = psutil.Process(int(program.stderr.readline().split()[1]))
        server = engine.parent()
        assert "READY\n" in iter(program.stderr.readline, "") and server.is_running()
        program.send_signal(signal_number)
        program.wait()
        for process in (server, engine):
            process.wait(20)
            assert not process.is_running()


def test_a_key_for_another_server_is_not_the_own_ones(monkeypatch, tmp_path):
    """A server that was started with VLLM_API_KEY would refuse what has no key."""
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    code = f"import os; open({str(tmp_path / 'seen')!r}, 'w').write(str('VLLM_API_KEY' in os.environ))"
    with pytest.raises(UserError), own_server(["-c", code], any_port()):
        pass
    assert (tmp_path / "seen").read_text() == "False"
