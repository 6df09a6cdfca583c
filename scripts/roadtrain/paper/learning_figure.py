"""F6, the learning curve, drawn."""

from statistics import fmean

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
    """F6: accuracy of the best epoch against the training questions (log): each run, mean and range; zero-shot, and what the
    majority of as many answers scores."""
    figure, axes = plt.subplots()
    curves = curves_of(results)
    for number, curve in enumerate(curves):
        _draw_curve(axes, number, curve)
    longest = max(curves, key=lambda curve: len(curve.points))
    sizes = [point.questions for point in longest.points]
    for checkpoint, dashes, marker in (("zero_shot", (0, (2, 2)), None), (MAJORITY, (0, (5, 1.5)), "|")):
        heights = [point.baseline(checkpoint) for point in longest.points]
        label = describe_checkpoint(checkpoint)
        axes.plot(sizes, heights, color=GREY, linewidth=1, linestyle=dashes, marker=marker, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set(xlabel="training questions (log scale)", ylabel="accuracy of the best epoch")
    axes.set_ylim(bottom=max(0, axes.get_ylim()[0] - 0.02), top=1.02)
    legend_above(axes, most=2)
    return figure


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
