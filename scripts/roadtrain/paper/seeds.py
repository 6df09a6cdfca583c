"""Mean and spread over seeds, where the spec has `repeat`: rows of T3 and T5, sentences, and the lines of F1."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from matplotlib.axes import Axes

from roadtrain.evaluate.calibration import Calibration
from roadtrain.markup import quantity
from roadtrain.paper.drawing import draw_quantized, look
from roadtrain.paper.table import Cell, Column, Number, in_percent, number_or_none
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.repeats import BEST, SeedMean
from roadtrain.results.words import describe_checkpoint, interval_in_percent, percent, percent_range, points

COLUMNS = (  # of T3
    Column("seeds", "seeds"),
    Column("sd", "sd over seeds (points)"),
    Column("lowest", "lowest seed (%)"),
    Column("highest", "highest seed (%)"),
)
NOTES = (
    " Rows with a number of seeds: the mean of the runs above, which differ in train.seed only, and its spread (sd: sample"
    " standard deviation). Its interval resamples scenarios for the mean over these seeds; what other seeds would do is in"
    " the spread, not in the interval. Best: each seed's own best epoch."
)
PAIR_NOTES = (
    " Means over seeds are compared by the same test on each scenario's mean over the seeds, corrected for the number of"
    " such pairs; the answers of several seeds to a question are not taken as several questions."
)


def mean_records(results: Results, ablation: AblationResults) -> list[dict[str, Cell]]:
    """The rows of T3 below the last run of a group; [] below any other."""
    repeats, written = results.repeats, ablation.settings.get("repeat_of")
    if repeats is None or written is None or results.groups[written][-1].name != ablation.name:
        return []
    return [_mean_record(mean) for mean in repeats["means"] if mean["ablation"] == written]


def _mean_record(mean: SeedMean) -> dict[str, Cell]:
    values, checkpoint = mean["accuracies"].values(), mean["checkpoint"]
    low, high = mean["ci95"]
    epoch = 0 if checkpoint == "zero_shot" else int(checkpoint[6:]) if checkpoint.startswith("epoch_") else None
    return {
        "ablation": mean["ablation"],
        "checkpoint": checkpoint,
        "epoch": number_or_none(epoch),
        "questions": Number(mean["questions"]),
        "accuracy": in_percent(mean["mean"]),
        "ci_low": in_percent(low),
        "ci_high": in_percent(high),
        "seeds": Number(len(values)),
        "sd": None if mean["sd"] is None else in_percent(mean["sd"]),
        "lowest": in_percent(min(values)),
        "highest": in_percent(max(values)),
    }


def mean_sentence(results: Results, written: str) -> str:
    """nframes8: 28.10% zero-shot, 84.20% best epochs (mean of 3 seeds, 83.00% to 85.10%, sd 1.05 points; 95% interval ..)."""
    means = (
        {m["checkpoint"]: m for m in results.repeats["means"] if m["ablation"] == written} if results.repeats else {}
    )
    if not means:
        return ""
    best, values = means[BEST], means[BEST]["accuracies"].values()
    sd = "" if best["sd"] is None else f", sd {points(best['sd'])} points"
    return (
        f"{written}: {percent(means['zero_shot']['mean'])} zero-shot, {percent(best['mean'])} best epochs (mean of"
        f" {quantity(len(values), 'seed')}: {percent_range([min(values), max(values)])}{sd}; over scenarios"
        f" {interval_in_percent(best['ci95'])})."
    )


def seeds_text(results: Results) -> str:
    """What the means over the seeds are, and how they differ; empty without `repeat`."""
    if results.repeats is None:
        return ""
    sentences = [mean_sentence(results, written) for written in results.groups]
    return " ".join([*sentences, *(pair["in_words"] for pair in results.repeats["pairs"])])


def drawn_means(results: Results) -> str:
    """The sentence of F1's caption; it needs accuracies alone."""
    parts = []
    for written, runs in results.groups.items():
        values = [run.best_accuracy["accuracy"] for run in runs]
        parts.append(
            f"{written} reaches {percent(statistics.fmean(values), 1)} ({percent(min(values), 1)} to"
            f" {percent(max(values), 1)} over {quantity(len(values), 'seed')})"
        )
    return (
        "Validation accuracy after each epoch: each seed (faint), their mean (strong) and the range from the lowest to the"
        f" highest seed (band). Best epochs: {'; '.join(parts)}."
    )


def mean_label(name: str, runs: Sequence[AblationResults]) -> str:
    """What a legend calls an ablation's line: its name, and of how many seeds it is the mean."""
    return f"{name}, mean of {quantity(len(runs), 'seed')}" if len(runs) > 1 else name


class Scored(Protocol):
    """An accuracy, of everything or of a group of questions."""

    def __getitem__(self, key: str, /) -> Any: ...


def mean_and_spread(accuracies: Sequence[Scored]) -> tuple[float, list[float]]:
    """(mean, from the lowest to the highest) of the seeds; of one run its accuracy with its interval over scenarios."""
    values = [accuracy["accuracy"] for accuracy in accuracies]
    if len(values) == 1:
        return values[0], list(accuracies[0]["ci95"])
    return statistics.fmean(values), [min(values), max(values)]


def mean_seconds(runs: Sequence[AblationResults]) -> float | None:
    """Of training one run; None where nobody measured it."""
    seconds = [run.training_seconds for run in runs]
    measured = [value for value in seconds if value is not None]
    return statistics.fmean(measured) if measured and len(measured) == len(seconds) else None


@dataclass(frozen=True)
class SeedsBin:
    """Answers of all seeds that are as sure as each other."""

    confidence: float  # their mean probability
    accuracy: float
    lowest: float  # of the seeds' own accuracies in this bin
    highest: float


def bins_of_seeds(calibrations: Sequence[Calibration]) -> list[SeedsBin]:
    """Bin by bin; those that hold an answer of any seed."""
    together = []
    for bins in zip(*(calibration["bins"] for calibration in calibrations), strict=True):
        filled: list[Any] = [part for part in bins if part["questions"]]
        count = sum(part["questions"] for part in filled)
        if count:
            means = {
                key: sum(part["questions"] * part[key] for part in filled) / count for key in ("confidence", "accuracy")
            }
            accuracies = [part["accuracy"] for part in filled]
            together.append(SeedsBin(**means, lowest=min(accuracies), highest=max(accuracies)))
    return together


def draw_means(axes: Axes, number: int, written: str, runs: list[AblationResults]) -> tuple[float, int]:
    """A group's lines in F1: each seed, mean and range; quantized checkpoints with their range beside the last epoch.
    Returns the least accuracy and the last epoch."""
    style: dict[str, Any] = look(number)
    rows = [[run.accuracy(checkpoint)["accuracy"] for checkpoint in run.unquantized] for run in runs]
    columns, epochs = list(zip(*rows, strict=True)), range(len(rows[0]))
    for row in rows:
        axes.plot(epochs, row, color=style["color"], linewidth=0.7, alpha=0.45)
    lowest, highest = [min(column) for column in columns], [max(column) for column in columns]
    axes.fill_between(epochs, lowest, highest, color=style["color"], alpha=0.18, linewidth=0)
    label = f"{written}, mean of {quantity(len(runs), 'seed')}"
    axes.plot(epochs, [statistics.fmean(column) for column in columns], label=label, **style)
    least = min(lowest)
    for shift, precision in enumerate(runs[0].results.precisions):
        values = [run.accuracy(precision)["accuracy"] for run in runs]
        mean, least = statistics.fmean(values), min(least, *values)
        label = f"{written} {describe_checkpoint(precision)}"
        draw_quantized(axes, number, epochs[-1], mean, [min(values), max(values)], label, shift)
    return least, epochs[-1]
