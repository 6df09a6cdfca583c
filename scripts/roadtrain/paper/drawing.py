"""How figures look, and how they become files.

Every line has its own marker and dash pattern as well as its colour, so that grey print reads the same.
"""

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
GREY = "#8B93A1"  # what is beside the data: guessing, the diagonal, published
MARKERS = "osD^vPX"
DASHES: list[Any] = ["-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1)), "-", "--"]
COLOURS = 7  # of the style's cycle
# Nothing of the moment or the machine in the files: a re-run gives the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "ModDate": None, "Producer": None, "Creator": "Roadtrain"},
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
}


def look(number: int) -> dict[str, Any]:
    """Colour, marker and dashes of the line of an ablation, by its number from 0."""
    return {
        "color": f"C{number % COLOURS}",
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[number % len(DASHES)],
    }


def error_bar(value: float, interval: list[float]) -> list[list[float]]:
    """An interval as matplotlib has it: distances below and above the value."""
    low, high = interval
    return [[value - low], [high - value]]


def legend_above(
    axes: Axes,
    most: int,
    order: Sequence[int] | None = None,
    loc: Literal["lower left", "lower center"] = "lower left",
    left: float = -0.02,
) -> None:
    """The legend above the axes, in at most so many columns: in fewer where names are long, since a legend that is wider than
    the figure makes the picture wider, and all else in it smaller. `order`: of the entries, by their numbers."""
    handles, labels = axes.get_legend_handles_labels()
    if order is not None:
        handles, labels = [handles[n] for n in order], [labels[n] for n in order]
    for columns in range(most, 0, -1):
        legend = axes.legend(handles, labels, ncols=columns, loc=loc, bbox_to_anchor=(left, 1.0))
        place, room = legend.get_window_extent(), axes.figure.bbox
        if room.x0 <= place.x0 and place.x1 <= room.x1:
            return


def draw_quantized(
    axes: Axes, number: int, epoch: float, value: float, interval: list[float], label: str, shift: int = 0
) -> None:
    """A quantized checkpoint's accuracy and its bar, right of the epoch that was quantized: of the ablation of a number from 0,
    and of its precision of a number `shift`."""
    style = look(number)
    axes.errorbar(
        epoch + 0.12 + 0.08 * (number + shift),
        value,
        error_bar(value, interval),
        color=style["color"],
        marker=style["marker"],
        markerfacecolor="none",
        capsize=2,
        linewidth=1,
        label=label,
    )


def draw(build: Callable[[], Figure], kind: str, dark: bool = False) -> bytes:
    """The figure that `build` draws, as the bytes of a pdf, png or svg file."""
    with plt.style.context([STYLE, DARK] if dark else [STYLE]):
        figure = build()
        out = BytesIO()
        figure.savefig(out, format=kind, metadata=_METADATA[kind], transparent=kind == "svg")
        plt.close(figure)
    return out.getvalue()
