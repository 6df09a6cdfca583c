"""With `repeat` in the spec tables, F1 and sentences show mean and spread over the seeds beside each seed's run."""

import json
import statistics

import pytest

from roadtrain.files import read_json
from roadtrain.paper.captions import caption, question_groups
from roadtrain.paper.document import paper_markdown, paper_tex
from roadtrain.paper.figures import accuracy_figure, calibration_figure, loss_figure, tokens_figure
from roadtrain.paper.loss_curve import LossCurve, LossOfSeeds
from roadtrain.paper.question_types import types_figure
from roadtrain.paper.report import report_contents
from roadtrain.paper.tables.accuracy import accuracy_table
from roadtrain.paper.tables.comparisons import comparisons_table
from roadtrain.results.reader import Results
from support.fabricate import fabricate
from support.programs import run_program

SEEDS = [0, 5, 6]


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    """A made-up run of three seeds, compared by the program."""
    spec = fabricate(tmp_path_factory.mktemp("seeds"), scenarios=6, frames=False, seeds=SEEDS)
    output = Results.load(spec).at(Results.load(spec).paths.comparisons)
    process = run_program("compare.py", spec=spec, output=output, evaluate='{"bootstrap_samples": 200}')
    assert process.returncode == 0, process.stderr
    return spec


@pytest.fixture
def results(spec):
    return Results.load(spec)


def records(table):
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def accuracies(results, written, checkpoint):
    """Straight from the accuracy JSONs."""
    folder = results.folder
    return [read_json(folder / f"{written}-seed{n}/accuracy/{checkpoint}.json")["accuracy"] for n in SEEDS]


def test_t3_has_a_groups_mean_and_spread_below_its_runs(results):
    rows = records(accuracy_table(results))
    for written in ("nframes8", "fps1_8k"):
        for checkpoint in ("zero_shot", "epoch_1", "epoch_3", "fp8", "majority"):
            (row,) = [r for r in rows if (r["ablation"], r["checkpoint"]) == (written, checkpoint)]
            values = accuracies(results, written, checkpoint)
            assert row["seeds"].value == 3 and row["accuracy"].value == pytest.approx(100 * sum(values) / 3)
            assert row["sd"].value == pytest.approx(100 * statistics.stdev(values), abs=1e-9)
            assert (row["lowest"].value, row["highest"].value) == (100 * min(values), 100 * max(values))
            assert row["ci_low"].value <= row["accuracy"].value <= row["ci_high"].value
        (best,) = [r for r in rows if (r["ablation"], r["checkpoint"]) == (written, "best")]
        assert best["accuracy"].value == pytest.approx(100 * sum(accuracies(results, written, "epoch_3")) / 3)
        names = [r["ablation"] for r in rows]
        assert names.index(written) > max(n for n, name in enumerate(names) if name == f"{written}-seed6")
    assert max(row["sd"].value for row in rows if row["sd"]) > 0
    singles = [r for r in rows if r["ablation"] == "nframes8-seed5"]
    assert len(singles) == 7 and all(r["seeds"] is None for r in singles)


def test_t5_compares_means_and_no_single_seeds_of_different_ablations(results):
    rows = records(comparisons_table(results))
    means = [r for r in rows if "mean of 3 seeds" in r["a"]]
    assert means and all(r["only_a"] is None and r["mcnemar_midp"] is None for r in means)
    pair = means[-1]
    assert (pair["a"], pair["b"]) == ("nframes8 best epochs, mean of 3 seeds", "fps1_8k best epochs, mean of 3 seeds")
    a, b = (accuracies(results, written, "epoch_3") for written in ("nframes8", "fps1_8k"))
    assert pair["difference"].value == pytest.approx(100 * (sum(b) - sum(a)) / 3, abs=1e-9)
    assert pair["questions"].value == 6 * 2 * 12  # of one run, not of three
    for row in rows:
        if row not in means:
            assert row["a"].split()[0] == row["b"].split()[0]


def test_f1_draws_each_seed_their_mean_and_their_range(results):
    import matplotlib.pyplot as plt

    figure = accuracy_figure(results)
    plt.close(figure)
    (axes,) = figure.axes
    columns = [accuracies(results, "nframes8", c) for c in ("zero_shot", "epoch_1", "epoch_2", "epoch_3")]
    lines = [list(line.get_ydata()) for line in axes.get_lines()]
    for seed in range(3):
        assert [column[seed] for column in columns] in lines
    (mean,) = [line for line in axes.get_lines() if line.get_label() == "nframes8, mean of 3 seeds"]
    assert list(mean.get_ydata()) == pytest.approx([sum(column) / 3 for column in columns])
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (min(map(min, columns)), max(map(max, columns)))
    low, high = min(columns[-1]), max(columns[-1])
    words = f"nframes8 reaches {100 * sum(columns[-1]) / 3:.1f}% ({100 * low:.1f}% to {100 * high:.1f}% over 3 seeds)"
    assert words in caption("f1_accuracy", results)


def axes_of(build, results, number=0):
    import matplotlib.pyplot as plt

    figure = build(results)
    plt.close(figure)
    return figure.axes[number]


def labels_of(axes):
    return [label for label in axes.get_legend_handles_labels()[1] if label != "majority answer"]


@pytest.mark.parametrize("build", [loss_figure, types_figure, tokens_figure, calibration_figure])
def test_no_figure_has_a_line_a_seed_in_its_legend(results, build):
    """Two ablations of three seeds: two lines (F3: a hollow and a filled mark of each), not six."""
    labels = labels_of(axes_of(build, results))
    assert len(labels) == (4 if build is types_figure else 2)
    assert not any("seed0" in label or "seed5" in label for label in labels)


def test_f2_draws_the_mean_loss_and_its_range(results):
    losses = [[line["loss"] for line in a.train_log] for a in results.groups["nframes8"]]
    axes = axes_of(loss_figure, results)
    (mean,) = [line for line in axes.get_lines() if line.get_label() == "nframes8, mean of 3 seeds"]
    assert list(mean.get_ydata()) == pytest.approx([statistics.fmean(step) for step in zip(*losses, strict=True)])
    assert list(mean.get_xdata()) == pytest.approx(list(range(1, 61)))
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((min(map(min, losses)), max(map(max, losses))))
    words = f"nframes8 from {statistics.fmean(loss[0] for loss in losses):.3f} to"
    assert words in caption("f2_loss", results) and "(means of 3 seeds)" in caption("f2_loss", results)


def test_seeds_of_different_lengths_are_averaged_over_equal_parts_of_each():
    """A seed that draws its own share of the scenarios may have fewer steps."""
    short, long = ([{"step": n + 1, "loss": 1 - n / (count - 1)} for n in range(count)] for count in (30, 60))
    course = LossOfSeeds.of([LossCurve.of(short, 30), LossCurve.of(long, 60)])
    assert len(course.steps) == 30 and course.steps[-1] == 45 and course.mean[-1] == pytest.approx(0)
    assert all(low <= mean <= high for low, mean, high in zip(course.low, course.mean, course.high, strict=True))
    assert course.mean[14] == pytest.approx(0.5, abs=0.03), "half of each, whatever that is in steps"


def test_f3_marks_the_mean_of_a_kind_and_its_range(results):
    runs = results.groups["nframes8"]
    kind = question_groups(results)[0]
    values = [run.best_accuracy["by_type"][kind]["accuracy"] for run in runs]
    axes = axes_of(types_figure, results)
    marks = [line for line in axes.get_lines() if line.get_label() == "_nolegend_" or len(line.get_xdata()) == 1]
    assert any(line.get_xdata()[0] == pytest.approx(statistics.fmean(values)) for line in marks)
    spans = [path.vertices[:, 0] for c in axes.collections for path in c.get_paths()]
    assert any((x.min(), x.max()) == pytest.approx((min(values), max(values))) for x in spans)
    assert "Means over seeds, and their range." in caption("f3_question_types", results)


def test_f4_has_one_disc_an_ablation(results):
    axes = axes_of(tokens_figure, results)
    means = [statistics.fmean(accuracies(results, written, "epoch_3")) for written in ("nframes8", "fps1_8k")]
    heights = [y for line in axes.get_lines() if len(line.get_ydata()) == 1 for y in line.get_ydata()]
    assert all(any(height == pytest.approx(mean) for height in heights) for mean in means)


def test_f5_takes_the_answers_of_all_seeds_together(results):
    calibrations = [run.best_accuracy["calibration"] for run in results.groups["nframes8"]]
    axes = axes_of(calibration_figure, results)
    (line,) = [line for line in axes.get_lines() if str(line.get_label()).startswith("nframes8, mean of 3 seeds")]
    parts = [c["bins"][-1] for c in calibrations]
    count = sum(part["questions"] for part in parts)
    together = sum(part["questions"] * part["accuracy"] for part in parts) / count
    assert line.get_ydata()[-1] == pytest.approx(together) and count
    ece = statistics.fmean(c["ece"] for c in calibrations)
    assert f"(ECE {ece:.3f})" in line.get_label()
    words = f"nframes8 has an expected calibration error of {ece:.3f} (mean of 3 seeds) over"
    assert words in caption("f5_calibration", results)


def test_sentences_and_report_say_the_means(results):
    values = accuracies(results, "nframes8", "epoch_3")
    words = (
        f"{100 * sum(values) / 3:.2f}% best epochs (mean of 3 seeds: {100 * min(values):.2f}% to {100 * max(values):.2f}%,"
        f" sd {100 * statistics.stdev(values):.2f} points"
    )
    paper = paper_markdown(results).replace("\\", "")
    assert paper.count(words) == 3  # the abstract, T3's caption, the comparisons
    assert "post-trained with 2 vision settings." in paper
    assert "mean of 3 seeds" in paper_tex(results)
    contents = report_contents(results)
    assert (
        contents["seed_findings"] == json.loads(results.at(results.paths.comparisons).read_text())["repeats"]["pairs"]
    )


def test_without_it_no_table_has_a_column_for_it(tmp_path):
    results = Results.load(fabricate(tmp_path, scenarios=2, frames=False))
    assert results.groups == {} and results.repeats is None
    assert not {"seeds", "sd", "lowest", "highest"} & {column.key for column in accuracy_table(results).columns}
    assert "seeds" not in accuracy_table(results).notes and "seed" not in caption("f1_accuracy", results)
