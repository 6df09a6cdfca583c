"""Calibration in numbers: each bin of the accuracy JSON's calibration with its questions and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from roadtrain.evaluate import statistics
from roadtrain.evaluate.calibration import calibration
from roadtrain.evaluate.predictions import Prediction, asked_questions
from roadtrain.paper.failures import confidence


@dataclass(frozen=True)
class Bin:
    """Answers with a probability above `low` and up to `high`."""

    low: float
    high: float
    questions: int
    right: int
    confidence: float  # their mean probability
    accuracy: float
    ci95: tuple[float, float]  # of the accuracy, bootstrap over scenarios


def reliability(predictions: Sequence[Prediction], samples: int) -> list[Bin]:
    """The bins that hold an answer. Empty where the predictions carry no probabilities."""
    answers = asked_questions(predictions)
    if (calibrated := calibration(answers)) is None:
        return []
    edges = [part["to"] for part in calibrated["bins"]]
    pairs = [(p, share) for p in answers if (share := confidence(p)) is not None]
    places = [sum(share > edge for edge in edges[:-1]) for _, share in pairs]
    right = [p.is_correct for p, _ in pairs]
    bounds = statistics.intervals(right, [p.scenario for p, _ in pairs], places, samples)
    bins = []
    for place, part in enumerate(calibrated["bins"]):
        if part["confidence"] is None or part["accuracy"] is None:
            continue
        correct = sum(good for good, of in zip(right, places, strict=True) if of == place)
        bins.append(
            Bin(
                part["from"],
                part["to"],
                part["questions"],
                correct,
                part["confidence"],
                part["accuracy"],
                bounds[place],
            )
        )
    return bins
