"""The paper's figures F1 to F5, drawn from a run's results."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from math import floor
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from roadtrain.evaluate.accuracy import GroupAccuracy
from roadtrain.files import whole_file
from roadtrain.paper import drawing
from roadtrain.paper.baselines import chance
from roadtrain.paper.captions import MOST_GROUPS, question_groups
from roadtrain.paper.contents import FIGURE_KINDS
from roadtrain.paper.drawing import GREY, error_bar, look
from roadtrain.paper.loss_curve import LossCurve
from roadtrain.paper.seeds import draw_means
from roadtrain.paths import MAJORITY, TEXT_ONLY
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import describe_checkpoint, duration

PUBLISHED = "published (arrow: more than)"
_ABOVE_THE_AXES: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0)}


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
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda n: (labels[n].startswith("published"), labels[n] not in names, n))
    columns = 2 if len(names) < 4 else 3
    axes.legend([handles[n] for n in order], [labels[n] for n in order], ncols=columns, **_ABOVE_THE_AXES)


def loss_figure(results: Results) -> Figure:
    """F2: training loss (faint: each step; strong: mean of the latest, an epoch's twentieth) and learning rate."""
    figure, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=(5.2, 4.0), height_ratios=(2.2, 1))
    for number, ablation in enumerate(results.ablations):
        log = ablation.train_log
        curve, style = LossCurve.of(log, ablation.epochs), look(number)
        line: dict[str, Any] = {"color": style["color"], "linestyle": style["linestyle"]}
        top.plot(curve.steps, curve.raw, color=style["color"], alpha=0.3, linewidth=0.8)
        top.plot(curve.steps, curve.smooth, label=ablation.name, **line)
        bottom.plot(curve.steps, [line["learning_rate"] for line in log], **line)
    top.set(ylabel="loss (answer tokens)")
    top.set_ylim(bottom=0)
    top.legend()
    bottom.set(xlabel="optimizer step", ylabel="learning rate")
    bottom.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    figure.align_ylabels()
    return figure


def types_figure(results: Results) -> Figure:
    """F3: accuracy by question type: zero-shot (hollow), best epoch (filled) with intervals, majority answer (tick)."""
    types = question_groups(results)[:MOST_GROUPS]
    figure, axes = plt.subplots(figsize=(5.2, 1 + 0.14 * len(types) * (1 + len(results.ablations))))
    for number, ablation in enumerate(results.ablations):
        offset = (number - (len(results.ablations) - 1) / 2) * 0.26
        _draw_types(axes, ablation, types, look(number), offset)
    majority = results.ablations[0].accuracy(MAJORITY)["by_type"]
    rows = [row for row, kind in enumerate(types) if kind in majority]
    heights = [majority[types[row]]["accuracy"] for row in rows]
    tick: dict[str, Any] = {"linestyle": "none", "marker": "|", "markersize": 14, "color": GREY}
    axes.plot(heights, rows, label="majority answer", **tick)
    counts = results.ablations[0].zero_shot_accuracy["by_type"]
    axes.set_yticks(
        range(len(types)),
        [_group_label(kind, counts) for kind in types],
        parse_math=False,  # a name of the data's is no formula
    )
    axes.invert_yaxis()
    axes.set(xlabel="accuracy", xlim=(0, 1.02))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2)
    return figure


def _group_label(kind: str, counts: Mapping[str, GroupAccuracy]) -> str:
    name = textwrap.shorten(kind, 40, placeholder="..")
    return f"{name} ({counts[kind]['total_questions']:,})" if kind in counts else name


def _draw_types(
    axes: Axes, ablation: AblationResults, types: Sequence[str], style: dict[str, Any], offset: float
) -> None:
    """One ablation's two points a question type. The first type's have the legend's labels."""
    zero_shot, best = ablation.zero_shot_accuracy["by_type"], ablation.best_accuracy["by_type"]
    color, marker = style["color"], style["marker"]
    for row, kind in enumerate(types):
        if kind not in zero_shot or kind not in best:
            continue
        before, after, y = zero_shot[kind]["accuracy"], best[kind]["accuracy"], row + offset
        filled: dict[str, Any] = {"color": color, "marker": marker}
        hollow = filled | {"markerfacecolor": "none", "linestyle": "none"}
        if row == 0:
            filled["label"] = f"{ablation.name}: {describe_checkpoint(ablation.best['checkpoint'])}"
            hollow["label"] = f"{ablation.name}: zero-shot"
        axes.plot([before, after], [y] * 2, color=color, linewidth=0.8, alpha=0.5)
        error = error_bar(after, best[kind]["ci95"])
        axes.errorbar(after, y, xerr=error, linewidth=1, capsize=2, **filled)
        axes.plot(before, y, **hollow)


def tokens_figure(results: Results) -> Figure:
    """F4: vision tokens against accuracy of the best epoch; the area of a disc is the training time."""
    figure, axes = plt.subplots()
    all_tokens = [sum(a.vision_tokens) / len(a.vision_tokens) for a in results.ablations]
    all_seconds = [ablation.training_seconds for ablation in results.ablations]
    longest = max((seconds or 0 for seconds in all_seconds), default=0) or 1
    rows = zip(results.ablations, all_tokens, all_seconds, strict=True)
    for number, (ablation, tokens, seconds) in enumerate(rows):
        best, style = ablation.best_accuracy, look(number)
        accuracy, color, marker = best["accuracy"], style["color"], style["marker"]
        axes.errorbar(tokens, accuracy, error_bar(accuracy, best["ci95"]), color=color, capsize=3, linewidth=1.2)
        axes.scatter(tokens, accuracy, s=60 + 400 * (seconds or 0) / longest, color=color, alpha=0.35, linewidth=0)
        axes.plot(tokens, accuracy, color=color, marker=marker)
        training = "" if seconds is None else f", {duration(seconds)} of training"
        axes.plot([], [], color=color, marker=marker, linestyle="none", label=f"{ablation.name}{training}")
    most, least = max(all_tokens), min(all_tokens)
    axes.set(xlabel="vision tokens a video (mean)", ylabel="accuracy of the best epoch", xlim=(0.6 * least, 1.6 * most))
    if most > 3 * least:
        axes.set_xscale("log")
    axes.margins(y=0.3)
    axes.legend(ncols=2 if len(results.ablations) < 3 else 1, **_ABOVE_THE_AXES)
    axes.yaxis.set_major_formatter(PercentFormatter(1))  # as many decimals as the ticks need: 77.5% is not 78%
    return figure


def calibration_figure(results: Results) -> Figure:
    """F5: how often the model is right against how sure it is. Says so where the predictions carry no probabilities."""
    figure, axes = plt.subplots(figsize=(5.2, 3.8))
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (2, 2)))
    for number, ablation in enumerate(results.ablations):
        calibration = ablation.best_accuracy.get("calibration")
        if calibration is None:
            continue
        bins: list[Any] = [part for part in calibration["bins"] if part["questions"]]
        confidence, accuracy = ([part[key] for part in bins] for key in ("confidence", "accuracy"))
        axes.plot(confidence, accuracy, label=f"{ablation.name} (ECE {calibration['ece']:.3f})", **look(number))
    axes.set(xlabel="probability of the answer given", ylabel="share that is right", xlim=(0, 1.02), ylim=(0, 1.02))
    if results.has_calibration:
        axes.legend(loc="upper left")
    else:
        axes.annotate("The predictions carry no\nprobabilities.", (0.97, 0.12), ha="right")
    return figure


# The keys are those of roadtrain.paper.contents.FIGURES.
FIGURE_BUILDERS: dict[str, Callable[[Results], Figure]] = {
    "f1_accuracy": accuracy_figure,
    "f2_loss": loss_figure,
    "f3_question_types": types_figure,
    "f4_tokens": tokens_figure,
    "f5_calibration": calibration_figure,
}


def draw_figure(name: str, results: Results, kind: str, dark: bool = False) -> bytes:
    """One figure as pdf, png or svg. Raises KeyError for an unknown name."""
    build = FIGURE_BUILDERS[name]
    return drawing.draw(lambda: build(results), kind, dark)


def write_figure(name: str, results: Results, directory: str | Path) -> None:
    """One figure in every kind of FIGURE_KINDS."""
    for kind in FIGURE_KINDS:
        with whole_file(Path(directory) / f"{name}.{kind}", "wb") as stream:
            stream.write(draw_figure(name, results, kind))
