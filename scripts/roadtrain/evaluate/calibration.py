"""Is a model as often right as it is sure? Expected calibration error over bins of equal width.

The confidence of an answer is the probability of the letter that was given, among the option letters, where the answer
begins. ECE is the mean over questions of |share of right answers - mean confidence| of their bin (Guo et al., On
Calibration of Modern Neural Networks, ICML 2017). Questions without an answer or without probabilities are left out
and counted.
"""

from collections.abc import Sequence
from typing import Any

from roadtrain.evaluate.predictions import Prediction

BINS = 10


def calibration(predictions: Sequence[Prediction], bins: int = BINS) -> dict[str, Any] | None:
    """{ece, questions, left_out, bins: [{from, to, questions, confidence, accuracy}]}; None when nothing carries
    probabilities. A bin holds from < confidence <= to; an empty one has null for confidence and accuracy."""
    pairs = [
        (p.probabilities[p.answer], p.is_correct)
        for p in predictions
        if p.probabilities and p.answer in p.probabilities
    ]
    if not pairs:
        return None
    edges = [n / bins for n in range(bins + 1)]
    held: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for confidence, right in pairs:
        held[sum(confidence > edge for edge in edges[1:-1])].append((confidence, right))
    rows = []
    for low, high, inside in zip(edges, edges[1:], held):
        count = len(inside)
        means = [sum(column) / count for column in zip(*inside)] if count else [None, None]
        rows.append({"from": low, "to": high, "questions": count, "confidence": means[0], "accuracy": means[1]})
    gaps = [row["questions"] * abs(row["accuracy"] - row["confidence"]) for row in rows if row["questions"]]
    return {
        "ece": sum(gaps) / len(pairs),
        "questions": len(pairs),
        "left_out": len(predictions) - len(pairs),
        "bins": rows,
    }
