"""Predictions -> the accuracy JSON: results/<run>/<ablation>/accuracy/<checkpoint>.json."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict, cast

from roadtrain.evaluate import statistics
from roadtrain.evaluate.calibration import Calibration, calibration
from roadtrain.evaluate.cameras import MergedCameras, merge_cameras
from roadtrain.evaluate.predictions import Prediction, PredictionsSource, asked_questions
from roadtrain.files import read_json

if TYPE_CHECKING:  # who reads an accuracy scores no text, and may have no nltk: vLLM's environment
    from roadtrain.evaluate.caption_predictions import CaptionAccuracy
    from roadtrain.evaluate.graded import KindScores, ReasoningUse

UNREAD_LIMIT = 0.02  # a larger share of unread responses is worth a look: a form that nobody thought of


class GroupAccuracy(TypedDict):
    """Of the questions of one wording, one type or one camera."""

    total_questions: int
    total_correct: int
    accuracy: float
    unanswered: int
    ci95: list[float]  # [low, high]


class IntervalMethod(TypedDict):
    """How ci95 was computed."""

    method: str
    level: float
    scenarios: int
    samples: int
    seed: int


class Scores(TypedDict):
    """Everything of the accuracy JSON but where it came from."""

    total_questions: int
    total_correct: int
    accuracy: float  # the robust parse
    accuracy_first_capital: float  # the recipe's parse, for comparison
    unanswered: int
    not_asked: int  # their videos can't be read: in no other number here; older files count them as unanswered
    read_by: dict[str, int]  # {rule of data/answers.py, or why an answer is unread: questions}; older files lack it
    chance: float  # the accuracy of guessing; older files lack it
    ci95: list[float]  # [low, high], bootstrap over scenarios
    by_question: dict[str, GroupAccuracy]
    by_type: dict[str, GroupAccuracy]  # by group: a table's `type`, WTS's kinds of questions
    by_camera: dict[str, GroupAccuracy]
    interval: IntervalMethod
    calibration: NotRequired[Calibration]  # where the predictions carry probabilities
    captions: NotRequired["CaptionAccuracy"]  # where the split has captions
    merged_cameras: NotRequired[MergedCameras]  # where questions were asked about several cameras each
    kinds: NotRequired["KindScores"]  # where answers are of other kinds than letters and words
    reasoning: NotRequired["ReasoningUse"]  # where responses were to reason first


class ComputedFrom(PredictionsSource):
    """The predictions' source, with the hash of the ablation's spec."""

    spec_hash: str


class Accuracy(Scores):
    """The accuracy JSON."""

    computed_from: ComputedFrom


def read_accuracy(path: str | Path) -> Accuracy:
    """Raises ValueError when the file isn't JSON, FileNotFoundError when there is none."""
    accuracy: Accuracy = read_json(path)
    return accuracy


def score(predictions: Sequence[Prediction], bootstrap_samples: int) -> Scores:
    """Of the questions that were asked: one whose video can't be read is no wrong answer. Raises ValueError without any."""
    everything, predictions = predictions, asked_questions(predictions)
    if not predictions:
        raise ValueError("not one question was asked: there is no accuracy")
    right = [p.is_correct for p in predictions]
    scenarios = [p.scenario for p in predictions]
    interval = statistics.interval(right, scenarios, bootstrap_samples)
    total = len(predictions)
    scores: Scores = {
        "total_questions": total,
        "total_correct": sum(right),
        "accuracy": sum(right) / total,
        "accuracy_first_capital": sum(p.first_capital == p.correct for p in predictions) / total,
        "unanswered": sum(p.answer is None for p in predictions),
        "not_asked": len(everything) - total,
        "read_by": dict(sorted(Counter(p.rule for p in everything).items())),
        "chance": sum(1 / len(p.choices) for p in predictions if p.choices) / total,
        "ci95": list(interval),
        "by_question": _by(predictions, lambda p: p.question, bootstrap_samples),
        "by_type": _by(predictions, lambda p: p.group, bootstrap_samples),
        "by_camera": _by(predictions, lambda p: p.camera, bootstrap_samples),
        "interval": {
            "method": "percentile bootstrap over scenarios",
            "level": statistics.LEVEL,
            "scenarios": len(set(scenarios)),
            "samples": bootstrap_samples,
            "seed": statistics.SEED,
        },
    }
    if merged := merge_cameras(predictions, bootstrap_samples):
        scores["merged_cameras"] = merged
    if calibrated := calibration(predictions):
        scores["calibration"] = calibrated
    return scores


def unread_warning(predictions: Sequence[Prediction], limit: float = UNREAD_LIMIT) -> str | None:
    """A warning with examples where more than `limit` of the responses could not be read, else None."""
    replies = asked_questions(predictions)
    unread, responses = [p for p in replies if p.answer is None], len(replies)
    if len(unread) <= limit * responses:
        return None
    examples = "; ".join(f"{p.id}: {p.response!r:.80} ({p.rule})" for p in unread[:3])
    return (
        f"{len(unread)} of {responses} responses ({len(unread) / responses:.1%}) name no option, or several, and count as"
        f" unanswered: {examples}"
    )


def kinds_in_words(scores: Scores) -> list[str]:
    """A line for what the accuracy doesn't count: cameras that are merged, other kinds of answers, the form of reasoning."""
    lines, kinds = [], scores.get("kinds", {})
    if merged := scores.get("merged_cameras"):
        lines.append(f"cameras merged by votes: {merged['votes']['accuracy']:.4f} of {merged['questions']} questions")
    if interval := kinds.get("interval"):
        lines.append(f"intervals: mean IoU {interval['mean_iou']:.4f} of {interval['questions']} answers")
    if text := kinds.get("text"):
        lines.append(f"texts: {text['score']:.2f} of {text['questions']} answers")
    if reasoning := scores.get("reasoning"):
        mistakes = ", ".join(f"{name} {count}" for name, count in reasoning["mistakes"].items())
        lines.append(
            f"reasoning: {reasoning['well_formed']} of {reasoning['responses']} responses are of the form that was asked for"
            + (f" ({mistakes})" if mistakes else "")
        )
    return lines


def computed_from(source_file: str | Path, spec_hash: str) -> ComputedFrom:
    """The source's keys with the spec's hash. Raises ValueError when one that the contract names is missing."""
    source = read_json(source_file)
    for key in ("model", "checkpoint", "checkpoint_sha256", "vision", "software"):
        if not isinstance(source, dict) or key not in source:
            raise ValueError(f"{source_file}: key {key} is missing; evaluate the checkpoint again")
    return cast(ComputedFrom, source | {"spec_hash": spec_hash})


def _by(
    predictions: Sequence[Prediction], group_of: Callable[[Prediction], str], samples: int
) -> dict[str, GroupAccuracy]:
    groups = [group_of(p) for p in predictions]
    right = [p.is_correct for p in predictions]
    bounds = statistics.intervals(right, [p.scenario for p in predictions], groups, samples)
    result: dict[str, GroupAccuracy] = {}
    for name in sorted(bounds):
        members = [p for p, group in zip(predictions, groups, strict=True) if group == name]
        correct = sum(p.is_correct for p in members)
        result[name] = {
            "total_questions": len(members),
            "total_correct": correct,
            "accuracy": correct / len(members),
            "unanswered": sum(p.answer is None for p in members),
            "ci95": list(bounds[name]),
        }
    return result
