"""`captions` in comparisons.json: pairs by the caption score and by S2, corrected for their number."""

import pytest

from roadtrain.evaluate import statistics
from roadtrain.files import read_json
from roadtrain.results.caption_comparisons import compare_captions
from roadtrain.results.reader import Results
from support.fabricate import fabricate
from support.programs import run_program


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return Results.load(
        fabricate(tmp_path_factory.mktemp("captions"), scenarios=12, cameras=1, frames=False, captions=True)
    )


@pytest.fixture(scope="module")
def comparisons(results):
    output = results.folder / "comparisons.json"
    process = run_program(
        "compare.py", spec=results.folder / "spec.json", evaluate='{"bootstrap_samples": 300}', output=output
    )
    assert process.returncode == 0, process.stderr
    return read_json(output)


def test_every_pair_that_is_compared_by_its_answers_is_compared_by_its_captions(comparisons):
    sides = [[(p[s]["ablation"], p[s]["checkpoint"]) for s in "ab"] for p in comparisons["captions"]["pairs"]]
    assert sides == [[(p[s]["ablation"], p[s]["checkpoint"]) for s in "ab"] for p in comparisons["pairs"]]


def test_scores_are_those_of_the_accuracy_json(results, comparisons):
    scores = {(a.name, name): a.accuracy(name)["captions"] for a, name in results.all_checkpoints()}
    scores |= {(a.name, name): a.accuracy(name)["captions"] for a in results.ablations for name in results.baselines}
    for pair in comparisons["captions"]["pairs"]:
        for side in "ab":
            accuracy = scores[pair[side]["ablation"], pair[side]["checkpoint"]]
            assert pair["captions"][side] == pytest.approx(accuracy["score"])
            assert pair["s2"][side] == pytest.approx(accuracy["s2"])


def test_what_differs_is_said_with_its_interval(comparisons):
    pairs = {
        (p["a"]["checkpoint"], p["b"]["checkpoint"]): p
        for p in comparisons["captions"]["pairs"]
        if p["a"]["ablation"] == p["b"]["ablation"] == "nframes8"
    }
    better = pairs["zero_shot", "epoch_3"]["captions"]
    assert better["difference"] == pytest.approx(better["b"] - better["a"]) and better["ci95"][0] > 0
    assert f"points above that of nframes8 zero-shot (95% interval {better['ci95'][0]:+.2f} to" in better["in_words"]
    same = pairs["epoch_3", "fp8"]["captions"]
    assert same["difference"] == 0 and same["p_holm"] == 1 and same["in_words"].endswith("have the same caption score.")


def test_p_values_are_corrected_for_the_number_of_pairs(comparisons):
    for score in ("captions", "s2"):
        tests = [pair[score] for pair in comparisons["captions"]["pairs"]]
        assert [t["p_holm"] for t in tests] == pytest.approx(statistics.holm([t["p_scenario"] for t in tests]))
        assert all(t["significant"] == (t["p_holm"] < 0.05) for t in tests)


def test_checkpoints_without_captions_have_no_comparisons():
    assert compare_captions({("a", "x"): ([], []), ("a", "y"): ([], [])}, [(("a", "x"), ("a", "y"))], 100) is None
