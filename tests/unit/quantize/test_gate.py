"""The gate: passes what is surely good enough, says by how much the rest got worse, refuses other questions."""

import json
from pathlib import Path

import pytest

from roadtrain.evaluate.best import read_best
from roadtrain.quantize.gate import judge_all
from roadtrain.spec.quantize import Quantize
from support.gate_answers import write_answers
from support.programs import run_program


def predictions(path: Path, right: list[bool | None]) -> Path:
    """Right, wrong, or (None) nothing that can be read."""
    return write_answers(path, ["Hm" if ok is None else "A" if ok else "B" for ok in right])


def run_gate(root: Path, before: list[bool], after: list[bool], drop: float, min_scenarios: int = 20):
    (root / "best.json").write_text(json.dumps({"checkpoint": "epoch_2"}))
    return run_program(
        "gate.py",
        best=root / "best.json",
        baseline=predictions(root / "epoch_2.jsonl", before),
        quantized=predictions(root / "fp8.jsonl", after),
        quantize=json.dumps({"max_accuracy_drop": drop, "min_scenarios": min_scenarios}),
        output=root / "gate.json",
    )


def gate(root: Path, before: list[bool], after: list[bool], drop: float = 0.01, **settings: int) -> dict:
    """The verdict on fp8."""
    process = run_gate(root, before, after, drop, **settings)
    assert process.returncode == 0, process.stderr
    return json.loads((root / "gate.json").read_text())["precisions"]["fp8"]


def test_the_gate_passes_the_same_answers_of_enough_scenarios(tmp_path):
    right = [n % 5 != 0 for n in range(400)]
    verdict = gate(tmp_path, right, right, drop=0.04)
    assert verdict["passed"] and verdict["outcome"] == "passed" and verdict["in_words"].endswith(": passed")
    assert verdict["difference"] == verdict["bootstrap_bound"] == 0
    assert verdict["lower_bound"] == verdict["exact_bound"] == pytest.approx(-0.036, abs=0.001)  # of 100 scenarios


@pytest.mark.parametrize("scenarios", [1, 3, 20, 87])
def test_the_same_answers_of_few_scenarios_decide_nothing(tmp_path, scenarios):
    """A bootstrap without a changed answer has no width: it alone would pass whatever happened."""
    right = [n % 5 != 0 for n in range(4 * scenarios)]
    verdict = gate(tmp_path, right, right, drop=0.04)
    assert verdict["outcome"] == "undecided" and not verdict["passed"]
    assert verdict["bootstrap_bound"] == 0 > -0.04 > verdict["lower_bound"] == verdict["exact_bound"]
    assert verdict["scenarios_needed"] == 88 and verdict["scenarios"] == scenarios
    assert "too few scenarios to tell" in verdict["in_words"] and "unchanged answers of 88 would" in verdict["in_words"]


def test_fewer_scenarios_than_the_minimum_decide_nothing(tmp_path):
    """Even where both bounds are within a generous margin."""
    right = [True] * 76
    assert gate(tmp_path, right, right, drop=0.5)["outcome"] == "undecided"
    assert gate(tmp_path, right, right, drop=0.5, min_scenarios=19)["outcome"] == "passed"


def test_responses_that_nobody_can_read_decide_nothing(tmp_path):
    """Whatever is lost can't be seen in them: they are no unchanged answers."""
    verdict = gate(tmp_path, [None] * 800, [None] * 800, drop=0.04)
    assert verdict["outcome"] == "undecided" and not verdict["passed"] and verdict["scenarios"] == 0
    assert verdict["in_words"].endswith(
        "over 0 of 200 scenarios, 800 and 800 responses unread; 0.0400 may be lost): not one response of either could be read,"
        " UNDECIDED (look at the responses in the predictions)"
    )
    assert verdict["baseline_unread"] == verdict["unread"] == 800 and verdict["lower_bound"] == -1


def test_scenarios_that_nobody_can_read_are_no_scenarios(tmp_path):
    read = [n % 5 != 0 for n in range(40)]
    verdict = gate(tmp_path, read + [None] * 760, read + [None] * 760, drop=0.04)
    assert verdict["outcome"] == "undecided" and verdict["scenarios"] == 10
    assert "over 10 of 200 scenarios, " in verdict["in_words"]
    assert verdict["baseline_accuracy"] == sum(read) / 800


def test_a_model_that_lost_its_words_fails(tmp_path):
    verdict = gate(tmp_path, [True] * 400, [None] * 400, drop=0.04)
    assert verdict["outcome"] == "failed" and verdict["unread"] == 400 and verdict["baseline_unread"] == 0


def test_no_loss_at_all_can_not_be_shown(tmp_path):
    verdict = gate(tmp_path, [True] * 400, [True] * 400, drop=0)
    assert verdict["outcome"] == "undecided" and verdict["scenarios_needed"] is None
    assert "no number can exclude any loss at all" in verdict["in_words"]


def test_the_gate_fails_what_got_worse_and_says_by_how_much(tmp_path):
    verdict = gate(tmp_path, [True] * 80, [n % 4 != 0 for n in range(80)])
    assert verdict["outcome"] == "failed" and verdict["difference"] == -0.25 and "FAILED" in verdict["in_words"]
    assert (verdict["changed_to_wrong"], verdict["changed_to_right"]) == (20, 0)


def test_what_got_worse_fails_however_few_the_scenarios(tmp_path):
    assert gate(tmp_path, [True] * 4, [False] * 4, drop=0.5)["outcome"] == "failed"


def test_a_small_loss_on_few_questions_is_not_proof(tmp_path):
    """One scenario of five lost one answer: the point estimate is within the margin, the bound is not."""
    before, after = [True] * 20, [True] * 19 + [False]
    assert gate(tmp_path, before, after, drop=0.06)["outcome"] == "failed"
    assert gate(tmp_path, before, after, drop=0.6, min_scenarios=5)["outcome"] == "passed"


def test_gate_json_says_every_number_and_method(tmp_path):
    gate(tmp_path, [True] * 80, [True] * 79 + [False], drop=0.5)
    value = json.loads((tmp_path / "gate.json").read_text())
    assert value.keys() == {"baseline", "max_accuracy_drop", "min_scenarios", "method", "precisions"}
    assert value["min_scenarios"] == 20 and value["method"]["level"] == 0.95 and value["method"]["samples"] == 10_000
    verdict = value["precisions"]["fp8"]
    assert verdict["lower_bound"] == min(verdict["bootstrap_bound"], verdict["exact_bound"]) < verdict["difference"]
    assert (verdict["questions"], verdict["scenarios"]) == (80, 20)


def test_the_gate_refuses_other_questions(tmp_path):
    process = run_gate(tmp_path, [True] * 8, [True] * 7, drop=0.1)
    assert process.returncode == 1 and "q007" in process.stderr and not (tmp_path / "gate.json").exists()


def judged(root: Path, before: dict[int, dict], after: dict[int, dict]):
    """The gate on 480 questions of which some are changed: {number: keys}."""
    (root / "best.json").write_text(json.dumps({"checkpoint": "epoch_2"}))
    files = [predictions(root / name, [True] * 480) for name in ("epoch_2.jsonl", "fp8.jsonl")]
    for file, changes in zip(files, (before, after), strict=True):
        rows = [json.loads(row) for row in file.read_text().splitlines()]
        file.write_text("".join(json.dumps(row | changes.get(n, {})) + "\n" for n, row in enumerate(rows)))
    settings = Quantize(max_accuracy_drop=0.04, min_scenarios=20)
    return judge_all(str(root / "best.json"), [str(files[0])], [str(files[1])], settings)["precisions"]["fp8"]


def test_questions_that_were_not_asked_are_no_evidence(tmp_path):
    """Their videos can't be read: as answers that didn't change they would make the gate pass."""
    silent = {n: {"response": None} for n in range(472)}
    verdict = judged(tmp_path, silent, silent)
    assert verdict["outcome"] == "undecided" and verdict["baseline_accuracy"] == 1
    assert (verdict["questions"], verdict["scenarios"]) == (8, 2)
    silent = {n: {"response": None} for n in range(480)}
    with pytest.raises(ValueError, match="not one question was asked"):
        judged(tmp_path, silent, silent)


@pytest.mark.parametrize(
    "change",
    [{"correct": "B"}, {"options": {"A": "y", "B": "x"}}, {"scenario": "s9"}, {"question": "Q"}, {"response": None}],
)
def test_a_question_that_is_another_in_one_of_both_is_refused(change, tmp_path):
    with pytest.raises(ValueError, match="first difference: q007"):
        judged(tmp_path, {}, {7: change})


def test_a_best_epoch_without_a_name_is_refused(tmp_path):
    (tmp_path / "best.json").write_text("[]")
    with pytest.raises(ValueError, match="expected an object with the key checkpoint"):
        read_best(tmp_path / "best.json")


def test_the_gate_needs_the_best_epochs_predictions(tmp_path):
    (tmp_path / "best.json").write_text(json.dumps({"checkpoint": "epoch_3"}))
    baseline = predictions(tmp_path / "epoch_2.jsonl", [True])
    process = run_program(
        "gate.py",
        best=tmp_path / "best.json",
        baseline=baseline,
        quantize='{"max_accuracy_drop": 0.1}',
        output=tmp_path / "gate.json",
    )
    assert process.returncode == 1 and "the best checkpoint is epoch_3" in process.stderr
