"""Runs beside runs: accuracy, paired tests over common questions, what their specs differ in, and what they cost."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from roadtrain.evaluate import statistics
from roadtrain.evaluate.predictions import Prediction, asked_questions
from roadtrain.results.common_questions import (
    SideAnswers,
    answers_of,
    asked_of_all,
    comparable,
    contents_of,
    not_common,
)
from roadtrain.results.comparisons import Method, Pair, compare
from roadtrain.results.metrics import epoch_rows
from roadtrain.results.reader import AblationResults
from roadtrain.results.record import cost_of_1000, run_record, training_cost
from roadtrain.results.run_sides import Absence, RunSide

# Sections of the spec that decide an accuracy, beside the ablation itself; where things lie and run is left out.
SECTIONS = ("data", "frames", "evaluate", "quantize")
_UNSET = "(not set)"


class SideCost(TypedDict):
    """What was measured; None where nobody did. Differs from machine to machine."""

    commits: list[str]  # of the code that made the run; empty where its jobs left no notes, as before 0.3
    hardware: list[str]
    device: str | None
    gpus: int
    training_seconds: float | None  # of all epochs
    gpu_hours: float | None  # None on a CPU, too
    price: float | None  # in the currency of ROADTRAIN_GPU_HOUR, where that was set
    seconds_of_1000: float | None  # of asking the checkpoint 1,000 questions
    peak_gib: float | None  # of one GPU, or of the process on a CPU
    quantization_seconds: float | None  # of every precision that is there


class ComparedSide(TypedDict):
    """One side. Accuracies: over all that it was asked, and over what every side was asked."""

    name: str
    run: str
    ablation: str
    checkpoint: str
    folder: str
    spec_hash: str
    questions: int
    accuracy: float | None  # None: not one question was asked
    ci95: list[float] | None
    common_accuracy: float | None  # None: nothing is common to all
    common_ci95: list[float] | None
    epochs: list[
        dict[str, Any]
    ]  # a row an epoch, 0 is zero-shot: epoch, accuracy, low, high; empty where one is missing
    cost: SideCost


class RunPair(Pair):
    """A pair, and why questions of either are not in it."""

    not_common: dict[str, int]


class PairWithout(TypedDict):
    """Two sides without a common question."""

    a: str
    b: str
    not_common: dict[str, int]


class RunComparison(TypedDict):
    """What compare_runs.py --output writes."""

    method: Method
    common_questions: int  # that every side was asked
    sides: list[ComparedSide]
    pairs: list[RunPair]
    pairs_without: list[PairWithout]
    spec_differences: dict[str, dict[str, Any]]  # {key: {side: value}} of the keys in which the sides of a pair differ
    left_out: list[Absence]


def compare_runs(
    sides: Sequence[RunSide],
    pairs: Sequence[tuple[RunSide, RunSide]],
    absences: Sequence[Absence],
    samples: int,
    trust_names: bool,
) -> RunComparison:
    """Raises ValueError when no pair has a question in common: the reasons are in it."""
    contents = {side.run: contents_of(side.ablation.results, trust_names) for side in sides}
    answers = {side.name: answers_of(side, contents[side.run]) for side in sides}
    predictions = comparable(answers)
    reasons = {(a.name, b.name): not_common(answers[a.name], answers[b.name], (a.name, b.name)) for a, b in pairs}
    tested = [(a, b) for a, b in pairs if asked_of_all([predictions[a.name], predictions[b.name]])]
    if not tested:
        raise ValueError(f"no two runs have a question in common: {_in_words(reasons)}")
    by_key = {side.key: predictions[side.name] for side in sides}
    comparisons = compare(by_key, samples, [(a.key, b.key) for a, b in tested])
    common = asked_of_all(predictions.values())
    return {
        "method": comparisons["method"],
        "common_questions": len(common),
        "sides": [_side(side, answers[side.name], predictions[side.name], common, samples) for side in sides],
        "pairs": [
            {**pair, "not_common": reasons[a.name, b.name]}
            for (a, b), pair in zip(tested, comparisons["pairs"], strict=True)
        ],
        "pairs_without": [
            {"a": a.name, "b": b.name, "not_common": reasons[a.name, b.name]} for a, b in pairs if (a, b) not in tested
        ],
        "spec_differences": spec_differences(sides, pairs),
        "left_out": list(absences),
    }


def spec_differences(sides: Sequence[RunSide], pairs: Sequence[tuple[RunSide, RunSide]]) -> dict[str, dict[str, Any]]:
    """{key of the spec: {side: its value}} of every key in which the sides of a pair differ, in the spec's order."""
    values = {side.name: _settings(side.ablation) for side in sides}
    keys = dict.fromkeys(key for settings in values.values() for key in settings)
    rows = {key: {name: settings.get(key, _UNSET) for name, settings in values.items()} for key in keys}
    return {key: row for key, row in rows.items() if any(row[a.name] != row[b.name] for a, b in pairs)}


def side_cost(ablation: AblationResults, checkpoint: str) -> SideCost:
    """From the manifests and the jobs' notes."""
    manifest, training, record = ablation.last_manifest, training_cost(ablation), run_record(ablation.results)
    peak = manifest.get("peak_bytes") if manifest else None
    quantized = [
        m["seconds"] for name in ablation.results.precisions if (m := ablation.manifest(name)) and "seconds" in m
    ]
    return {
        "commits": record.commits,
        "hardware": record.hardware,
        "device": manifest.get("device") if manifest else None,
        "gpus": ablation.settings["train"]["gpus"],
        "training_seconds": training.seconds,
        "gpu_hours": training.gpu_hours,
        "price": training.price,
        "seconds_of_1000": cost_of_1000(ablation, checkpoint).seconds,
        "peak_gib": None if peak is None else peak / 2**30,
        "quantization_seconds": sum(quantized) if quantized else None,
    }


def _side(
    side: RunSide, answers: SideAnswers, predictions: Sequence[Prediction], common: set[str], samples: int
) -> ComparedSide:
    ablation = side.ablation
    # By the run's own scenarios, as its accuracy JSON has it.
    accuracy, interval = _accuracy(asked_questions(answers.predictions.values()), samples)
    common_accuracy, common_interval = _accuracy([p for p in predictions if p.id in common], samples)
    try:
        epochs = epoch_rows(ablation)
    except FileNotFoundError:  # a run that is not through, or a part of it that was fetched
        epochs = []
    return {
        "name": side.name,
        "run": side.run,
        "ablation": ablation.name,
        "checkpoint": side.checkpoint,
        "folder": str(ablation.results.folder),
        "spec_hash": ablation.settings["spec_hash"],
        "questions": len(predictions),
        "accuracy": accuracy,
        "ci95": interval,
        "common_accuracy": common_accuracy,
        "common_ci95": common_interval,
        "epochs": epochs,
        "cost": side_cost(ablation, side.checkpoint),
    }


def _accuracy(predictions: Sequence[Prediction], samples: int) -> tuple[float | None, list[float] | None]:
    """And its interval. From the responses, as the tests are: an accuracy JSON may be of an older reader of answers."""
    if not predictions:
        return None, None
    right = [p.is_correct for p in predictions]
    return sum(right) / len(right), list(statistics.interval(right, [p.scenario for p in predictions], samples))


def _settings(ablation: AblationResults) -> dict[str, Any]:
    """{key: value} of the ablation, its overrides applied, and of the spec's sections."""
    spec: Mapping[str, Any] = ablation.results.spec
    settings: Mapping[str, Any] = ablation.settings
    parts = {key: settings[key] for key in ("model", "vision", "train")} | {key: spec.get(key, {}) for key in SECTIONS}
    return _flat(parts)


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """{train: {epochs: 2}} -> {train.epochs: 2}"""
    if not isinstance(value, Mapping) or not value:
        return {key: value}
    return {name: leaf for k, v in value.items() for name, leaf in _flat(v, f"{key}.{k}" if key else k).items()}


def _in_words(reasons: Mapping[tuple[str, str], Mapping[str, int]]) -> str:
    return "; ".join(
        f"{a} and {b}: {', '.join(f'{count:,} {reason}' for reason, count in counts.items())}"
        for (a, b), counts in reasons.items()
    )
