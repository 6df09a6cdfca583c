"""Expected calibration error: known answers, and what is left out."""

import pytest

from roadtrain.evaluate.accuracy import score
from roadtrain.evaluate.calibration import calibration
from roadtrain.evaluate.predictions import Prediction


def answered(number, answer, probabilities, correct="A"):
    return Prediction(
        id=f"q{number}",
        video="v.mp4",
        scenario=f"s{number % 3}",
        question="Weather?",
        options={"A": "Clear", "B": "Rainy"},
        response=answer,
        correct=correct,
        answer=answer,
        rule="alone" if answer else "none",
        first_capital=answer,
        probabilities=probabilities,
    )


def test_a_known_answer():
    """Five answers with confidence 0.9 of which four are right, five with 0.6 of which one is right:
    ECE = (5 |0.8 - 0.9| + 5 |0.2 - 0.6|) / 10 = 0.25."""
    sure = [answered(n, "A" if n else "B", {"A": 0.9, "B": 0.1} if n else {"A": 0.1, "B": 0.9}) for n in range(5)]
    unsure = [answered(5 + n, "B" if n else "A", {"A": 0.4, "B": 0.6} if n else {"A": 0.6, "B": 0.4}) for n in range(5)]
    result = calibration(sure + unsure)
    assert result["ece"] == pytest.approx(0.25)
    filled = [row for row in result["bins"] if row["questions"]]
    assert [(row["from"], row["to"], row["questions"]) for row in filled] == [(0.5, 0.6, 5), (0.8, 0.9, 5)]
    assert [row["confidence"] for row in filled] == pytest.approx([0.6, 0.9])
    assert [row["accuracy"] for row in filled] == pytest.approx([0.2, 0.8])


def test_equal_to_numpys_histogram():
    import numpy as np

    rng = np.random.default_rng(0)
    confidence, right = rng.uniform(0.01, 1, 500), rng.random(500) < 0.5
    predictions = [
        answered(n, "A" if r else "B", {"A": c, "B": 1 - c} if r else {"A": 1 - c, "B": c})
        for n, (c, r) in enumerate(zip(confidence, right, strict=False))
    ]
    edges = np.linspace(0, 1, 11)
    total = np.histogram(confidence, edges)[0]
    gap = np.abs(
        np.histogram(confidence, edges, weights=right.astype(float))[0]
        - np.histogram(confidence, edges, weights=confidence)[0]
    )
    result = calibration(predictions)
    assert result["ece"] == pytest.approx(gap.sum() / 500)
    assert [row["questions"] for row in result["bins"]] == total.tolist()


def test_the_edges_have_their_bins_and_nothing_is_lost():
    result = calibration(
        [
            answered(0, "A", {"A": 1.0, "B": 0.0}),
            answered(1, "A", {"A": 0.0, "B": 1.0}),
            answered(2, "A", {"A": 0.5, "B": 0.5}),
        ]
    )
    assert [row["questions"] for row in result["bins"]] == [1, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert result["bins"][1]["confidence"] is None


def test_what_has_no_answer_or_no_probability_is_left_out_and_counted():
    rows = [answered(0, "A", {"A": 0.8, "B": 0.2}), answered(1, None, {"A": 0.8, "B": 0.2}), answered(2, "A", None)]
    result = calibration(rows)
    assert (result["questions"], result["left_out"]) == (1, 2) and result["ece"] == pytest.approx(0.2)
    assert calibration(rows[2:]) is None


def test_the_accuracy_json_has_it_only_with_probabilities():
    assert score([answered(n, "A", {"A": 0.7, "B": 0.3}) for n in range(4)], 100)["calibration"][
        "ece"
    ] == pytest.approx(0.3)
    assert "calibration" not in score([answered(n, "A", None) for n in range(4)], 100)
