"""serve.py, ask.py and smoke_test.py: settings that the server gets, and the real server over HTTP with a real FP8."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadtrain.deploy.server_words import media_options
from roadtrain.deploy.serving import setting_of
from roadtrain.files import write_json
from roadtrain.frames.sampling import sample
from roadtrain.media import Clip, Medium
from support import tiny
from support.programs import ROOT, run_program
from support.real_vllm import PROMPT, PYTHON, needs_vllm, prepare

VISION = {"nframes": 8, "min_pixels": 4096, "max_pixels": 8192}


def vllm(function):
    for mark in needs_vllm:
        function = mark(function)
    return function


# ------------------------------------------------------------------ without a server
@given(
    frames=st.integers(2, 12),
    height=st.integers(240, 1200),
    width=st.integers(240, 1200),
    limits=st.sampled_from(
        [
            {},
            {"min_pixels": 4096, "max_pixels": 17408},
            {"total_pixels": 8388608},
            {"min_pixels": 4096, "total_pixels": 81920},
        ]
    ),
)
@settings(deadline=None, max_examples=200)
def test_the_server_resizes_as_training_does(frames, height, width, limits):
    """Hugging Face's own arithmetic with our limits gives qwen-vl-utils' size, wherever there is one: a narrow picture has none."""
    from roadtrain import torchvision_cpu

    torchvision_cpu.ensure()
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize

    vision = {"nframes": 2 * frames} | limits
    ours = sample(vision, total_frames=200, fps=10.0, height=height, width=width)
    size = media_options(vision)["processor"]["size"]
    theirs = smart_resize(2 * frames, height, width, 2, 32, size["shortest_edge"], size["longest_edge"])
    assert theirs == (ours.height, ours.width)


def test_a_checkpoint_of_a_run_brings_its_setting(tmp_path):
    weights = tmp_path / "weights/r/a/epoch_1"
    weights.mkdir(parents=True)
    (weights / "config.json").write_text("{}")
    ablation = {"vision": VISION, "train": {"model_max_length": 2048}}
    write_json(
        tmp_path / "results/r/spec.json",
        {"run": "r", "spec": {"data": {"system_prompt": "Be brief."}}, "ablations": {"a": ablation}},
    )
    setting = setting_of(str(weights))
    assert (setting.vision, setting.system_prompt) == (VISION, "Be brief.")
    assert (setting.max_length, setting.name) == (2048, "epoch_1")
    write_json(tmp_path / "m.json", {"path": str(weights)})
    assert setting_of(str(tmp_path / "m.json"), '{"fps": 1}').vision == {"fps": 1}


def test_serve_prints_its_command():
    """A name that a shell would run arrives as it is; only this machine can connect unless told otherwise."""
    process = run_program("serve.py", "--print", tiny.BASE, served_name="$(x) 'y'", vision=json.dumps(VISION), gpus=0)
    command = shlex.split(process.stdout)
    assert (
        command[command.index("--served-model-name") + 1] == "$(x) 'y'"
        and command[command.index("--host") + 1] == "127.0.0.1"
    )
    media = json.loads(command[command.index("--media-io-kwargs") + 1])["video"]
    assert media == {"video_backend": "roadtrain", "vision": VISION, "reader": "pyav"} and "trust" not in process.stdout
    process = run_program("serve.py", "--print", tiny.BASE, vision=json.dumps(VISION), gpus=0, reader="vllm")
    command = shlex.split(process.stdout)
    media = json.loads(command[command.index("--media-io-kwargs") + 1])["video"]
    assert (media["min_frames"], media["max_frames"], media["video_backend"]) == (8, 8, "qwen3_vl")
    missing = run_program("serve.py", "--print", "no/such")
    assert (
        missing.returncode == 1 and "no/such: neither a model directory, a manifest nor RUN/ABLATION" in missing.stderr
    )


def test_a_checkpoint_is_asked_directly(tmp_path):
    """The same answers alone, together and streamed; JSON has a line a question."""
    from support.clips import render

    video = render(tmp_path / "a b.mp4", frames=12)
    questions = ["What?\nA: one\nB: two", "Which?\nA: x\nB: y\nC: z"]
    words = [word for question in questions for word in ("--question", question)]
    options = {"video": video, "checkpoint": tiny.BASE, "vision": json.dumps(VISION), "max_new_tokens": 8}
    together = run_program("ask.py", *words, **options, format="json")
    assert together.returncode == 0, together.stderr
    lines = [json.loads(line) for line in together.stdout.splitlines()]
    assert [line["question"] for line in lines] == questions and all(line["answer"] for line in lines)
    streamed = run_program("ask.py", *words[:2], **options, stream=True)
    assert streamed.stdout.splitlines()[0] == lines[0]["answer"] and "%  one\n" in streamed.stdout


def test_ask_says_what_is_missing(tmp_path):
    options = {"video": tmp_path / "x.mp4", "question": "q", "checkpoint": tiny.BASE}
    lost = run_program("ask.py", **options, vision=json.dumps(VISION))
    assert lost.returncode == 1 and "x.mp4: no such file" in lost.stderr
    vague = run_program("ask.py", **options)
    assert vague.returncode == 1 and "--vision" in vague.stderr


# ------------------------------------------------------------------ the real server
@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("vllm"))


@pytest.fixture(scope="module")
def server(root):
    """The FP8 checkpoint behind vLLM's server, on a free port. Its own process group: it is ended with its workers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(root / "serve.log", "w") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                "scripts/serve.py",
                root / "fp8_dynamic.json",
                "--port",
                str(port),
                "--vision",
                json.dumps(VISION),
                "--max-length",
                "1024",
                "--gpus",
                "0",
                "--served-name",
                "tiny fp8",
            ],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 400
        while http(url) is None:
            assert process.poll() is None and time.monotonic() < deadline, (root / "serve.log").read_text()[-3000:]
            time.sleep(1)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)


def http(url: str):
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        return urlopen(f"{url}/health", timeout=5).status
    except (URLError, OSError):
        return None


@vllm
def test_the_smoke_test_passes_on_the_server(server, root):
    """Videos of 12 and more frames, as the server reads them; nearly the accuracy of the engine that has our frames."""
    options = {"llava": good(root), "media": root / "media", "count": 14}
    process = run_program("smoke_test.py", server, **options, format="json")
    assert process.returncode == 0, process.stdout + process.stderr
    report = json.loads(process.stdout)
    assert report["passed"] and [check["name"] for check in report["checks"]] == [
        "health",
        "models",
        "a question about a video",
        "accuracy",
    ]
    assert report["checks"][1]["found"] == "tiny fp8" and report["checks"][3]["questions"] == 14
    failed = run_program("smoke_test.py", server, **options, min_accuracy=1.01)
    assert failed.returncode == 1 and "FAILED accuracy" in failed.stdout


def good(root: Path) -> Path:
    """Only questions whose video can be read."""
    entries = [value for value in json.loads((root / "x.llava.json").read_text()) if value["video"] != "v1.mp4"]
    (root / "good.llava.json").write_text(json.dumps(entries))
    return root / "good.llava.json"


@vllm
def test_the_server_answers_as_the_local_engine(server, root):
    """ask.py over HTTP and ask.py with the checkpoint: the same words to most questions (readers differ a little)."""
    entries = json.loads(good(root).read_text())[:12]
    same = 0
    for video in sorted({entry["video"] for entry in entries}):
        prompts = [entry["conversations"][0]["value"] for entry in entries if entry["video"] == video]
        words = [word for prompt in prompts for word in ("--question", prompt.replace("<video>", "").strip())]
        options = {"video": root / "media" / video, "format": "json", "max_new_tokens": 8}
        answers = []
        for where in (
            {"server": server},
            {"checkpoint": root / "fp8_dynamic.json", "vision": json.dumps(VISION)},
        ):
            process = run_program("ask.py", *words, **options, **where)
            assert process.returncode == 0, process.stderr
            answers.append([json.loads(line)["answer"] for line in process.stdout.splitlines()])
        same += sum(a == b for a, b in zip(*answers, strict=True))
    assert same >= 10, answers


@vllm
def test_the_prompt_is_trainings_to_the_token(server, root):
    """With the official client: as many prompt tokens as the local engine's prompt has; streaming gives the same words."""
    code = """
import json, sys
sys.path.insert(0, "scripts")
import openai
from roadtrain.deploy.client import sent_file
url, video, question, system = sys.argv[1:]
client = openai.OpenAI(base_url=url + "/v1", api_key="none")
content = [{"type": "video_url", "video_url": {"url": sent_file(video).url}}, {"type": "text", "text": question}]
messages = [{"role": "system", "content": system}, {"role": "user", "content": content}]
ask = dict(model="tiny fp8", messages=messages, temperature=0, max_tokens=8)
whole = client.chat.completions.create(**ask)
pieces = [p.choices[0].delta.content or "" for p in client.chat.completions.create(**ask, stream=True) if p.choices]
print(json.dumps([whole.usage.prompt_tokens, whole.choices[0].message.content, "".join(pieces)]))
"""
    question = "What is seen?\nA: one\nB: two"
    process = subprocess.run(
        [PYTHON, "-c", code, server, root / "media/v3.mp4", question, PROMPT], cwd=ROOT, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    tokens, whole, streamed = json.loads(process.stdout)
    from roadtrain.evaluate.asking import lone_question
    from roadtrain.frames.index import FrameIndex
    from roadtrain.model.prompts import Prompter

    prompter = Prompter(tiny.processor(), PROMPT)
    prefix = prompter.prefix(FrameIndex.load(root / "index.json").read(Clip((Medium("v3.mp4"),))))
    assert tokens == len(prefix.input_ids) + len(prompter.segment(lone_question(question)).prompt_ids)
    assert whole == streamed and whole


@vllm
def test_a_server_that_is_not_there(root, tmp_path):
    nowhere = "http://127.0.0.1:9"
    process = run_program("ask.py", video=root / "media/v0.mp4", question="q", server=nowhere)
    assert process.returncode == 1 and "no server answers there" in process.stderr
    process = run_program("smoke_test.py", nowhere, llava=good(root), media=root / "media")
    assert process.returncode == 1 and "FAILED health" in process.stdout
