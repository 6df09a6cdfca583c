"""Predictions -> the numbers of an accuracy JSON."""

from collections.abc import Callable, Sequence
from typing import Any

from roadtrain.data.question_types import question_type
from roadtrain.evaluate import statistics
from roadtrain.evaluate.calibration import calibration
from roadtrain.evaluate.predictions import Prediction


def score(predictions: Sequence[Prediction], bootstrap_samples: int) -> dict[str, Any]:
    """Everything of the accuracy JSON but where it came from."""
    right = [p.is_correct for p in predictions]
    scenarios = [p.scenario for p in predictions]
    total = len(predictions)
    calibrated = calibration(predictions)
    return {
        "total_questions": total,
        "total_correct": sum(right),
        "accuracy": sum(right) / total,
        "accuracy_first_capital": sum(p.first_capital == p.correct for p in predictions) / total,
        "unanswered": sum(p.answer is None for p in predictions),
        "chance": sum(1 / len(p.options) for p in predictions if p.options) / total,
        "ci95": list(statistics.interval(right, scenarios, bootstrap_samples)),
        "by_question": _by(predictions, lambda p: p.question, bootstrap_samples),
        "by_type": _by(predictions, lambda p: question_type(p.question), bootstrap_samples),
        "by_camera": _by(predictions, lambda p: p.camera, bootstrap_samples),
        "interval": {
            "method": "percentile bootstrap over scenarios",
            "level": statistics.LEVEL,
            "scenarios": len(set(scenarios)),
            "samples": bootstrap_samples,
            "seed": statistics.SEED,
        },
    } | ({"calibration": calibrated} if calibrated else {})


def _by(predictions: Sequence[Prediction], of: Callable[[Prediction], str], samples: int) -> dict[str, Any]:
    groups = [of(p) for p in predictions]
    right = [p.is_correct for p in predictions]
    bounds = statistics.intervals(right, [p.scenario for p in predictions], groups, samples)
    result = {}
    for name in sorted(bounds):
        own = [p for p, group in zip(predictions, groups, strict=True) if group == name]
        correct = sum(p.is_correct for p in own)
        result[name] = {
            "total_questions": len(own),
            "total_correct": correct,
            "accuracy": correct / len(own),
            "unanswered": sum(p.answer is None for p in own),
            "ci95": list(bounds[name]),
        }
    return result
