"""ask.py as somebody types it: about several videos, and what it says while nothing is said yet."""

import base64
import json
import os
import pty
import re
import subprocess
import sys
import termios

import pytest

from roadtrain.deploy.ask import VideoQuestions, ask_server
from roadtrain.deploy.client import Client
from roadtrain.deploy.serving import SYSTEM_PROMPT
from roadtrain.evaluate.asking import lone_question
from roadtrain.frames.alone import Reading
from support.chat_server import Chat, chat_server
from support.programs import ROOT, run_program


@pytest.fixture
def videos(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.mp4").write_bytes(name.encode())
    return [str(tmp_path / f"{name}.mp4") for name in "cab"]


def test_several_videos_are_in_one_prompt_in_their_order(videos):
    words = [word for video in videos for word in ("--video", video)]
    with chat_server(Chat(pieces=("Two.",))) as chat:
        options = {"question": "How many cars?", "format": "json", "server": chat.url}
        process = run_program("ask.py", *words, **options)
        alone = run_program("ask.py", *words[:2], **options)
    assert process.returncode == 0, process.stderr
    *parts, text = chat.bodies[0]["messages"][1]["content"]
    sent = [base64.b64decode(part["video_url"]["url"].partition(",")[2]) for part in parts]
    assert sent == [b"c", b"a", b"b"] and text["text"] == "How many cars?"
    assert json.loads(process.stdout)["videos"] == videos and json.loads(process.stdout)["video"] == videos[0]
    assert "videos" not in json.loads(alone.stdout) and len(chat.bodies[1]["messages"][1]["content"]) == 2


def test_an_empty_system_prompt_is_one(videos):
    """As data.system_prompt may be: the recipe's in its place would be another prompt than the one that was asked for."""
    question = [lone_question("How many?")]
    with chat_server(Chat(pieces=("Two.",))) as chat:
        for system_prompt in ("", None):
            request = VideoQuestions(videos[:1], question, system_prompt, 9, stream=False)
            (answer,) = ask_server(Client(chat.url, "m"), request, None, Reading())
            assert answer.whole()["answer"] == "Two."
    assert [body["messages"][0]["content"] for body in chat.bodies] == ["", SYSTEM_PROMPT]


def on_a_terminal(words: list[str]) -> tuple[str, str]:
    """(stdout, what the terminal was shown on stderr) of ask.py."""
    mine, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 300))  # a new one has no size
    command = [sys.executable, str(ROOT / "scripts/ask.py"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=its, text=True) as process:
        os.close(its)
        shown = b""
        try:
            while piece := os.read(mine, 1 << 16):
                shown += piece
        except OSError:  # Linux's word for the end of a terminal
            pass
        os.close(mine)
        return process.stdout.read(), shown.decode()


def test_a_terminal_is_told_what_is_done_before_the_first_words(videos):
    """Decoding and a cold server take a minute; and the line is gone when the answer stands there."""
    with chat_server(Chat(pieces=("Two.",))) as chat:
        words = ["--video", videos[0], "--video", videos[1], "--question", "How many?", "--server", chat.url]
        out, shown = on_a_terminal(words)
        process = run_program("ask.py", *words)
    assert out == "Two.\n" and process.stderr == "", "nobody looks: nothing is said"
    steps = list(dict.fromkeys(re.findall(r"(\d)/3 (\S+ \S+) \.\.", shown)))
    assert steps == [("1", f"reading {videos[0]}"), ("2", f"reading {videos[1]}"), ("3", f"asking {chat.url}")]
    assert not shown.rstrip("\r").rpartition("\r")[2].strip(), "the line is empty again"


def test_an_error_ends_the_line_first(videos, tmp_path):
    out, shown = on_a_terminal(
        ["--video", str(tmp_path / "none.mp4"), "--question", "?", "--server", "http://127.0.0.1:9"]
    )
    assert not out and shown.splitlines()[-1].lstrip("\r").strip().startswith("ask.py: ") and "no such file" in shown
