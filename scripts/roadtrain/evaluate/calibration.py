"""Is a model as often right as it is sure? Expected calibration error over bins of equal width.

The confidence of an answer is the probability of the letter that was given, among the option letters, where the answer
begins. ECE is the mean over questions of |share of right answers - mean confidence| of their bin (Guo et al., On
Calibration of Modern Neural Networks, ICML 2017). Questions without an answer or without probabilities are left out
and counted.
"""

from collections.abc import Sequence
from typing import TypedDict

from roadtrain.evaluate.predictions import Prediction

BINS = 10

# A bin holds from < confidence <= to; an empty one has no confidence and no accuracy.
CalibrationBin = TypedDict(
    "CalibrationBin",
    {"from": float, "to": float, "questions": int, "confidence": float | None, "accuracy": float | None},
)


class Calibration(TypedDict):
    """The accuracy JSON's `calibration`."""

    ece: float
    questions: int
    left_out: int
    bins: list[CalibrationBin]


def calibration(predictions: Sequence[Prediction], bins: int = BINS) -> Calibration | None:
    """None when no prediction carries probabilities."""
    pairs = [
        (p.probabilities[p.answer], p.is_correct)
        for p in predictions
        if p.probabilities and p.answer in p.probabilities
    ]
    if not pairs:
        return None
    edges = [n / bins for n in range(bins + 1)]
    inside: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for confidence, right in pairs:
        inside[sum(confidence > edge for edge in edges[1:-1])].append((confidence, right))
    gaps: list[float] = []
    rows: list[CalibrationBin] = []
    for low, high, answers in zip(edges[:-1], edges[1:], inside, strict=True):
        row: CalibrationBin = {"from": low, "to": high, "questions": len(answers), "confidence": None, "accuracy": None}
        if answers:
            confidence = sum(confidence for confidence, _ in answers) / len(answers)
            accuracy = sum(right for _, right in answers) / len(answers)
            row["confidence"], row["accuracy"] = confidence, accuracy
            gaps.append(len(answers) * abs(accuracy - confidence))
        rows.append(row)
    return {
        "ece": sum(gaps) / len(pairs),
        "questions": len(pairs),
        "left_out": len(predictions) - len(pairs),
        "bins": rows,
    }
