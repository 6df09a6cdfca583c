"""F6, the learning curve, drawn."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from roadtrain.markup import quantity
from roadtrain.paper.drawing import GREY, legend_above, look
from roadtrain.paper.learning_curve import LearningCurve, curves_of
from roadtrain.paths import MAJORITY
from roadtrain.results.reader import Results
from roadtrain.results.words import describe_checkpoint


def learning_curve_figure(results: Results) -> Figure:
    """F6: accuracy of the best epoch against the training questions (log): each run, mean and range; zero-shot, once a setting,
    and what the majority of as many answers scores."""
    figure, axes = plt.subplots()
    curves = curves_of(results)
    for number, curve in enumerate(curves):
        _draw_curve(axes, number, curve)
    settings = _by_setting(curves)
    for number, alike in settings.items():
        names, style = "", {"color": GREY}
        if len(settings) > 1:
            names = f"{' and '.join(curve.name for curve in alike)}, "
            style = look(number) | {"markerfacecolor": "none"}
        _draw_baseline(axes, alike, "zero_shot", names, **(style | {"linestyle": (0, (2, 2))}))
    _draw_baseline(axes, curves, MAJORITY, color=GREY, linestyle=(0, (5, 1.5)), marker="|")
    sizes = max(([point.questions for point in curve.points] for curve in curves), key=len)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set(xlabel="training questions (log scale)", ylabel="accuracy of the best epoch")
    axes.set_ylim(bottom=max(0, axes.get_ylim()[0] - 0.02), top=1.02)
    legend_above(axes, most=2)
    return figure


def _by_setting(curves: Sequence[LearningCurve]) -> dict[int, list[LearningCurve]]:
    """{number of the first curve: the curves of one base model that sees one vision setting}: they begin at the same accuracy."""
    numbers: dict[tuple[str, str], int] = {}
    groups: dict[int, list[LearningCurve]] = {}
    for number, curve in enumerate(curves):
        settings = curve.points[0].runs[0].settings
        first = numbers.setdefault((settings["model"], settings["vision_name"]), number)
        groups.setdefault(first, []).append(curve)
    return groups


def _draw_baseline(axes: Axes, curves: Sequence[LearningCurve], checkpoint: str, names: str = "", **style: Any) -> None:
    """Over all sizes of these curves; the mean, where several have one."""
    heights: dict[float, list[float]] = {}
    for point in (point for curve in curves for point in curve.points):
        heights.setdefault(point.questions, []).append(point.baseline(checkpoint))
    sizes = sorted(heights)
    label = f"{names}{describe_checkpoint(checkpoint)}"
    axes.plot(sizes, [fmean(heights[size]) for size in sizes], label=label, linewidth=1, **style)


def _draw_curve(axes: Axes, number: int, curve: LearningCurve) -> None:
    style = look(number)
    sizes = [point.questions for point in curve.points]
    values = [point.accuracies for point in curve.points]
    for point in curve.points:
        counts = [run.training_questions for run in point.runs]
        axes.plot(counts, point.accuracies, color=style["color"], marker=".", linestyle="none", alpha=0.5)
    low, high = [min(of_runs) for of_runs in values], [max(of_runs) for of_runs in values]
    axes.fill_between(sizes, low, high, color=style["color"], alpha=0.18, linewidth=0)
    most = max(len(point.runs) for point in curve.points)
    label = f"{curve.name}, mean of {quantity(most, 'seed')}" if most > 1 else curve.name
    axes.plot(sizes, [fmean(of_runs) for of_runs in values], label=label, **style)
