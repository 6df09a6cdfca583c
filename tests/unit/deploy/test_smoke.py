"""What smoke_test.py asks a server about, how it reads the answers, and what it sends."""

import base64
import json

import pytest

from roadtrain.data.llava import read_questions
from roadtrain.deploy import smoke
from roadtrain.deploy.client import Client
from roadtrain.deploy.smoke import Asking, check_server, medium_file
from roadtrain.frames.alone import Reading
from roadtrain.media import Medium
from support.annotations import write
from support.chat_server import Chat, chat_server
from support.programs import run_program

OPTIONS = {"A": "one", "B": "two"}
KINDS = {"A": "", "Yes": "binary"}


def entry(number: int, *videos: str, answer="A", **more) -> dict:
    human = "<video>\n" * len(videos) + "Which?"
    turns = [{"from": "human", "value": human}, {"from": "gpt", "value": answer}]
    value = {"id": f"q{number}", "video": list(videos) if len(videos) > 1 else videos[0], "conversations": turns}
    value |= {"question": "Which?", "options": OPTIONS if answer in OPTIONS else {}}
    return value | ({"answer_kind": "binary"} if answer == "Yes" else {}) | more


def smoke_test(tmp_path, entries: list[dict], said: str, **options):
    """(report, the requests) of a server that says `said`."""
    for name in ("a", "b"):
        write(tmp_path / f"media/{name}.mp4", name.encode())
    write(tmp_path / "v.json", entries)
    with chat_server(Chat(pieces=(said,))) as chat:
        options = {"llava": tmp_path / "v.json", "media": tmp_path / "media", "format": "json"} | options
        process = run_program("smoke_test.py", chat.url, **options)
    assert not process.stderr, process.stderr
    return json.loads(process.stdout), chat.bodies


def test_a_video_below_the_folder():
    assert str(medium_file("media", Medium("day 1/a.mp4"))) == "media/day 1/a.mp4"


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "a/../../etc/passwd", "..\\secret"])
def test_no_other_file_is_sent_to_a_server(name):
    with pytest.raises(ValueError, match="q_1: .* leads outside the media folder: refused"):
        medium_file("media", Medium(name), place="q_1")


@pytest.mark.parametrize("answer", KINDS)
def test_an_answer_is_read_after_its_reasoning(answer, tmp_path):
    """Which here speaks of the other answer, and takes more than an answer's tokens."""
    said = f"<think>It isn't B. No.</think><answer>{answer}</answer>"
    report, bodies = smoke_test(tmp_path, [entry(0, "a.mp4", answer=answer, reasoning="Why.")], said)
    assert report["passed"] and report["checks"][3]["accuracy"] == 1
    assert bodies[0]["max_tokens"] == 1024


def test_a_reasoning_that_is_cut_off_is_named(tmp_path):
    said = "<think>It is A."
    report, bodies = smoke_test(tmp_path, [entry(0, "a.mp4", reasoning="Why.")], said, reasoning_tokens=40)
    assert not report["passed"] and bodies[0]["max_tokens"] == 40
    assert report["checks"][2]["found"].endswith("means nothing: reasoning not closed")
    assert report["checks"][3]["accuracy"] == 0


def test_a_model_that_reasons_by_itself_is_read_so_where_that_is_said(tmp_path):
    said = "<think>Not B.</think><answer>A</answer>"
    report, _ = smoke_test(tmp_path, [entry(0, "a.mp4")], said, reasoning_tokens=100)
    assert report["passed"] and report["checks"][3]["accuracy"] == 1


def test_a_question_about_several_videos_is_sent_all_of_them(tmp_path):
    report, bodies = smoke_test(tmp_path, [entry(0, "a.mp4", "b.mp4")], "A")
    assert report["passed"] and report["checks"][3]["accuracy"] == 1
    *videos, words = bodies[0]["messages"][1]["content"]
    sent = [base64.b64decode(part["video_url"]["url"].split(",")[1]) for part in videos]
    assert sent == [b"a", b"b"] and words["text"] == "Which?"


def test_what_can_not_be_sent_is_not_asked(tmp_path):
    window = entry(0, "a.mp4", video_start=1.0, video_end=2.0)
    report, bodies = smoke_test(tmp_path, [window, entry(1, "b.mp4")], "A")
    assert report["checks"][3]["questions"] == len(bodies) == 1


def test_a_server_can_be_told_to_take_several_videos():
    """vLLM refuses more than it was told."""
    limits = {"1": {}, "4": {"videos": "4"}}
    for videos, options in limits.items():
        process = run_program("serve.py", "specs/sample/base", "--print", **options)
        assert f'--limit-mm-per-prompt \'{{"video": {videos}, "image": 0}}\'' in process.stdout, process.stderr


def test_a_video_is_decoded_once_for_its_questions(monkeypatch, tmp_path):
    """Each decoding is a process of its own: seconds."""
    decoded = []
    read = smoke.server_video
    monkeypatch.setattr(smoke, "server_video", lambda file, *rest: decoded.append(file.name) or read(file, *rest))
    for name in ("a", "b"):
        write(tmp_path / f"{name}.mp4", name.encode())
    entries = [entry(number, f"{name}.mp4") for number, name in enumerate("aaabb")]
    write(tmp_path / "v.json", entries)
    asking = Asking(str(tmp_path), None, Reading("pyav", None), False, "s", 16, False, 0.0)
    with chat_server(Chat(pieces=("A",))) as chat:
        checks = check_server(Client(chat.url), "m", list(read_questions(str(tmp_path / "v.json"))), asking)
    assert decoded == ["a.mp4", "b.mp4"]
    sent = [
        base64.b64decode(body["messages"][1]["content"][0]["video_url"]["url"].split(",")[1]) for body in chat.bodies
    ]
    assert sent == [b"a", b"a", b"a", b"b", b"b"]
    assert checks[-1]["questions"] == 5


@pytest.mark.parametrize("count", ["0", "-1"])
def test_of_no_question_there_is_no_accuracy(count):
    """-1 would be all but the last."""
    process = run_program("smoke_test.py", "http://127.0.0.1:1", llava="l", media="m", count=count)
    assert process.returncode == 2 and f"--count: {count}: should be 1 or more" in process.stderr
