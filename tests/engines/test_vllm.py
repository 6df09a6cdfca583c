"""The real vLLM (its CPU build) on the committed base and its FP8: the same answers as the local engine.

vLLM has its own Python environment: `make test-vllm` sets it up and runs these.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadtrain.data.llava import multiple_choice, write_entries
from roadtrain.files import read_json, write_json
from roadtrain.model.checkpoints import describe
from support import tiny
from support.clips import decode
from support.conversations import CONVERSATIONS, VISION, conversation, entry, render_media
from support.programs import ROOT, run_program
from support.real_vllm import PROMPT, PYTHON, QUESTIONS, VIDEOS, must, needs_vllm, prepare

pytestmark = needs_vllm


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("vllm"))


LETTERS = ("--evaluate", '{"answers": "letters"}')


def command(root: Path, engine: str, checkpoint: str, name: str, *more) -> list:
    settings = ["--gpus", "0", "--model-max-length", "1024"] if engine == "vllm" else []
    return [
        f"evaluate_{engine}.py",
        "--checkpoint",
        root / f"{checkpoint}.json",
        "--llava",
        root / "x.llava.json",
        "--frames",
        root / "index.json",
        "--system-prompt",
        PROMPT,
        "--predictions",
        root / f"{name}.jsonl",
        "--source",
        root / f"{name}.source.json",
        *settings,
        *more,
    ]


def rows(root: Path, name: str) -> list[dict]:
    return [json.loads(line) for line in (root / f"{name}.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def answered(root):
    """The base, asked by both engines."""
    must(*command(root, "local", "base", "local_base"))
    return root, must(*command(root, "vllm", "base", "vllm_base")).stdout


def distance(a: list[dict], b: list[dict]) -> float:
    """The largest difference of two letter probabilities."""
    pairs = [(x["probabilities"], y["probabilities"]) for x, y in zip(a, b, strict=True) if x["probabilities"]]
    return max(abs(x[letter] - y[letter]) for x, y in pairs for letter in x)


def test_the_base_answers_as_in_the_local_engine(answered):
    root, _ = answered
    local, vllm = rows(root, "local_base"), rows(root, "vllm_base")
    assert distance(local, vllm) < 1e-4
    without = [[{k: v for k, v in row.items() if k != "probabilities"} for row in rows] for rows in (local, vllm)]
    assert without[0] == without[1] and len(local) == VIDEOS * QUESTIONS
    assert len({row["response"] for row in local}) > 2  # they say different things to different questions


def test_without_media_it_answers_as_in_the_local_engine(root):
    must(*command(root, "local", "base", "local_blind", "--without-media"))
    must(*command(root, "vllm", "base", "vllm_blind", "--without-media"))
    local, vllm = rows(root, "local_blind"), rows(root, "vllm_blind")
    assert distance(local, vllm) < 1e-4 and [row["response"] for row in local] == [row["response"] for row in vllm]


def test_a_video_without_frames_is_unanswered_and_shifts_nothing(answered):
    root, _ = answered
    predictions = rows(root, "vllm_base")
    assert [row["id"] for row in predictions] == [f"v{n}_{k}" for n in range(VIDEOS) for k in range(QUESTIONS)]
    assert [row["id"] for row in predictions if row["response"] is None] == [f"v1_{k}" for k in range(QUESTIONS)]
    assert [one["video"] for one in read_json(root / "vllm_base.source.json")["unanswered_videos"]] == ["v1.mp4"]


def test_the_prefix_of_a_video_is_computed_once_and_said_so(answered):
    _, output = answered
    (line,) = [line for line in output.splitlines() if "prefix cache:" in line]
    rate = float(line.split("(")[1].split("%")[0])
    assert rate > 35  # of prompts that are two thirds video, in whole blocks, and not in a video's first question


def test_fp8_answers_as_in_the_local_engine(root):
    must(*command(root, "local", "fp8_dynamic", "local_fp8"))
    must(*command(root, "vllm", "fp8_dynamic", "vllm_fp8"))
    local, vllm = rows(root, "local_fp8"), rows(root, "vllm_fp8")
    # vLLM rounds activations to FP8 in its kernels, transformers simulates it: probabilities differ in the second digit.
    assert distance(local, vllm) < 0.05
    for a, b in zip(local, vllm, strict=True):
        certain = (
            a["probabilities"]
            and sorted(a["probabilities"].values())[-1] - sorted(a["probabilities"].values())[-2] > 0.05
        )
        assert a["id"] == b["id"] and (a["response"] == b["response"] or not certain)
    assert read_json(root / "vllm_fp8.source.json")["precision"] == "fp8_dynamic"


def test_killed_it_goes_on_and_shards_merge_to_one_jobs_answers(answered):
    root, _ = answered
    first = command(root, "vllm", "base", "shard1", "--shard", "1/2")
    started = subprocess.Popen(
        [sys.executable, f"scripts/{first[0]}", *map(str, first[1:])],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    finished = root / ".shard1.jsonl.finished"
    while started.poll() is None and (not finished.exists() or finished.read_text().count("\n") < 3):
        time.sleep(0.005)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    assert not (root / "shard1.jsonl").exists(), "too fast to kill"
    kept = [json.loads(line) for line in finished.read_text().splitlines()[1:]]
    mark = next(iter(kept[1]))
    kept[1][mark]["response"] = "C, as the first run said"  # a finished video isn't asked again: this stays
    finished.write_text("\n".join([finished.read_text().splitlines()[0], *map(json.dumps, kept)]) + "\n")
    must(*first)
    must(*command(root, "vllm", "base", "shard2", "--shard", "2/2"))
    must(
        "merge_predictions.py",
        "--llava",
        root / "x.llava.json",
        "--predictions",
        root / "shard2.jsonl",
        root / "shard1.jsonl",
        "--sources",
        root / "shard2.source.json",
        root / "shard1.source.json",
        "--output",
        root / "merged.jsonl",
        "--source",
        root / "merged.source.json",
    )
    merged, whole = rows(root, "merged"), rows(root, "vllm_base")
    assert [row["id"] for row in merged] == [row["id"] for row in whole]
    assert {a["id"]: a["response"] for a, b in zip(merged, whole, strict=False) if a["response"] != b["response"]} == {
        mark: "C, as the first run said"
    }
    assert distance(merged, whole) < 1e-4
    assert (root / "merged.source.json").read_bytes() == (root / "vllm_base.source.json").read_bytes()


def test_prompts_that_are_too_long(root):
    """No prompt of this split fits into 100 tokens: that is an error, not an accuracy of 0."""
    process = run_program(*command(root, "vllm", "base", "short", *LETTERS, "--model-max-length", "100"))
    assert process.returncode == 1 and "no video could be asked about" in process.stderr


def test_only_letters(answered):
    root, _ = answered
    must(*command(root, "vllm", "base", "letters", *LETTERS))
    for row, free in zip(rows(root, "letters"), rows(root, "vllm_base"), strict=False):
        if row["response"] is not None:
            assert row["response"] == max(row["probabilities"], key=row["probabilities"].get)
            assert row["probabilities"] == pytest.approx(free["probabilities"], abs=1e-4)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Pictures, several media, media between words and later turns: support/conversations.py, with letters to choose from."""
    root, options = (
        tmp_path_factory.mktemp("vllm-media"),
        dict(zip("abcd", ["clear", "rainy", "one side", "both sides"], strict=False)),
    )
    render_media(root / "media")
    values = []
    for n, (media, turns, _) in enumerate(CONVERSATIONS.values()):
        values.append(entry(n, **media, conversations=conversation(*turns)))
        lines = multiple_choice("", options).removeprefix("<video> \n  \n ")
        if all("<" not in turn for turn in turns[2::2]):  # the last turn is where the question ends
            values.append(
                entry(n + 100, **media, conversations=conversation(*turns[:-2], f"{turns[-2]}\n {lines}", "A"))
            )
    write_entries(root / "x.llava.json", values)
    decode(root, VISION)
    write_json(
        root / "base.json",
        describe(tiny.BASE, precision="bfloat16", base_model="b", epoch=0, step=0) | {"checkpoint": "base"},
    )
    return root


def test_pictures_and_several_media_are_answered_as_in_the_local_engine(mixed):
    must(*command(mixed, "local", "base", "local"))
    must(*command(mixed, "vllm", "base", "vllm"))
    local, vllm = rows(mixed, "local"), rows(mixed, "vllm")
    assert {row["id"].split("#")[0] for row in vllm} >= {f"e{n}" for n in range(len(CONVERSATIONS))}
    assert all(row["response"] is not None for row in vllm) and sum(bool(row["probabilities"]) for row in vllm) >= 8
    assert distance(local, vllm) < 1e-4
    assert [(row["id"], row["response"]) for row in local] == [(row["id"], row["response"]) for row in vllm]
    assert len({row["response"] for row in local}) > 2


def test_an_adapter_beside_its_base_answers_as_in_the_local_engine(answered):
    """--enable-lora, and not the base's answers."""
    import torch

    from roadtrain.model.adapters import write_adapter
    from roadtrain.model.checkpoints import checkpoint_hash
    from roadtrain.model.loading import load_model
    from roadtrain.model.lora import LoraSettings, adapted_layers, add_adapters
    from roadtrain.model.parts import trainable

    root, _ = answered
    model, settings = load_model(tiny.BASE, "float32"), LoraSettings(12, 24.0)
    add_adapters(model, settings)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, layer in adapted_layers(model):
            layer.lora_B.copy_(0.02 * torch.randn(layer.lora_B.shape, generator=generator))
    weights = {name: parameter.detach() for name, parameter in trainable(model).items()}
    write_adapter(root / "adapter", weights, settings, {"model": str(tiny.BASE), "sha256": checkpoint_hash(tiny.BASE)})
    tiny.processor().save_pretrained(root / "adapter")
    write_json(root / "adapter.json", describe(root / "adapter", precision="bfloat16", base_model="b", epoch=1, step=1))
    must(*command(root, "local", "adapter", "local_adapter", *LETTERS))
    must(*command(root, "vllm", "adapter", "vllm_adapter", *LETTERS))
    local, vllm = rows(root, "local_adapter"), rows(root, "vllm_adapter")
    assert distance(local, vllm) < 1e-3
    assert distance(local, rows(root, "local_base")) > 0.05
    assert [row["response"] for row in local] == [row["response"] for row in vllm]


def in_flight(root: Path, name: str, clips_of_life: int = 99) -> list:
    """A command that asks as a GPU is asked, on the CPU's vLLM: the next clips are read and tokenized while it answers, and one of
    them is in the engine with others. It dies when so many are answered and several are in the engine."""
    words = [str(word) for word in command(root, "vllm", "base", name)]
    words[words.index("--gpus") + 1] = "1"
    code = f"""
import os, runpy, signal, sys
sys.path.insert(0, "scripts")
from roadtrain.evaluate.vllm import clips, flight
options, collect, end, ended = clips.vllm_options, flight.InFlight._collect, flight.InFlight._end, []
clips.vllm_options = lambda length, gpus, *more: options(length, 0, *more)
def counted(self, one, result):
    ended.append(one)
    end(self, one, result)
def mortal(self, outputs):
    if len(ended) >= {clips_of_life} and len({{id(one) for one in self._of_request.values()}}) > 1:
        os.killpg(0, signal.SIGKILL)
    collect(self, outputs)
flight.InFlight._end, flight.InFlight._collect = counted, mortal
sys.argv = {["scripts/evaluate_vllm.py", *words[1:]]!r}
if __name__ == "__main__":
    runpy.run_path("scripts/evaluate_vllm.py", run_name="__main__")
"""
    program = root / f"{name}.py"
    program.write_text(code)
    return [PYTHON, program]


def test_several_clips_in_flight_answer_as_one_at_a_time(answered):
    """Order, responses and probabilities are those of one clip at a time."""
    result = subprocess.run(in_flight(answered[0], "flight"), cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    check_as_alone(answered[0], "flight")


def check_as_alone(root: Path, name: str) -> None:
    flight, alone = rows(root, name), rows(root, "vllm_base")
    assert [(row["id"], row["response"]) for row in flight] == [(row["id"], row["response"]) for row in alone]
    assert distance(flight, alone) < 1e-4


def test_killed_with_several_clips_in_flight_it_goes_on(answered):
    root, _ = answered
    options = {"cwd": ROOT, "capture_output": True, "text": True, "start_new_session": True}
    process = subprocess.run(in_flight(root, "killed", 2), **options)
    assert process.returncode == -signal.SIGKILL, process.stderr[-3000:]
    lines = (root / ".killed.jsonl.finished").read_text().splitlines()[1:]
    assert 0 < len([id for line in lines for id in json.loads(line)]) < (VIDEOS - 1) * QUESTIONS
    assert not (root / "killed.jsonl").exists()
    process = subprocess.run(in_flight(root, "killed"), **options)
    assert process.returncode == 0, process.stderr[-3000:]
    check_as_alone(root, "killed")
