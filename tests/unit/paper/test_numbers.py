"""Numbers that stand in several places are the same, and say what they are."""

import json
import re

import pytest

from roadtrain.files import read_json, write_json
from roadtrain.paper.baselines import not_better_than
from roadtrain.paper.captions import caption
from roadtrain.paper.document import paper_markdown
from roadtrain.paper.figures import accuracy_figure, loss_figure, tokens_figure, types_figure
from roadtrain.paper.loss_curve import LossCurve
from roadtrain.paper.report import render_report
from roadtrain.paper.sentences import abstract, tokens_text
from roadtrain.paper.table import in_percent
from roadtrain.paper.tables.accuracy import accuracy_table
from roadtrain.paper.tables.comparisons import comparisons_table, pairs_of_interest
from roadtrain.paper.tables.quantization import quantization_table
from roadtrain.paper.tables.tokens import tokens_table
from roadtrain.paths import MAJORITY, TEXT_ONLY
from roadtrain.results.comparisons import compare
from roadtrain.results.metrics import checkpoint_metrics
from roadtrain.results.reader import Results
from roadtrain.results.words import percent, points
from support.fabricate import fabricate
from support.programs import ROOT


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A made-up run with its comparisons, in whose validation videos are half as long as in training."""
    spec = fabricate(tmp_path_factory.mktemp("numbers"), scenarios=6, frames=False)
    results = Results.load(spec)
    for ablation in results.ablations:
        path = results.at(results.paths.frames(ablation.settings["vision_name"], "val"))
        index = read_json(path)
        for clip in index["clips"]:
            clip["vision_tokens"] //= 2
        write_json(path, index)
    write_json(results.at(results.paths.comparisons), compare(results.predictions(), 200))
    return Results.load(spec)


def drawn_with(results, build, number=0):
    """The axes of a figure, as it would be drawn."""
    import matplotlib.pyplot as plt

    figure = build(results)
    plt.close(figure)
    return figure.axes[number]


# ------------------------------------------------------------------------------------------------ tokens
def test_tokens_a_video_are_one_number_in_every_place(results):
    table = tokens_table(results)
    column = [c.key for c in table.columns].index("tokens_mean")
    axes = drawn_with(results, tokens_figure)
    paper = paper_markdown(results)
    for ablation, row in zip(results.ablations, table.rows, strict=False):
        tokens = [clip["vision_tokens"] for split in ("train", "val") for clip in ablation.frames(split)["clips"]]
        mean = sum(tokens) / len(tokens)
        assert mean != sum(tokens[: len(tokens) // 2]) / (len(tokens) // 2)  # the splits differ
        words = f"{mean:,.1f}"
        assert str(row[column]) == words and f"{words} with {ablation.name}" in table.caption
        assert f"{ablation.name} has {words} tokens a video" in caption("f4_tokens", results)
        assert f"{ablation.name} shows {words} vision tokens a video" in tokens_text(results)
        assert mean in [x for line in axes.get_lines() for x in line.get_xdata()]
        assert set(re.findall(rf"{ablation.name} (?:has|shows) ([\d,.]+)", paper.replace("\\", ""))) == {words}
    assert "all clips of training and validation" in table.notes


# ------------------------------------------------------------------------------------------------ the loss
def test_the_caption_says_the_values_of_the_line_and_how_it_was_smoothed(results):
    axes = drawn_with(results, loss_figure)
    for ablation in results.ablations:
        (line,) = [line for line in axes.get_lines() if line.get_label() == ablation.name]
        loss, window = [row["loss"] for row in ablation.train_log], 60 // (20 * 3)
        assert window == 1  # of 20 steps an epoch: each step is its own mean
        words = f"{ablation.name} from {loss[0]:.3f} to {line.get_ydata()[-1]:.3f} in 60 steps"
        assert f"{words} (those of the first and the last step)" in caption("f2_loss", results)


def test_a_longer_log_is_smoothed_over_a_twentieth_of_an_epoch():
    log = [{"step": n + 1, "loss": float(n % 2)} for n in range(160)]  # it jumps between 0 and 1
    curve = LossCurve.of(log, epochs=2)
    assert curve.window == 4 and curve.raw[-1] == 1.0
    assert curve.smooth[-1] == curve.smooth[3] == 0.5 and curve.smooth[:3] == [0.0, 0.5, pytest.approx(1 / 3)]
    assert curve.in_words() == "from 0.500 to 0.500 in 160 steps (means of the first and the last 4 steps)"


# ------------------------------------------------------------------------------------------------ baselines
def test_baselines_stand_beside_the_checkpoints(results):
    rows = {(row[0], row[1]): row for row in accuracy_table(results).rows}
    text = paper_markdown(results)
    for ablation in results.ablations:
        for name in ("majority", "text_only"):
            accuracy = ablation.accuracy(name)["accuracy"]
            assert rows[ablation.name, name][4].value == pytest.approx(100 * accuracy)
            assert percent(accuracy) in caption("f1_accuracy", results) and percent(accuracy) in text
            assert checkpoint_metrics(ablation)[name]["accuracy"] == accuracy
        assert f"guessing {percent(ablation.zero_shot_accuracy['chance'])}" in text
    assert rows["nframes8", "majority"][2] is None and rows["nframes8", "text_only"][2].value == 3
    assert "majority answer" in [t.get_text() for t in drawn_with(results, accuracy_figure).texts]
    labels = drawn_with(results, accuracy_figure).get_legend_handles_labels()[1]
    assert {"nframes8 without media", "fps1_8k without media"} <= set(labels)
    assert "majority answer" in drawn_with(results, types_figure).get_legend_handles_labels()[1]


def test_the_best_epoch_is_compared_with_both_baselines(results):
    sides = [((p["a"]["ablation"], p["a"]["checkpoint"]), p["b"]["checkpoint"]) for p in pairs_of_interest(results)]
    for ablation in ("nframes8", "fps1_8k"):
        assert [b for a, b in sides if a == (ablation, "majority")] == ["zero_shot", "epoch_3"]
        assert [b for a, b in sides if a == (ablation, "text_only")] == ["epoch_3"]
    assert "fps1_8k majority answer" in [row[0] for row in comparisons_table(results).rows]


def test_what_the_best_epoch_does_not_beat_is_said_beside_its_accuracy(tmp_path):
    """In the report's and the paper's first lines: a gain over zero-shot alone may be no more than the majority answer."""
    results = Results.load(fabricate(tmp_path, scenarios=6, frames=False))
    write_json(results.at(results.paths.comparisons), compare(results.predictions(), 200))
    (first, *_) = results.ablations
    path = results.at(results.paths.accuracy(first.name, MAJORITY))
    accuracy = read_json(path) | {"accuracy": first.best_accuracy["accuracy"]}
    write_json(path, accuracy)
    comparisons = results.comparisons
    for pair in comparisons["pairs"]:
        pair["significant"] = False
    write_json(results.at(results.paths.comparisons), comparisons)
    results = Results.load(results.at(results.paths.spec))
    (first, *_) = results.ablations
    equal, other = (percent(first.accuracy(name)["accuracy"]) for name in (MAJORITY, TEXT_ONLY))
    sentence = (
        f"That is not better than the majority answer ({equal}),"
        f" and not significantly better than the best epoch without media ({other})."
    )
    assert not_better_than(first) == sentence
    assert sentence in abstract(results) and sentence in render_report(results, ROOT / "templates")
    for pair in comparisons["pairs"]:
        pair["significant"] = True
    write_json(results.at(results.paths.comparisons), comparisons)
    results = Results.load(results.at(results.paths.spec))
    assert not_better_than(results.ablations[1]) == ""


def test_a_run_without_the_text_only_baseline_has_everything_else(tmp_path):
    spec = fabricate(tmp_path, scenarios=4, frames=False)
    value = json.loads(spec.read_text())
    value["spec"]["evaluate"]["text_only"] = False
    spec.write_text(json.dumps(value))
    for path in spec.parent.glob("*/*/text_only*"):
        path.unlink()
    results = Results.load(spec)
    write_json(results.at(results.paths.comparisons), compare(results.predictions(), 100))
    assert "without media" not in re.sub("Best epoch without media: .*", "", paper_markdown(results))
    drawn_with(results, accuracy_figure)


# ------------------------------------------------------------------------------------------------ the gate, words
def test_an_undecided_gate_is_called_so(results):
    path = results.at(results.paths.gate("nframes8"))
    gate = read_json(path)
    gate["precisions"]["fp8"]["outcome"] = "undecided"
    write_json(path, gate)
    results = Results.load(results.at(results.paths.spec))
    table = quantization_table(results)
    gates = [row[[c.key for c in table.columns].index("gate")] for row in table.rows]
    assert gates == [a.gate["precisions"]["fp8"]["outcome"] for a in results.ablations]
    assert gates[0] == "undecided" and "nframes8 FP8 undecided" in table.caption


def test_accuracy_that_falls_is_not_said_to_rise(results):
    assert "rises" not in abstract(results) and "goes from" in abstract(results)


def test_questions_that_could_not_be_asked_are_told(tmp_path, results):
    assert "could not be asked" not in accuracy_table(results).notes
    other = Results.load(fabricate(tmp_path, scenarios=4, frames=False))
    path = other.at(other.paths.accuracy("nframes8", "epoch_1"))
    accuracy = read_json(path)
    accuracy["read_by"]["not asked"] = 7
    write_json(path, accuracy)
    assert "count as wrong: nframes8 epoch 1 7." in accuracy_table(other).notes


def test_the_hardest_type_says_of_how_many_questions(results):
    assert re.search(r"Hardest after training: .*% of \d+ questions", caption("f3_question_types", results))


@pytest.mark.parametrize(
    "share, decimals, words",
    [
        (1.0, 1, "100.0%"),
        (2999 / 3000, 1, "99.97%"),
        (99_999 / 100_000, 2, "99.999%"),
        (0.9994, 1, "99.9%"),
        (1 / 30_000, 2, "0.003%"),
        (0.0, 2, "0.00%"),
        (0.93881, 2, "93.88%"),
    ],
)
def test_nearly_all_is_not_all_and_hardly_any_is_not_nothing(share, decimals, words):
    assert percent(share, decimals) == words
    if decimals == 2:
        assert f"{in_percent(share)}%" == words


def test_a_difference_that_is_only_rounding_error_is_none():
    assert points(1e-17, signed=True) == "+0.00" and points(-1 / 30_000, signed=True) == "-0.003"
