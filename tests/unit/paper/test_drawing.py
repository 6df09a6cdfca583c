"""A legend above the axes makes no picture wider."""

import matplotlib.pyplot as plt
import pytest

from roadtrain.paper.drawing import STYLE, legend_above


@pytest.mark.parametrize("loc, left", [("lower left", -0.02), ("lower center", 0.4)])
@pytest.mark.parametrize(("name", "columns"), [("a", 3), ("nframes8 without media", 2), ("w" * 25, 1)])
def test_a_legend_has_as_many_columns_as_the_figure_has_room_for(name, columns, loc, left):
    with plt.style.context(STYLE):
        figure, axes = plt.subplots()
        for number in range(6):
            axes.plot([0, 1], [0, number], label=f"{name}{number}")
        legend_above(axes, most=3, loc=loc, left=left)
        figure.canvas.draw()
        legend = axes.get_legend()
        place = legend.get_window_extent()
        places = {round(text.get_window_extent().x0) for text in legend.get_texts()}
        plt.close(figure)
    assert len(places) == columns
    assert place.x0 >= figure.bbox.x0 and place.x1 <= figure.bbox.x1


def test_entries_stand_in_the_order_that_was_asked_for():
    figure, axes = plt.subplots()
    for name in "abc":
        axes.plot([0, 1], label=name)
    legend_above(axes, most=1, order=[2, 0, 1])
    plt.close(figure)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["c", "a", "b"]
