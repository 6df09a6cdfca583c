"""The paper's figures F1 to F5, drawn from a run's results.

Every line has its own marker and dash pattern as well as its colour, so that grey print reads the same.
"""

from collections.abc import Callable
from io import BytesIO
from math import floor
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from roadtrain.data.question_types import TYPES
from roadtrain.files import whole_file
from roadtrain.results.published import published_setting
from roadtrain.results.run import AblationResults, Results, describe_checkpoint

STYLE = str(Path(__file__).with_name("figure_style.mplstyle"))
DARK = {
    "text.color": "#E5E7EB",
    "axes.labelcolor": "#E5E7EB",
    "xtick.color": "#C3C8D0",
    "ytick.color": "#C3C8D0",
    "axes.edgecolor": "#8B93A1",
    "grid.color": "#333A45",
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.prop_cycle": "cycler('color', ['56B4E9', 'E69F00', '2FC59A', 'E39BC4', 'F08A4B', '9AD0F5', 'FFFFFF'])",
}
MARKERS = "osD^vPX"
DASHES = ["-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1)), "-", "--"]
# Nothing of the moment or the machine in the files: a re-run gives the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "ModDate": None, "Producer": None, "Creator": "Roadtrain"},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


def _look(number: int) -> dict[str, Any]:
    return {
        "color": f"C{number % 7}",
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[number % len(DASHES)],
    }


def accuracy_figure(results: Results) -> Figure:
    """F1: accuracy over epochs with 95% bands, the quantized checkpoint beside its epoch, published points."""
    figure, axes = plt.subplots()
    chance, least, last, recipe = 0.0, 1.0, 1, False
    for number, ablation in enumerate(results.ablations):
        found = [ablation.accuracy("zero_shot")] + [
            ablation.accuracy(f"epoch_{n}") for n in range(1, ablation.epochs + 1)
        ]
        epochs, values = range(len(found)), [one["accuracy"] for one in found]
        low, high = zip(*(one["ci95"] for one in found), strict=True)
        look = _look(number)
        axes.fill_between(epochs, low, high, color=look["color"], alpha=0.18, linewidth=0)
        axes.plot(epochs, values, label=ablation.name, **look)
        for shift, precision in enumerate(results.precisions):
            one, x = ablation.accuracy(precision), ablation.best["epoch"] + 0.12 + 0.08 * (number + shift)
            error = [[one["accuracy"] - one["ci95"][0]], [one["ci95"][1] - one["accuracy"]]]
            axes.errorbar(
                x,
                one["accuracy"],
                error,
                color=look["color"],
                marker=look["marker"],
                markerfacecolor="none",
                capsize=2,
                linewidth=1,
                label=f"{ablation.name} {describe_checkpoint(precision)}",
            )
        setting = published_setting(ablation.vision)
        for checkpoint, value in (setting or {"accuracy": {}})["accuracy"].items():
            # Left of its epoch: two settings may have the same published value, and ours may be close.
            x, y = int(checkpoint.removeprefix("epoch_")) - 0.1 - 0.09 * number, float(value.removeprefix("> ")) / 100
            marker = r"$\uparrow$" if value.startswith(">") else "*"
            axes.plot(x, y, color=look["color"], linestyle="none", marker=marker, markersize=9, zorder=3)
            recipe = True
        chance, last = max(chance, found[0].get("chance", 0)), max(last, ablation.epochs)
        least = min(least, *low)
    if recipe:
        axes.plot(
            [], [], marker="*", markersize=9, color="#8B93A1", linestyle="none", label="published (arrow: more than)"
        )
    if chance:
        axes.axhline(chance, color="#8B93A1", linewidth=1, linestyle=(0, (2, 2)))
        axes.annotate(
            "guessing", (last, chance), xytext=(0, -3), textcoords="offset points", ha="right", va="top", fontsize=8
        )
    bottom = max(0, floor(10 * min(least, chance or 1) - 0.5) / 10)
    axes.set(xlabel="epochs of training (0: zero-shot)", ylabel="validation accuracy", ylim=(bottom, 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    handles, labels = axes.get_legend_handles_labels()
    names = [ablation.name for ablation in results.ablations]
    order = sorted(range(len(labels)), key=lambda n: (labels[n].startswith("published"), labels[n] not in names, n))
    axes.legend(
        [handles[n] for n in order],
        [labels[n] for n in order],
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=2 if len(names) < 4 else 3,
    )
    return figure


def loss_figure(results: Results) -> Figure:
    """F2: training loss (faint: each step; strong: mean of an epoch's twentieth) and learning rate."""
    figure, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=(5.2, 4.0), height_ratios=(2.2, 1))
    for number, ablation in enumerate(results.ablations):
        log = ablation.train_log
        steps, loss, look = [x["step"] for x in log], [x["loss"] for x in log], _look(number)
        window = max(1, len(log) // (20 * ablation.epochs))
        top.plot(steps, loss, color=look["color"], alpha=0.3, linewidth=0.8)
        smooth = [
            sum(loss[max(0, n - window) : n + 1]) / len(loss[max(0, n - window) : n + 1]) for n in range(len(loss))
        ]
        top.plot(steps, smooth, color=look["color"], linestyle=look["linestyle"], label=ablation.name)
        bottom.plot(steps, [x["learning_rate"] for x in log], color=look["color"], linestyle=look["linestyle"])
    top.set(ylabel="loss (answer tokens)")
    top.set_ylim(bottom=0)
    top.legend()
    bottom.set(xlabel="optimizer step", ylabel="learning rate")
    bottom.ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
    figure.align_ylabels()
    return figure


def types_figure(results: Results) -> Figure:
    """F3: accuracy by question type: zero-shot (hollow) and best epoch (filled) with intervals."""
    present = {t for a in results.ablations for t in a.accuracy("zero_shot")["by_type"]}
    types = [t for t in TYPES if t in present]
    figure, axes = plt.subplots(figsize=(5.2, 1 + 0.14 * len(types) * (1 + len(results.ablations))))
    for number, ablation in enumerate(results.ablations):
        zero, best = ablation.accuracy("zero_shot"), ablation.accuracy(ablation.best["checkpoint"])
        color, marker = (_look(number)[key] for key in ("color", "marker"))
        offset = (number - (len(results.ablations) - 1) / 2) * 0.26
        for row, kind in enumerate(types):
            a, b = zero["by_type"].get(kind), best["by_type"].get(kind)
            if a is None or b is None:
                continue
            error = [[b["accuracy"] - b["ci95"][0]], [b["ci95"][1] - b["accuracy"]]]
            said = {"label": f"{ablation.name}: {describe_checkpoint(ablation.best['checkpoint'])}"} if row == 0 else {}
            axes.plot([a["accuracy"], b["accuracy"]], [row + offset] * 2, color=color, linewidth=0.8, alpha=0.5)
            axes.errorbar(
                b["accuracy"], row + offset, xerr=error, color=color, marker=marker, linewidth=1, capsize=2, **said
            )
            said = {"label": f"{ablation.name}: zero-shot"} if row == 0 else {}
            axes.plot(
                a["accuracy"],
                row + offset,
                color=color,
                marker=marker,
                markerfacecolor="none",
                linestyle="none",
                **said,
            )
    counts = results.ablations[0].accuracy("zero_shot")["by_type"]
    axes.set_yticks(range(len(types)), [f"{t} ({counts[t]['total_questions']:,})" if t in counts else t for t in types])
    axes.invert_yaxis()
    axes.set(xlabel="accuracy", xlim=(0, 1.02))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2)
    return figure


def tokens_figure(results: Results) -> Figure:
    """F4: vision tokens against accuracy of the best epoch; the area of a disc is the training time."""
    figure, axes = plt.subplots()
    found = []
    for ablation in results.ablations:
        clips = ablation.frames("val")["clips"]
        seconds = (ablation.manifest(f"epoch_{ablation.epochs}") or {}).get("seconds")
        found.append((ablation, sum(c["vision_tokens"] for c in clips) / len(clips), seconds))
    longest = max((seconds or 0 for _, _, seconds in found), default=0) or 1
    for number, (ablation, tokens, seconds) in enumerate(found):
        best, look = ablation.accuracy(ablation.best["checkpoint"]), _look(number)
        error = [[best["accuracy"] - best["ci95"][0]], [best["ci95"][1] - best["accuracy"]]]
        axes.errorbar(tokens, best["accuracy"], error, color=look["color"], capsize=3, linewidth=1.2)
        axes.scatter(
            tokens,
            best["accuracy"],
            s=60 + 400 * (seconds or 0) / longest,
            color=look["color"],
            alpha=0.35,
            linewidth=0,
        )
        axes.plot(tokens, best["accuracy"], color=look["color"], marker=look["marker"])
        took = "" if seconds is None else f", {_duration(seconds)} of training"
        axes.plot([], [], color=look["color"], marker=look["marker"], linestyle="none", label=f"{ablation.name}{took}")
    most, least = max(t for _, t, _ in found), min(t for _, t, _ in found)
    axes.set(xlabel="vision tokens a video (mean)", ylabel="accuracy of the best epoch", xlim=(0.6 * least, 1.6 * most))
    if most > 3 * least:
        axes.set_xscale("log")
    axes.margins(y=0.3)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2 if len(found) < 3 else 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1))  # as many decimals as the ticks need: 77.5% is not 78%
    return figure


def calibration_figure(results: Results) -> Figure:
    """F5: how often the model is right against how sure it is. Needs letter probabilities in the accuracy JSON:
    calibration {ece, bins: [{confidence, accuracy, questions}]}."""
    figure, axes = plt.subplots(figsize=(5.2, 3.8))
    axes.plot([0, 1], [0, 1], color="#8B93A1", linewidth=1, linestyle=(0, (2, 2)))
    drawn = 0
    for number, ablation in enumerate(results.ablations):
        found = _calibration(ablation)
        bins = [one for one in (found or {}).get("bins", []) if one["questions"]]
        if bins:
            label = f"{ablation.name} (ECE {found['ece']:.3f})"
            axes.plot([b["confidence"] for b in bins], [b["accuracy"] for b in bins], label=label, **_look(number))
            drawn += 1
    axes.set(xlabel="probability of the answer given", ylabel="share that is right", xlim=(0, 1.02), ylim=(0, 1.02))
    if drawn:
        axes.legend(loc="upper left")
    else:
        axes.annotate("The predictions carry no\nprobabilities.", (0.97, 0.12), ha="right")
    return figure


def _calibration(ablation: AblationResults) -> dict[str, Any] | None:
    return ablation.accuracy(ablation.best["checkpoint"]).get("calibration")


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


FIGURES: dict[str, Callable[[Results], Figure]] = {
    "f1_accuracy": accuracy_figure,
    "f2_loss": loss_figure,
    "f3_question_types": types_figure,
    "f4_tokens": tokens_figure,
    "f5_calibration": calibration_figure,
}


def draw(name: str, results: Results, kind: str, dark: bool = False) -> bytes:
    """One figure as pdf, png or svg. Raises KeyError for an unknown name."""
    with plt.style.context([STYLE, DARK] if dark else [STYLE]):
        figure = FIGURES[name](results)
        out = BytesIO()
        figure.savefig(out, format=kind, metadata=_METADATA[kind], transparent=kind == "svg")
        plt.close(figure)
    return out.getvalue()


def write(name: str, results: Results, directory: str | Path) -> None:
    for kind in ("pdf", "png"):
        with whole_file(Path(directory) / f"{name}.{kind}", "wb") as stream:
            stream.write(draw(name, results, kind))
