"""What smoke_test.py asks a server about."""

import pytest

from roadtrain.data.question import Question
from roadtrain.deploy import smoke
from roadtrain.deploy.smoke import Asking, check_server, video_file
from roadtrain.frames.alone import Reading
from roadtrain.media import Clip, Medium
from support.programs import run_program


def about(video: str) -> Question:
    words = {"id": "q_1", "scenario": "s", "type": "t", "phase": "p", "text": "?", "prompt": "?", "answer": "A"}
    return Question(clip=Clip((Medium(video),)), **words)


def test_a_video_below_the_folder():
    assert str(video_file("media", about("day 1/a.mp4"))) == "media/day 1/a.mp4"


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "a/../../etc/passwd", "..\\secret"])
def test_no_other_file_is_sent_to_a_server(name):
    with pytest.raises(ValueError, match="q_1: .* leads outside the media folder: refused"):
        video_file("media", about(name))


class Server:
    """Answers A, and notes which video it was sent."""

    url = "http://127.0.0.1:1"

    def __init__(self):
        self.videos = []

    def healthy(self):
        return "/health"

    def models(self):
        return ["m"]

    def ask(self, video, *_):
        self.videos.append(video)
        return "A"


def test_a_video_is_decoded_once_for_its_questions(monkeypatch):
    """Each decoding is a process of its own: seconds."""
    decoded = []
    monkeypatch.setattr(smoke, "server_video", lambda file, *_: decoded.append(file.name) or file.name)
    questions = [about(name) for name in ("a.mp4", "a.mp4", "a.mp4", "b.mp4", "c.mp4", "c.mp4")]
    server = Server()
    checks = check_server(
        server, "m", questions, Asking("media", {"nframes": 8}, Reading("pyav", None), False, "s", 16, 0.0)
    )
    assert decoded == ["a.mp4", "b.mp4", "c.mp4"]
    assert server.videos == ["a.mp4", "a.mp4", "a.mp4", "b.mp4", "c.mp4", "c.mp4"]
    assert checks[-1]["questions"] == 6


@pytest.mark.parametrize("count", ["0", "-1"])
def test_of_no_question_there_is_no_accuracy(count):
    """-1 would be all but the last."""
    process = run_program("smoke_test.py", "http://127.0.0.1:1", llava="l", media="m", count=count)
    assert process.returncode == 2 and f"--count: {count}: should be 1 or more" in process.stderr
