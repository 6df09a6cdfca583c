"""The gate with captions: each part by itself, or S2; never passed where few scenarios, or a loss, speak against it."""

import json

import pytest

from roadtrain.evaluate.caption_predictions import CaptionPrediction
from roadtrain.evaluate.predictions import Prediction
from roadtrain.paper.tables.quantization import quantization_table
from roadtrain.quantize.caption_gate import judge_captions
from roadtrain.results.reader import Results
from roadtrain.spec.quantize import Quantize
from roadtrain.spec.reading import read_spec
from support.fabricate import SPEC, fabricate

REFERENCE = "The pedestrian walks slowly to the left in front of the car."
SETTINGS = {"gate": "parts", "max_accuracy_drop": 0.04, "max_caption_drop": 4.0}


def written(texts, right=None) -> tuple[list[CaptionPrediction], list[Prediction]]:
    """A scenario a text, and a question of each."""
    captions = [
        CaptionPrediction(f"c{n}", "v", f"s{n}", "0", "vehicle", text, REFERENCE) for n, text in enumerate(texts)
    ]
    letters = ["A" if ok else "B" for ok in (right or [True] * len(texts))]
    options = {"A": "x", "B": "y"}
    return captions, [Prediction(f"q{n}", "v", f"s{n}", "q", options, a, "A", a, "r", a) for n, a in enumerate(letters)]


def judge(before, after, **settings):
    return judge_captions(before, after, Quantize.model_validate(SETTINGS | settings), 1000, "fp8.jsonl")


def test_the_same_texts_of_many_scenarios_pass_and_of_few_are_undecided():
    many, few = written([REFERENCE] * 200), written([REFERENCE] * 60)
    assert judge(many, many)["outcome"] == "passed" and judge(few, few)["outcome"] == "undecided"
    assert judge(few, few)["lower_bound"] < -4 and judge(many, many, min_scenarios=201)["outcome"] == "undecided"


def test_texts_that_got_worse_fail():
    before, after = written([REFERENCE] * 200), written(["Snow."] * 20 + [REFERENCE] * 180)
    verdict = judge(before, after)
    assert verdict["outcome"] == "failed" and verdict["difference"] < -8
    assert verdict["in_words"].startswith("caption score ") and verdict["in_words"].endswith(
        "4.00 may be lost): FAILED"
    )


def test_s2_may_lose_the_mean_of_what_its_parts_may():
    """Captions lose more than they may, and answers less: S2 is within."""
    before = written([REFERENCE] * 400)
    after = written(["Snow."] * 24 + [REFERENCE] * 376)
    assert judge(before, after)["outcome"] == "failed"
    verdict = judge(before, after, gate="s2", max_accuracy_drop=0.1)
    assert verdict["allowed"] == pytest.approx(7) and verdict["outcome"] == "passed"
    assert verdict["difference"] == pytest.approx(judge(before, after)["difference"] / 2)


def test_other_captions_are_refused():
    before, after = written([REFERENCE] * 3), written([REFERENCE] * 4)
    with pytest.raises(ValueError, match=r"fp8.jsonl: not the captions of the baseline \(first difference: c3\)"):
        judge(before, after)
    with pytest.raises(ValueError, match="not the captions of the baseline"):
        judge(before, written([None, REFERENCE, REFERENCE]))
    with pytest.raises(ValueError, match="no captions, and quantize.gate: parts judges them"):
        judge(([], before[1]), ([], before[1]))


@pytest.mark.parametrize("mode", ["accuracy", "parts", "s2"])
def test_the_verdict_is_that_of_what_the_key_says(mode, tmp_path):
    """gate.json as gate.py writes it: the worse of both parts, S2 alone, or accuracy as ever."""
    spec = fabricate(tmp_path, scenarios=6, cameras=1, frames=False, captions=True, gate=mode)
    gate = json.loads((spec.parent / "nframes8/quantized/gate.json").read_text())
    verdict = gate["precisions"]["fp8"]
    assert gate.get("gate", "accuracy") == mode and ("captions" in verdict) == (mode != "accuracy")
    if mode == "parts":
        assert verdict["captions"]["outcome"] == "undecided" and verdict["outcome"] in ("undecided", "failed")
        assert "; caption score" in verdict["in_words"] and verdict["in_words"].startswith("accuracy ")
    if mode == "s2":
        assert verdict["outcome"] == verdict["captions"]["outcome"] and verdict["in_words"].startswith("S2 ")
    assert verdict["passed"] == (verdict["outcome"] == "passed")


def test_a_gate_about_captions_needs_captions():
    with pytest.raises(Exception, match="quantize.gate: s2: val has no captions to lose; say data.captions: val"):
        read_spec(SPEC | {"quantize": {"gate": "s2"}}, "spec")


def test_a_gate_about_accuracy_alone_is_asked_as_before():
    """What the rule passes: another text would make finished gates stale."""
    assert json.loads(Quantize().verdict()) == {"max_accuracy_drop": 0.01, "min_scenarios": 20}
    assert json.loads(Quantize(gate="s2").verdict())["max_caption_drop"] == 1.0
    assert "gate" not in json.loads(Quantize(gate="s2").compression())


@pytest.mark.parametrize("mode", ["accuracy", "parts", "s2"])
def test_the_table_shows_what_was_judged(mode, tmp_path):
    """T6: columns of the caption score, or S2, only where the key says so; the verdict is the whole one."""
    results = Results.load(fabricate(tmp_path, scenarios=4, cameras=1, frames=False, captions=True, gate=mode))
    table = quantization_table(results)
    row = dict(zip([column.key for column in table.columns], table.rows[0], strict=True))
    verdict = results.ablations[0].gate["precisions"]["fp8"]
    assert row["gate"] == verdict["outcome"] and ("score" in row) == (mode != "accuracy")
    if mode != "accuracy":
        captions = verdict["captions"]
        assert row["score"] == {"parts": "caption score", "s2": "S2"}[mode]
        assert (
            row["score_difference"].value == captions["difference"]
            and row["score_allowed"].value == captions["allowed"]
        )
