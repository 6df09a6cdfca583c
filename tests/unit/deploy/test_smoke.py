"""What smoke_test.py asks a server about."""

import pytest

from roadtrain.data.question import Question
from roadtrain.deploy.smoke import video_file
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


@pytest.mark.parametrize("count", ["0", "-1"])
def test_of_no_question_there_is_no_accuracy(count):
    """-1 would be all but the last."""
    process = run_program("smoke_test.py", "http://127.0.0.1:1", llava="l", media="m", count=count)
    assert process.returncode == 2 and f"--count: {count}: should be 1 or more" in process.stderr
