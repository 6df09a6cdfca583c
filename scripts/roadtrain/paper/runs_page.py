"""Runs beside runs as one static page: it fetches nothing and has no script."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from roadtrain.markup import csp_hash, visible_line
from roadtrain.paper.drawing import draw, look
from roadtrain.paper.loss_curve import LossCurve
from roadtrain.paper.pages import joined, page_environment, svg_address, table_contents
from roadtrain.paper.tables.runs import run_tables
from roadtrain.results.run_comparison import ComparedSide, RunComparison
from roadtrain.results.run_sides import RunSide
from roadtrain.results.words import CONFIDENCE


def render_runs(comparison: RunComparison, sides: Sequence[RunSide], templates: str | Path) -> str:
    """The whole page. `sides`: those of the comparison, for their training logs."""
    style = joined(Path(templates, "report"), ("style.css", "tables.css"))
    return (
        page_environment(templates)
        .get_template("runs.html.j2")
        .render(
            title=" and ".join(dict.fromkeys(side["run"] for side in comparison["sides"])),
            comparison=comparison,
            figures=_figures(comparison["sides"], sides),
            tables=[table_contents(table) for table in run_tables(comparison)],
            style=style,
            style_hash=csp_hash(style),
        )
    )


def _figures(compared: Sequence[ComparedSide], sides: Sequence[RunSide]) -> list[dict[str, str]]:
    """Those that have a curve to show."""
    logs = [(number, side) for number, side in enumerate(sides) if _has_log(side)]
    figures = []
    if any(side["epochs"] for side in compared):
        words = (
            f"Validation accuracy after each epoch (0: zero-shot) with {CONFIDENCE} bands, each over its own questions."
        )
        figures.append(_figure("Accuracy over epochs", words, lambda: _accuracy_figure(compared)))
    if logs:
        words = "Training loss, mean of the latest steps (a twentieth of an epoch)."
        figures.append(_figure("Training loss", words, lambda: _loss_figure(logs)))
    return figures


def _has_log(side: RunSide) -> bool:
    results = side.ablation.results
    return results.at(results.paths.train_log(side.ablation.name)).exists()


def _figure(title: str, caption: str, build: Callable[[], Figure]) -> dict[str, str]:
    light, dark = (svg_address(draw(build, "svg", dark)) for dark in (False, True))
    return {"title": title, "caption": caption, "light": light, "dark": dark}


def _accuracy_figure(compared: Sequence[ComparedSide]) -> Figure:
    figure, axes = plt.subplots()
    for number, side in enumerate(compared):
        if not (rows := side["epochs"]):
            continue
        style: dict[str, Any] = look(number)
        epochs, accuracy, low, high = ([row[key] for row in rows] for key in ("epoch", "accuracy", "low", "high"))
        axes.fill_between(epochs, low, high, color=style["color"], alpha=0.15, linewidth=0)
        axes.plot(epochs, accuracy, label=visible_line(side["name"]), **style)
    axes.set(xlabel="epochs of training (0: zero-shot)", ylabel="validation accuracy")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    _add_names(figure)
    return figure


def _loss_figure(logs: Sequence[tuple[int, RunSide]]) -> Figure:
    figure, axes = plt.subplots()
    for number, side in logs:
        curve, style = LossCurve.of(side.ablation.train_log, side.ablation.epochs), look(number)
        axes.plot(
            curve.steps, curve.smooth, label=visible_line(side.name), color=style["color"], linestyle=style["linestyle"]
        )
    axes.set(xlabel="optimizer step", ylabel="loss (answer tokens)")
    axes.set_ylim(bottom=0)
    _add_names(figure)
    return figure


def _add_names(figure: Figure) -> None:
    """Above the axes, one below the other: paths are long, and no formula."""
    legend = figure.axes[0].legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0))
    for text in legend.get_texts():
        text.set_parse_math(False)
