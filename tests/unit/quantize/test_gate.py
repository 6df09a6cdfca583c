"""The gate: passes what is surely good enough, says by how much the rest got worse, refuses other questions."""

import json
from pathlib import Path

from support.programs import run_program


def predictions(path: Path, right: list[bool]) -> Path:
    rows = [
        {
            "id": f"q{n:03}",
            "video": f"v{n // 4}.mp4",
            "scenario": f"s{n // 4}",
            "question": "q",
            "options": {"A": "x", "B": "y"},
            "prompt": "p",
            "response": "A" if ok else "B",
            "answer": "A" if ok else "B",
            "correct": "A",
            "is_correct": ok,
        }
        for n, ok in enumerate(right)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run_gate(root: Path, before: list[bool], after: list[bool], drop: float):
    (root / "best.json").write_text(json.dumps({"checkpoint": "epoch_2"}))
    return run_program(
        "gate.py",
        best=root / "best.json",
        baseline=predictions(root / "epoch_2.jsonl", before),
        quantized=predictions(root / "fp8.jsonl", after),
        quantize=json.dumps({"max_accuracy_drop": drop}),
        output=root / "gate.json",
    )


def gate(root: Path, before: list[bool], after: list[bool], drop: float = 0.01) -> dict:
    """The verdict on fp8."""
    process = run_gate(root, before, after, drop)
    assert process.returncode == 0, process.stderr
    return json.loads((root / "gate.json").read_text())["precisions"]["fp8"]


def test_the_gate_passes_the_same_answers(tmp_path):
    right = [n % 5 != 0 for n in range(80)]
    verdict = gate(tmp_path, right, right)
    assert verdict["passed"] and verdict["difference"] == 0 and verdict["lower_bound"] == 0


def test_the_gate_fails_what_got_worse_and_says_by_how_much(tmp_path):
    verdict = gate(tmp_path, [True] * 80, [n % 4 != 0 for n in range(80)])
    assert not verdict["passed"] and verdict["difference"] == -0.25 and "FAILED" in verdict["in_words"]
    assert (verdict["changed_to_wrong"], verdict["changed_to_right"]) == (20, 0)


def test_a_small_loss_on_few_questions_is_not_proof(tmp_path):
    """One scenario of five lost one answer: the point estimate is within the margin, the bound is not."""
    before, after = [True] * 20, [True] * 19 + [False]
    assert gate(tmp_path, before, after, drop=0.06)["passed"] is False
    assert gate(tmp_path, before, after, drop=0.5)["passed"] is True


def test_the_gate_refuses_other_questions(tmp_path):
    process = run_gate(tmp_path, [True] * 8, [True] * 7, drop=0.1)
    assert process.returncode == 1 and "q007" in process.stderr and not (tmp_path / "gate.json").exists()


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
