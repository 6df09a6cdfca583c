"""gate.json: is a quantized checkpoint non-inferior to the epoch it was made from?

Both answered the same questions. The difference of their accuracies is resampled over scenarios; a precision passes
when the one-sided 95% bound of what it lost stays within `max_accuracy_drop`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from roadtrain.evaluate import statistics
from roadtrain.evaluate.best import read_best
from roadtrain.evaluate.predictions import Prediction, read_predictions
from roadtrain.files import read_json


class Verdict(TypedDict):
    """On one precision. Accuracies are shares; difference and bound are those of the quantized minus the baseline."""

    passed: bool
    in_words: str
    baseline_accuracy: float
    accuracy: float
    difference: float
    lower_bound: float
    questions: int
    scenarios: int
    changed_to_wrong: int
    changed_to_right: int


class Gate(TypedDict):
    """gate.json: the verdict on every precision."""

    baseline: str  # the epoch that was quantized
    max_accuracy_drop: float
    precisions: dict[str, Verdict]


def read_gate(path: str | Path) -> Gate:
    """Raises ValueError when the file isn't JSON, FileNotFoundError when there is none."""
    gate: Gate = read_json(path)
    return gate


def judge_all(best_file: str, epochs: Sequence[str], quantized: Sequence[str], max_accuracy_drop: float) -> Gate:
    """The verdict on every precision. `epochs` and `quantized`: predictions, named after their checkpoints.

    Raises ValueError when the best epoch's predictions are missing, or two didn't answer the same questions.
    """
    best = read_best(best_file)["checkpoint"]
    epoch_files = {Path(path).stem: path for path in epochs}
    if best not in epoch_files:
        raise ValueError(
            f"{best_file}: the best checkpoint is {best}, but --baseline has only {', '.join(epoch_files)}"
        )
    baseline = read_predictions(epoch_files[best])
    verdicts = {}
    for path in quantized:
        answers = read_predictions(path)
        _check_same_questions(baseline, answers, epoch_files[best], path)
        verdicts[Path(path).stem] = judge(baseline, answers, max_accuracy_drop)
    return {"baseline": best, "max_accuracy_drop": max_accuracy_drop, "precisions": verdicts}


def judge(baseline: Sequence[Prediction], quantized: Sequence[Prediction], max_accuracy_drop: float) -> Verdict:
    """Both in the same order of questions."""
    before, after = ([p.is_correct for p in predictions] for predictions in (baseline, quantized))
    test = statistics.non_inferiority(before, after, [p.scenario for p in baseline], max_accuracy_drop)
    baseline_accuracy, accuracy = sum(before) / len(before), sum(after) / len(after)
    words = (
        f"accuracy {accuracy:.4f} against {baseline_accuracy:.4f}"
        f" ({test.difference:+.4f}, at worst {test.lower_bound:+.4f} with {statistics.LEVEL:.0%} confidence;"
        f" {max_accuracy_drop:.4f} may be lost): {'passed' if test.non_inferior else 'FAILED'}"
    )
    return {
        "passed": test.non_inferior,
        "in_words": words,
        "baseline_accuracy": baseline_accuracy,
        "accuracy": accuracy,
        "difference": test.difference,
        "lower_bound": test.lower_bound,
        "questions": test.questions,
        "scenarios": test.scenarios,
        "changed_to_wrong": sum(b and not a for b, a in zip(before, after, strict=True)),
        "changed_to_right": sum(a and not b for b, a in zip(before, after, strict=True)),
    }


def _check_same_questions(
    baseline: Sequence[Prediction], quantized: Sequence[Prediction], baseline_file: str, quantized_file: str
) -> None:
    if [p.id for p in baseline] != [p.id for p in quantized]:
        odd = sorted({p.id for p in baseline} ^ {p.id for p in quantized})
        raise ValueError(
            f"{quantized_file}: not the questions of {baseline_file} (first difference: {odd[0]}): evaluate both again"
        )
