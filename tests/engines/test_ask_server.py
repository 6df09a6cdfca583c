"""serve.py by a checkpoint's name, and ask.py's own client against it: options, several questions, frames and files, and what it refuses, with the real vLLM."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadtrain.deploy.client import Client
from roadtrain.files import write_json
from support.conversations import picture
from support.launching import conversations
from support.programs import ROOT, run_program
from support.real_vllm import PROMPT, needs_vllm, prepare

pytestmark = needs_vllm
VISION = {"nframes": 8, "min_pixels": 4096, "max_pixels": 8192}
NAME = "r/a/fp8_dynamic"
QUESTIONS = "What is the weather? | clear | rainy | snow\nWhich side is the car on? | left | right\nWhat is seen?\n"
START = 600  # seconds that vLLM may take on a busy machine


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of which one checkpoint is there, quantized: by its name it brings vision setting, prompt, longest prompt, and how many
    videos a prompt has."""
    root = prepare(tmp_path_factory.mktemp("asked"))
    settings = {
        "vision": VISION,
        "train": {"model_max_length": 1024},
        "vision_name": "v",
        "spec_hash": "h",
        "model": "b",
    }
    spec = {"data": {"system_prompt": PROMPT}, "frames": {"reader": "pyav"}}
    write_json(root / "results/r/spec.json", {"run": "r", "spec": spec, "ablations": {"a": settings}})
    (root / "results/r/a/quantized").mkdir(parents=True)
    shutil.copy(root / "fp8_dynamic.json", root / "results/r/a/quantized/fp8_dynamic.json")
    (root / "results/r/data").mkdir()
    conversations(root / "results/r/data/val.llava.json", 1, 2)
    (root / "questions.txt").write_text(QUESTIONS)
    picture(root / "a picture.png", size=(96, 64))
    return root


@pytest.fixture(scope="module")
def server(run):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, ROOT / "scripts/serve.py", NAME, "--port", str(port), "--gpus", "0"]
    with open(run / "serve.log", "w") as log:
        process = subprocess.Popen(command, cwd=run, stdout=log, stderr=log, start_new_session=True)
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + START
        while Client(url).healthy() is None:
            assert process.poll() is None and time.monotonic() < deadline, (run / "serve.log").read_text()[-3000:]
            time.sleep(1)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def ask(run: Path, *words: object, **options: object) -> list[dict]:
    process = run_program("ask.py", *words, cwd=run, format="json", max_new_tokens=4, **options)
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


def test_a_checkpoint_is_served_by_its_name_and_setting(server, run):
    client = Client(server)
    assert client.models() == ["fp8_dynamic"] and client.healthy() == "/health"
    printed = run_program("serve.py", NAME, "--print", cwd=run, gpus=0).stdout
    assert "--max-model-len 1024" in printed and '"nframes": 8' in printed


@pytest.mark.parametrize("file", ["media/v3.mp4", "media/v5.mp4"])
def test_several_questions_with_options_are_answered_as_the_checkpoint_answers_them(server, run, file):
    """Over HTTP and loaded here, about just the same frames: the same letters, and probabilities that differ by FP8's and float32's
    order of sums only."""
    served = ask(run, video=run / file, questions=run / "questions.txt", server=server, vision=json.dumps(VISION))
    local = ask(run, NAME, video=run / file, questions=run / "questions.txt")
    assert [value["question"] for value in served] == [value["question"] for value in local]
    assert len(served) == 3 and "options" not in served[2] and served[2]["answer"]
    for ours, theirs in zip(local[:2], served[:2], strict=True):
        assert theirs["options"] == ours["options"] and set(theirs["probabilities"] or {}) in (
            {*ours["options"]},
            set(),
        )
        if theirs["probabilities"] is not None:
            assert sum(theirs["probabilities"].values()) == pytest.approx(1)
            for letter, share in ours["probabilities"].items():
                assert theirs["probabilities"][letter] == pytest.approx(share, abs=0.05)
        assert theirs["letter"] == ours["letter"]


def test_as_many_videos_as_the_runs_data_have_are_one_prompt_and_one_more_is_refused(server, run):
    """data.views: together: the same letter by the server and by the checkpoint here."""
    videos = [word for name in ("v3", "v5") for word in ("--video", run / f"media/{name}.mp4")]
    words = [*videos, "--question", "Which side is the car on?", "--options", "left|right"]
    (served,) = ask(run, *words, server=server, vision=json.dumps(VISION))
    (local,) = ask(run, NAME, *words)
    assert served["letter"] == local["letter"] and len(served["videos"]) == 2
    for letter, share in (served["probabilities"] or {}).items():
        assert share == pytest.approx(local["probabilities"][letter], abs=0.05)
    many = run_program("ask.py", *words, *videos[:2], cwd=run, server=server)
    assert many.returncode == 1 and "400 At most 2 video(s) may be provided in one prompt" in many.stderr, many.stderr


def test_the_file_itself_is_taken_too_and_text_names_the_options(server, run):
    words = ["--question", "What is the weather?", "--options", "clear|rainy"]
    process = run_program("ask.py", *words, cwd=run, video=run / "media/v3.mp4", server=server, max_new_tokens=4)
    assert process.returncode == 0, process.stderr
    assert "A  " in process.stdout and "clear" in process.stdout and "rainy" in process.stdout
    streamed = run_program(
        "ask.py", *words, "--stream", cwd=run, video=run / "media/v3.mp4", server=server, max_new_tokens=4
    )
    assert streamed.returncode == 0 and streamed.stdout == process.stdout, streamed.stderr


def test_what_the_server_refuses_is_one_line_with_its_reason(server, run):
    """A picture too: serve.py's server takes videos, and would resize a picture by a video's limits."""
    pictured = run_program("ask.py", cwd=run, video=run / "a picture.png", question="What is seen?", server=server)
    assert pictured.returncode == 1 and pictured.stderr.count("\n") == 1 and "image" in pictured.stderr, pictured.stderr
    long = run_program("ask.py", cwd=run, video=run / "media/v3.mp4", question="word " * 3000, server=server)
    assert long.returncode == 1 and long.stderr.count("\n") == 1 and "400" in long.stderr, long.stderr
    other = run_program("ask.py", cwd=run, video=run / "media/v3.mp4", question="q", server=server, model="other")
    assert other.returncode == 1 and "404" in other.stderr and "other" in other.stderr
