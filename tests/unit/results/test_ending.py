"""What a run ends with on the screen."""

import json

import pytest

from roadtrain.results.ending import closing_lines
from support.fabricate import fabricate


@pytest.fixture
def spec(tmp_path):
    return fabricate(tmp_path, scenarios=4, frames=False)


def test_a_finished_run_ends_with_accuracy_gate_and_report(spec):
    best = json.loads((spec.parent / "nframes8/best.json").read_text())["checkpoint"]
    accuracy = json.loads((spec.parent / f"nframes8/accuracy/{best}.json").read_text())
    (spec.parent / "report.html").write_text("x")
    lines = closing_lines(spec)
    first = next(line for line in lines if line.startswith("nframes8: "))
    assert f"{accuracy['accuracy']:.2%} (95% interval" in first and "zero-shot" in first.lower()
    assert f"on {accuracy['total_questions']} questions" in first
    verdict = json.loads((spec.parent / "nframes8/quantized/gate.json").read_text())["precisions"]["fp8"]["outcome"]
    assert any(line.startswith("nframes8: fp8 ") and verdict in line.lower() for line in lines)
    assert lines[-1] == "The report: results/made-up/report.html"
    assert all("\n" not in line for line in lines)


@pytest.mark.parametrize("outcome", ["passed", "failed", "undecided"])
def test_the_gates_outcome_is_said(spec, outcome):
    gate = json.loads((spec.parent / "nframes8/quantized/gate.json").read_text())
    gate["precisions"]["fp8"]["outcome"] = outcome
    (spec.parent / "nframes8/quantized/gate.json").write_text(json.dumps(gate))
    (line,) = [line for line in closing_lines(spec) if line.startswith("nframes8: fp8")]
    assert outcome in line.lower()


def test_what_is_not_there_yet_is_not_said(spec, tmp_path):
    (spec.parent / "nframes8/quantized/gate.json").unlink()
    assert not any("gate" in line for line in closing_lines(spec) if line.startswith("nframes8"))
    for ablation in spec.parent.glob("*/best.json"):
        ablation.unlink()
    assert closing_lines(spec) == [] and closing_lines(tmp_path / "no/spec.json") == []
