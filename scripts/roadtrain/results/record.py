"""When, by which code, where and at what cost a run was made: from what its jobs noted, never from a clock of now.

The jobs' notes (model/times.py) are there for jobs of version 0.3 on; training seconds are in the manifests of any.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from roadtrain.model.times import Times, read_times
from roadtrain.results.reader import AblationResults, Results


@dataclass(frozen=True)
class Cost:
    """What a piece of work took; None where nobody measured it."""

    seconds: float | None = None
    gpu_hours: float | None = None  # None on a CPU, too
    price: float | None = None  # in the currency of ROADTRAIN_GPU_HOUR, which was set when the work was done


@dataclass(frozen=True)
class RunRecord:
    """Of a whole run. Empty where its jobs left no notes."""

    first_date: str | None
    last_date: str | None
    commits: list[str]  # of the code; more than one where parts were made again later
    hardware: list[str]


def run_record(results: Results) -> RunRecord:
    """From every note there is."""
    notes = list(_notes(results))
    dates = sorted(note["date"] for note in notes)
    return RunRecord(
        first_date=dates[0] if dates else None,
        last_date=dates[-1] if dates else None,
        commits=sorted({commit for note in notes if (commit := note["commit"])}),
        hardware=sorted({note["hardware"] for note in notes}),
    )


def training_cost(ablation: AblationResults) -> Cost:
    """Of all epochs."""
    seconds = ablation.training_seconds
    note = read_times(ablation.results.at(ablation.results.paths.train_times(ablation.name)))
    return _cost(seconds, ablation.settings["train"]["gpus"], note)


def cost_of_1000(ablation: AblationResults, checkpoint: str) -> Cost:
    """Of asking the checkpoint 1,000 questions, the loading of the model included: what its evaluation took, shared out."""
    notes = _evaluation_notes(ablation, checkpoint)
    questions = sum(note.get("questions", 0) for note in notes)
    if not questions:
        return Cost()
    parts = [_cost(note.get("seconds"), note["gpus"], note) for note in notes]
    return Cost(*(_share(values, 1000 / questions) for values in zip(*map(_values, parts), strict=True)))


def _cost(seconds: float | None, gpus: int, note: Times | None) -> Cost:
    if seconds is None or not gpus:
        return Cost(seconds)
    hours = seconds * gpus / 3600
    return Cost(seconds, hours, hours * note["gpu_hour"] if note and "gpu_hour" in note else None)


def _values(cost: Cost) -> tuple[float | None, ...]:
    return cost.seconds, cost.gpu_hours, cost.price


def _share(values: Iterable[float | None], share: float) -> float | None:
    """Of the sum; None where one isn't known: a sum of the others would be too small."""
    numbers = list(values)
    return None if None in numbers else sum(value for value in numbers if value is not None) * share


def _notes(results: Results) -> Iterable[Times]:
    for ablation in results.ablations:
        if note := read_times(results.at(results.paths.train_times(ablation.name))):
            yield note
        for checkpoint in ablation.checkpoints:
            yield from _evaluation_notes(ablation, checkpoint)


def _evaluation_notes(ablation: AblationResults, checkpoint: str) -> list[Times]:
    """One, or one a shard; none where one is missing: the sum of the others would be too small."""
    results, paths = ablation.results, ablation.results.paths
    shards = results.spec["evaluate"].get("shards", 1)
    files = (
        [paths.shard(ablation.name, checkpoint, str(n + 1), shards, "times.json") for n in range(shards)]
        if shards > 1
        else [paths.predictions_times(ablation.name, checkpoint)]
    )
    notes = [read_times(results.at(file)) for file in files]
    return [note for note in notes if note] if None not in notes else []
