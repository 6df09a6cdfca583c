"""F3: accuracy by question type."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from roadtrain.evaluate.accuracy import GroupAccuracy
from roadtrain.paper.captions import MOST_GROUPS, question_groups
from roadtrain.paper.drawing import GREY, error_bar, legend_above, look
from roadtrain.paper.seeds import mean_and_spread
from roadtrain.paths import MAJORITY
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import describe_checkpoint


def types_figure(results: Results) -> Figure:
    """F3: accuracy by question type: zero-shot (hollow), best epoch (filled) with intervals, majority answer (tick). Of several
    seeds means, and their range in place of the interval."""
    types = question_groups(results)[:MOST_GROUPS]
    groups = results.runs
    figure, axes = plt.subplots(figsize=(5.2, 1 + 0.14 * len(types) * (1 + len(groups))))
    for number, (name, runs) in enumerate(groups.items()):
        offset = (number - (len(groups) - 1) / 2) * min(0.26, 0.8 / len(groups))
        _draw_types(axes, name, runs, types, look(number), offset)
    most = max(results.ablations, key=lambda ablation: ablation.share)  # who has read most of the answers
    majority = most.accuracy(MAJORITY)["by_type"]
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
    legend_above(axes, most=2, loc="lower center", left=0.4)
    return figure


def _group_label(kind: str, counts: Mapping[str, GroupAccuracy]) -> str:
    name = textwrap.shorten(kind, 40, placeholder="..")
    return f"{name} ({counts[kind]['total_questions']:,})" if kind in counts else name


def _draw_types(
    axes: Axes, name: str, runs: Sequence[AblationResults], types: Sequence[str], style: dict[str, Any], offset: float
) -> None:
    """One ablation's two points a question type. The first type's have the legend's labels."""
    zero_shots, bests = (
        [getattr(run, key)["by_type"] for run in runs] for key in ("zero_shot_accuracy", "best_accuracy")
    )
    color, marker = style["color"], style["marker"]
    for row, kind in enumerate(types):
        if any(kind not in by_type for by_type in (*zero_shots, *bests)):
            continue
        before, _ = mean_and_spread([by_type[kind] for by_type in zero_shots])
        after, interval = mean_and_spread([by_type[kind] for by_type in bests])
        y = row + offset
        filled: dict[str, Any] = {"color": color, "marker": marker}
        hollow = filled | {"markerfacecolor": "none", "linestyle": "none"}
        if row == 0:
            best = "best epochs" if len(runs) > 1 else describe_checkpoint(runs[0].best["checkpoint"])
            filled["label"] = f"{name}: {best}"
            hollow["label"] = f"{name}: zero-shot"
        axes.plot([before, after], [y] * 2, color=color, linewidth=0.8, alpha=0.5)
        axes.errorbar(after, y, xerr=error_bar(after, interval), linewidth=1, capsize=2, **filled)
        axes.plot(before, y, **hollow)
