"""The paper's figures, drawn from a run's results; F3 and F6 in files of their own."""

from collections.abc import Callable, Sequence
from math import floor
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from roadtrain.files import whole_file
from roadtrain.paper import drawing
from roadtrain.paper.baselines import chance
from roadtrain.paper.contents import FIGURE_KINDS, FIGURES, LEARNING_CURVE
from roadtrain.paper.drawing import GREY, error_bar, legend_above, look
from roadtrain.paper.learning_curve import curves_of
from roadtrain.paper.learning_figure import learning_curve_figure
from roadtrain.paper.loss_curve import LossCurve, LossOfSeeds
from roadtrain.paper.question_types import types_figure
from roadtrain.paper.seeds import bins_of_seeds, draw_means, mean_and_spread, mean_label, mean_seconds
from roadtrain.paths import MAJORITY, TEXT_ONLY
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import describe_checkpoint, duration

PUBLISHED = "published (arrow: more than)"


def accuracy_figure(results: Results) -> Figure:
    """F1: accuracy over epochs with 95% bands, the quantized checkpoint beside its epoch, published points. With `repeat`
    each seed, and their mean and range in place of the bands."""
    figure, axes = plt.subplots()
    least, last = 1.0, 1
    for number, (written, runs) in enumerate(results.groups.items()):
        lowest, epochs_of_group = draw_means(axes, number, written, runs)
        _draw_published(axes, runs[0], number)
        least, last = min(least, lowest), max(last, epochs_of_group)
    for number, ablation in enumerate([] if results.groups else results.ablations):
        accuracies = [ablation.accuracy(checkpoint) for checkpoint in ablation.unquantized]
        low, high = zip(*(accuracy["ci95"] for accuracy in accuracies), strict=True)
        style, epochs = look(number), range(len(accuracies))
        axes.fill_between(epochs, low, high, color=style["color"], alpha=0.18, linewidth=0)
        axes.plot(epochs, [accuracy["accuracy"] for accuracy in accuracies], label=ablation.name, **style)
        _draw_quantized(axes, ablation, number)
        _draw_published(axes, ablation, number)
        last, least = max(last, ablation.epochs), min(least, *low, _draw_text_only(axes, ablation, number))
    if any(ablation.published_accuracy for ablation in results.ablations):
        axes.plot([], [], marker="*", markersize=9, color=GREY, linestyle="none", label=PUBLISHED)
    lines = {
        "guessing": max(chance(ablation) or 0 for ablation in results.ablations),
        "majority answer": max(ablation.accuracy(MAJORITY)["accuracy"] for ablation in results.ablations),
    }
    # The upper line's name stands above it, the lower one's below: near lines don't write over each other.
    for name, side, edge in zip(sorted(lines, key=lambda name: lines[name]), (-3, 3), ("top", "bottom"), strict=True):
        axes.axhline(lines[name], color=GREY, linewidth=1, linestyle=(0, (2, 2)))
        axes.annotate(
            name, (last, lines[name]), xytext=(0, side), textcoords="offset points", ha="right", va=edge, fontsize=8
        )
    bottom = max(0, floor(10 * min(least, *lines.values()) - 0.5) / 10)
    axes.set(xlabel="epochs of training (0: zero-shot)", ylabel="validation accuracy", ylim=(bottom, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    names = [label for label in axes.get_legend_handles_labels()[1] if ", mean of " in label]
    _add_legend(axes, names or [ablation.name for ablation in results.ablations])
    return figure


def _draw_quantized(axes: Axes, ablation: AblationResults, number: int) -> None:
    for shift, precision in enumerate(ablation.results.precisions):
        accuracy, label = ablation.accuracy(precision), f"{ablation.name} {describe_checkpoint(precision)}"
        epoch = ablation.best["epoch"]
        drawing.draw_quantized(axes, number, epoch, accuracy["accuracy"], accuracy["ci95"], label, shift)


def _draw_text_only(axes: Axes, ablation: AblationResults, number: int) -> float:
    """A cross at the best epoch: the same weights without the media. Returns the least accuracy that is drawn."""
    if TEXT_ONLY not in ablation.results.baselines:
        return 1.0
    height, color = ablation.accuracy(TEXT_ONLY)["accuracy"], look(number)["color"]
    style: dict[str, Any] = {"linestyle": "none", "color": color, "marker": "x", "markersize": 7}
    axes.plot(ablation.best["epoch"], height, label=f"{ablation.name} without media", **style)
    return height


def _draw_published(axes: Axes, ablation: AblationResults, number: int) -> None:
    for checkpoint, value in ablation.published_accuracy.items():
        # Left of its epoch: two settings may have the same published value, and ours may be close.
        x, y = int(checkpoint.removeprefix("epoch_")) - 0.1 - 0.09 * number, float(value.removeprefix("> ")) / 100
        marker = r"$\uparrow$" if value.startswith(">") else "*"
        axes.plot(x, y, color=look(number)["color"], linestyle="none", marker=marker, markersize=9, zorder=3)


def _add_legend(axes: Axes, names: Sequence[str]) -> None:
    """Ablations first, their quantized checkpoints after them, published values last."""
    labels = axes.get_legend_handles_labels()[1]
    order = sorted(range(len(labels)), key=lambda n: (labels[n].startswith("published"), labels[n] not in names, n))
    legend_above(axes, most=2 if len(names) < 4 else 3, order=order)


def loss_figure(results: Results) -> Figure:
    """F2: training loss (faint: each step; strong: mean of the latest, an epoch's twentieth) and learning rate. Of several seeds
    the mean of the strong lines, and their range."""
    figure, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=(5.2, 4.0), height_ratios=(2.2, 1))
    for number, (name, runs) in enumerate(results.runs.items()):
        curves, style = [LossCurve.of(run.train_log, run.epochs) for run in runs], look(number)
        line: dict[str, Any] = {"color": style["color"], "linestyle": style["linestyle"]}
        if len(runs) == 1:
            top.plot(curves[0].steps, curves[0].raw, color=style["color"], alpha=0.3, linewidth=0.8)
            top.plot(curves[0].steps, curves[0].smooth, label=name, **line)
        else:
            course = LossOfSeeds.of(curves)
            top.fill_between(course.steps, course.low, course.high, color=style["color"], alpha=0.25, linewidth=0)
            top.plot(course.steps, course.mean, label=mean_label(name, runs), **line)
        # The schedule of a seed is that of the others.
        bottom.plot(curves[0].steps, [step["learning_rate"] for step in runs[0].train_log], **line)
    top.set(ylabel="loss (answer tokens)")
    top.set_ylim(bottom=0)
    top.legend()
    bottom.set(xlabel="optimizer step", ylabel="learning rate")
    bottom.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    figure.align_ylabels()
    return figure


def tokens_figure(results: Results) -> Figure:
    """F4: vision tokens against accuracy of the best epoch; the area of a disc is the training time. Of several seeds means, and
    the range of accuracies in place of the interval."""
    figure, axes = plt.subplots()
    all_tokens = [sum(runs[0].vision_tokens) / len(runs[0].vision_tokens) for runs in results.runs.values()]
    all_seconds = [mean_seconds(runs) for runs in results.runs.values()]
    longest = max((seconds or 0 for seconds in all_seconds), default=0) or 1
    rows = zip(results.runs.items(), all_tokens, all_seconds, strict=True)
    for number, ((name, runs), tokens, seconds) in enumerate(rows):
        accuracy, interval = mean_and_spread([run.best_accuracy for run in runs])
        style = look(number)
        color, marker = style["color"], style["marker"]
        axes.errorbar(tokens, accuracy, error_bar(accuracy, interval), color=color, capsize=3, linewidth=1.2)
        axes.scatter(tokens, accuracy, s=60 + 400 * (seconds or 0) / longest, color=color, alpha=0.35, linewidth=0)
        axes.plot(tokens, accuracy, color=color, marker=marker)
        training = "" if seconds is None else f", {duration(seconds)} of training"
        axes.plot([], [], color=color, marker=marker, linestyle="none", label=f"{mean_label(name, runs)}{training}")
    most, least = max(all_tokens), min(all_tokens)
    axes.set(xlabel="vision tokens a video (mean)", ylabel="accuracy of the best epoch", xlim=(0.6 * least, 1.6 * most))
    if most > 3 * least:
        axes.set_xscale("log")
    axes.margins(y=0.3)
    legend_above(axes, most=2 if len(results.runs) < 3 else 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1))  # as many decimals as the ticks need: 77.5% is not 78%
    return figure


def calibration_figure(results: Results) -> Figure:
    """F5: how often the model is right against how sure it is. Of several seeds all answers together, and in each bin the range of
    the seeds. Says so where the predictions carry no probabilities."""
    figure, axes = plt.subplots(figsize=(5.2, 3.8))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (2, 2)))
    for number, (name, runs) in enumerate(results.runs.items()):
        of_runs = [run.best_accuracy["calibration"] for run in runs if "calibration" in run.best_accuracy]
        if not of_runs:
            continue
        bins, style = bins_of_seeds(of_runs), look(number)
        confidence, accuracy = ([getattr(part, key) for part in bins] for key in ("confidence", "accuracy"))
        if len(of_runs) > 1:
            low, high = ([getattr(part, key) for part in bins] for key in ("lowest", "highest"))
            axes.fill_between(confidence, low, high, color=style["color"], alpha=0.18, linewidth=0)
        ece = fmean(calibration["ece"] for calibration in of_runs)
        axes.plot(confidence, accuracy, label=f"{mean_label(name, runs)} (ECE {ece:.3f})", **style)
    axes.set(xlabel="probability of the answer given", ylabel="share that is right", xlim=(0, 1.02), ylim=(0, 1.02))
    if results.has_calibration:
        legend_above(axes, most=1)  # beside the data there is no place that is always free
    else:
        axes.annotate("The predictions carry no\nprobabilities.", (0.97, 0.12), ha="right")
    return figure


# The keys are those of roadtrain.paper.contents.TITLES.
FIGURE_BUILDERS: dict[str, Callable[[Results], Figure]] = {
    "f1_accuracy": accuracy_figure,
    "f2_loss": loss_figure,
    "f3_question_types": types_figure,
    "f4_tokens": tokens_figure,
    "f5_calibration": calibration_figure,
    LEARNING_CURVE: learning_curve_figure,
}


def figures_of(results: Results) -> list[str]:
    """The names of a run's figures."""
    return [*FIGURES, *([LEARNING_CURVE] if curves_of(results) else [])]


def draw_figure(name: str, results: Results, kind: str, dark: bool = False) -> bytes:
    """One figure as pdf, png or svg. Raises KeyError for an unknown name."""
    build = FIGURE_BUILDERS[name]
    return drawing.draw(lambda: build(results), kind, dark)


def write_figure(name: str, results: Results, directory: str | Path) -> None:
    """One figure in every kind of FIGURE_KINDS."""
    for kind in FIGURE_KINDS:
        with whole_file(Path(directory) / f"{name}.{kind}", "wb") as stream:
            stream.write(draw_figure(name, results, kind))
