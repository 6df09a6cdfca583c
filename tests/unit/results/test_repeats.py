"""Means over seeds, by numbers that were worked out by hand."""

from math import sqrt

import pytest

from roadtrain.evaluate.predictions import Prediction
from roadtrain.evaluate.statistics import interval
from roadtrain.results.repeats import BEST, compare_repeats

SAMPLES = 400


def answers(right: str, per_scenario: int = 2) -> list[Prediction]:
    """One question a character: 1 is right, 0 wrong, - not asked. Scenarios of `per_scenario` questions."""
    return [
        Prediction(
            id=f"q{n}",
            video="v.mp4",
            scenario=f"s{n // per_scenario}",
            question="Q",
            options={"A": "x", "B": "y"},
            response=None if c == "-" else c,
            correct="A",
            answer={"1": "A", "0": "B", "-": None}[c],
            rule="alone",
            first_capital=None,
        )
        for n, c in enumerate(right)
    ]


def repeats_of(runs: dict[str, tuple[str, str]], groups: dict[str, list[str]]):
    """{run: (zero-shot's answers, epoch 1's)}."""
    predictions = {}
    for run, (before, after) in runs.items():
        predictions[run, "zero_shot"], predictions[run, "epoch_1"] = answers(before), answers(after)
    return compare_repeats(predictions, groups, dict.fromkeys(runs, "epoch_1"), SAMPLES)


def test_mean_and_spread():
    """2, 4 and 6 of 8: mean 1/2, standard deviation sqrt((2 * (1/4) ** 2) / 2) = 1/4."""
    runs = {"a0": ("10000000", "11000000"), "a1": ("10000000", "11110000"), "a2": ("10000000", "11111100")}
    means = {m["checkpoint"]: m for m in repeats_of(runs, {"a": list(runs)})["means"]}
    after = means["epoch_1"]
    assert after["accuracies"] == {"a0": 0.25, "a1": 0.5, "a2": 0.75}
    assert (after["mean"], after["sd"], after["questions"], after["scenarios"]) == (0.5, 0.25, 8, 4)
    assert means[BEST] == after | {"checkpoint": BEST}
    assert (means["zero_shot"]["mean"], means["zero_shot"]["sd"]) == (0.125, 0)


def test_best_is_each_seeds_own_epoch():
    """Epoch 1 of one (3 of 4), epoch 2 of the other (2 of 4): mean 5/8, deviation 1/4 / sqrt(2)."""
    predictions = {
        ("a0", "zero_shot"): answers("0000"),
        ("a0", "epoch_1"): answers("1110"),
        ("a0", "epoch_2"): answers("1000"),
        ("a1", "zero_shot"): answers("0000"),
        ("a1", "epoch_1"): answers("0000"),
        ("a1", "epoch_2"): answers("1100"),
    }
    repeats = compare_repeats(predictions, {"a": ["a0", "a1"]}, {"a0": "epoch_1", "a1": "epoch_2"}, SAMPLES)
    (best,) = [m for m in repeats["means"] if m["checkpoint"] == BEST]
    assert best["accuracies"] == {"a0": 0.75, "a1": 0.5} and best["mean"] == 0.625
    assert best["sd"] == pytest.approx(0.25 / sqrt(2))


def test_equal_seeds_are_no_more_questions_than_one():
    """Three copies of one run: the interval of their mean is that run's, not a third as wide."""
    before, after = "1000001000100000", "1101001011100111"
    one = repeats_of({"a0": (before, after)}, {"a": ["a0"]})
    three = repeats_of({f"a{n}": (before, after) for n in range(3)}, {"a": ["a0", "a1", "a2"]})
    (of_one,), (of_three,) = ([m for m in r["means"] if m["checkpoint"] == "epoch_1"] for r in (one, three))
    expected = interval([int(c) for c in after], [f"s{n // 2}" for n in range(16)], SAMPLES)
    assert of_one["ci95"] == pytest.approx(list(expected)) and of_three["ci95"] == pytest.approx(list(expected))
    assert (of_one["sd"], of_three["sd"]) == (None, 0)
    for key in ("difference", "ci95", "p_scenario", "scenarios", "questions"):
        assert one["pairs"][0][key] == pytest.approx(three["pairs"][0][key]), key


def test_groups_are_compared_by_their_means_over_the_seeds():
    """a: 2 and 4 of 8, b: 6 and 6 of 8: 6/8 - 3/8. Another scenario's signs: by hand over four scenarios of two."""
    runs = {
        "a0": ("00000000", "11000000"),
        "a1": ("00000000", "11110000"),
        "b0": ("00000000", "11111100"),
        "b1": ("00000000", "11001111"),
    }
    repeats = repeats_of(runs, {"a": ["a0", "a1"], "b": ["b0", "b1"]})
    pair = repeats["pairs"][-1]
    assert (pair["a"]["ablation"], pair["b"]["ablation"], pair["b"]["checkpoint"]) == ("a", "b", BEST)
    assert pair["difference"] == 0.375 and pair["scenarios"] == 4
    # By scenario, in whole scenarios: 0, 0, 1, 1/2. All four sign patterns of the last two are as large or not: 2 of 4.
    assert pair["p_scenario"] == pytest.approx(0.5, abs=0.02)
    assert not pair["significant"]
    assert "b best epochs, mean of 2 seeds, is 37.50 points above a best epochs, mean of 2 seeds" in pair["in_words"]
    assert pair["in_words"].endswith(
        "not significant among 3 pairs; each seed of the first is above each of the second."
    )
    assert len(repeats["pairs"]) == 3  # each with its zero-shot, and the two


def test_overlapping_seeds_are_called_so():
    runs = {"a0": ("00000000", "11000000"), "a1": ("00000000", "11111110"), "b0": ("00000000", "11110000")}
    runs["b1"] = ("00000000", "11111111")
    pair = repeats_of(runs, {"a": ["a0", "a1"], "b": ["b0", "b1"]})["pairs"][-1]
    assert pair["in_words"].endswith("the seeds' ranges overlap.")


def test_seeds_that_were_asked_different_questions_have_no_mean():
    runs = {"a0": ("0000", "1100"), "a1": ("0000", "110-")}
    with pytest.raises(ValueError, match=r"a1/epoch_1 and a0/epoch_1 were asked different questions \(q3\)"):
        repeats_of(runs, {"a": ["a0", "a1"]})


def test_groups_are_compared_over_the_questions_that_all_were_asked():
    runs = {"a0": ("0000", "1100"), "a1": ("0000", "1000"), "b0": ("000-", "110-"), "b1": ("000-", "111-")}
    pair = repeats_of(runs, {"a": ["a0", "a1"], "b": ["b0", "b1"]})["pairs"][-1]
    assert pair["questions"] == 3 and pair["difference"] == pytest.approx(5 / 6 - 3 / 6)
    assert pair["a"]["mean"] == 0.5  # over the three, not 3/8
