"""The learning curve in paper and report: points, range over seeds, zero-shot and majority, and what the numbers come from."""

import json
import statistics

import pytest

from roadtrain.data.llava import read_questions
from roadtrain.evaluate.majority import MajorityAnswers
from roadtrain.files import read_json, write_json
from roadtrain.paper.captions import caption
from roadtrain.paper.document import paper_markdown, paper_tex
from roadtrain.paper.figures import draw_figure, figures_of
from roadtrain.paper.learning_curve import learning_curve_text
from roadtrain.paper.learning_figure import learning_curve_figure
from roadtrain.paper.report import report_contents
from roadtrain.paper.tables.training import training_table
from roadtrain.results.cards import card_text
from roadtrain.results.comparisons import compare
from roadtrain.results.metrics import write_metrics
from roadtrain.results.reader import Results
from roadtrain.spec.card import Card
from support.browser import HERE, go, look
from support.fabricate import fabricate
from support.programs import run_program

SEEDS = [3, 4]
SHARES = {"eight-quarter": 0.25, "eight-half": 0.5, "eight": 1.0}
ABLATIONS = {name: {"vision": {"nframes": 8}, "train": {"share": share}} for name, share in SHARES.items()}
SCENARIOS = 12  # of training, of two cameras and twelve questions each


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("curve")
    spec = fabricate(root, scenarios=SCENARIOS // 2, frames=False, seeds=SEEDS, ablations=ABLATIONS)
    # The made-up answers don't depend on the share: the accuracies are set, a value for each share and seed.
    for number, name in enumerate(SHARES):
        for seed in SEEDS:
            path = spec.parent / f"{name}-seed{seed}/accuracy/epoch_3.json"
            write_json(path, read_json(path) | {"accuracy": 0.6 + 0.1 * number + 0.01 * seed})
    results = Results.load(spec)
    write_json(results.at(results.paths.comparisons), compare(results.predictions(), 100))
    return Results.load(spec)


def drawn(results):
    import matplotlib.pyplot as plt

    figure = learning_curve_figure(results)
    plt.close(figure)
    return figure.axes[0]


def test_the_line_is_the_mean_over_seeds_at_each_number_of_questions(results):
    axes = drawn(results)
    assert axes.get_xscale() == "log"
    (line,) = [line for line in axes.get_lines() if line.get_label() == "eight, mean of 2 seeds"]
    assert list(line.get_xdata()) == [3 * 24, 6 * 24, 12 * 24]  # whole scenarios' questions
    assert list(line.get_ydata()) == pytest.approx([0.635, 0.735, 0.835])
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((0.63, 0.84))
    dots = sorted(y for line in axes.get_lines() if line.get_marker() == "." for y in line.get_ydata())
    assert dots == pytest.approx([0.63, 0.64, 0.73, 0.74, 0.83, 0.84])


def test_zero_shot_and_majority_stand_beside_it_and_the_majority_has_read_the_share_only(results):
    lines = {line.get_label(): list(line.get_ydata()) for line in drawn(results).get_lines()}
    for label, checkpoint in (("zero-shot", "zero_shot"), ("majority answer", "majority")):
        values = [
            [results.folder / f"{name}-seed{seed}/accuracy/{checkpoint}.json" for seed in SEEDS] for name in SHARES
        ]
        means = [statistics.fmean(read_json(path)["accuracy"] for path in paths) for paths in values]
        assert lines[label] == pytest.approx(means)
    quarter = results.folder / "data/train.share-0.25.seed-3.llava.json"
    majority = MajorityAnswers.of(read_questions(quarter))
    answers = {q.id: majority.answer(q) for q in read_questions(results.folder / "data/val.llava.json")}
    rows = [
        json.loads(line)
        for line in (results.folder / "eight-quarter-seed3/predictions/majority.jsonl").read_text().splitlines()
    ]
    assert {row["id"]: row["response"] for row in rows} == answers


def test_paper_and_report_have_figure_and_numbers(results):
    words = "72 questions 63.50% (63.00% to 64.00%); 144 questions 73.50% (73.00% to 74.00%); 288 questions 83.50%"
    gain = "The last step, from 0.5 to 1 of the scenarios, changes accuracy by +10.00 points; over 2 seeds the two lie apart."
    assert figures_of(results)[-1] == "f6_learning_curve"
    text = paper_markdown(results).replace("\\", "")
    assert words in text and gain in text and "(f6_learning_curve.png)" in text
    assert "f6_learning_curve.pdf" in paper_tex(results)
    assert words in caption("f6_learning_curve", results)
    (figure,) = [f for f in report_contents(results)["figures"] if f["name"] == "f6_learning_curve"]
    assert figure["title"] == "Accuracy over the size of the training set" and words in figure["caption"]
    assert "post-trained with 1 vision setting." in text


def test_the_figure_has_the_same_bytes_again(results):
    assert draw_figure("f6_learning_curve", results, "pdf") == draw_figure("f6_learning_curve", results, "pdf")


def test_only_a_run_with_a_curve_has_it(results, tmp_path):
    plain = Results.load(fabricate(tmp_path, scenarios=3, frames=False))
    write_json(plain.at(plain.paths.comparisons), compare(plain.predictions(), 100))
    assert "f6_learning_curve" not in figures_of(plain) and "Size of the training set" not in paper_markdown(plain)
    out = tmp_path / "out"
    assert run_program("make_figures.py", spec=plain.folder / "spec.json", output_dir=out).returncode == 0
    assert not list(out.glob("f6*")) and (out / "f5_calibration.pdf").exists()
    spec = results.folder / "spec.json"
    process = run_program("make_figures.py", spec=spec, output_dir=out, figures="f6_learning_curve")
    assert process.returncode == 0 and (out / "f6_learning_curve.png").exists(), process.stderr


def test_where_a_model_was_trained_on_a_share_its_card_table_and_metrics_say_so(results, tmp_path):
    quarter, everything = (
        next(a for a in results.ablations if a.name == f"{n}-seed4") for n in ("eight-quarter", "eight")
    )
    words = (
        "Trained on a share of 0.25 of the training scenarios, drawn with seed 4: 3 of 12 scenarios, 6 of 24 videos,"
        " 72 of 288 questions."
    )
    card = card_text(quarter, "epoch_3", Card())
    assert words in card and r"| train.share | 0.25 |" in card.replace("\\", "")
    assert "Trained on a share" not in card_text(everything, "epoch_3", Card())
    write_metrics(results, tmp_path)
    metrics = read_json(tmp_path / "metrics.json")
    assert metrics["eight-quarter-seed4"]["training"] == {"share": 0.25, "scenarios": 3, "videos": 6, "questions": 72}
    assert "training" not in metrics["eight-seed4"]
    table = training_table(results)
    keys = [column.key for column in table.columns]
    rows = {row[0]: dict(zip(keys, row, strict=True)) for row in table.rows}
    row = rows["eight-quarter-seed4"]
    assert (row["share"], str(row["scenarios"]), str(row["training_questions"])) == ("0.25", "3", "72")
    assert str(rows["eight-seed4"]["training_questions"]) == "288" and rows["eight-seed4"]["share"] == "1"


def test_a_curve_of_one_run_a_share_has_no_spread(tmp_path):
    results = Results.load(fabricate(tmp_path, scenarios=4, frames=False, ablations=ABLATIONS))
    labels = [line.get_label() for line in drawn(results).get_lines()]
    assert "eight" in labels and not any("seed" in label for label in labels)
    assert "seed" not in caption("f6_learning_curve", results).partition("Zero-shot")[0].partition("drawn")[0]


def test_each_setting_has_its_own_zero_shot_line(tmp_path):
    """Two that see the videos alike share one, whatever else they are trained by."""
    kinds = {
        "eight": ({"nframes": 8}, {}),
        "four": ({"nframes": 4}, {}),
        "eight-lr": ({"nframes": 8}, {"learning_rate": 1e-3}),
    }
    ablations = {
        f"{name}-{share}": {"vision": vision, "train": train | {"share": share}}
        for name, (vision, train) in kinds.items()
        for share in (0.5, 1.0)
    }
    spec = fabricate(tmp_path, scenarios=2, frames=False, ablations=ablations)
    values = {"eight": 0.3, "four": 0.2, "eight-lr": 0.3}
    for name in ablations:
        path = spec.parent / f"{name}/accuracy/zero_shot.json"
        write_json(path, read_json(path) | {"accuracy": values[name.rpartition("-")[0]]})
    lines = {line.get_label(): line for line in drawn(Results.load(spec)).get_lines()}
    assert [label for label in lines if "zero-shot" in label] == ["eight and eight-lr, zero-shot", "four, zero-shot"]
    for label, curve, value in (("eight and eight-lr", "eight", 0.3), ("four", "four", 0.2)):
        line = lines[f"{label}, zero-shot"]
        assert set(line.get_ydata()) == {value} and line.get_color() == lines[curve].get_color()


def test_two_shares_of_the_same_scenarios_are_no_step(tmp_path):
    """Of four scenarios 0.5 and 0.55 are two: more data was not tried."""
    shares = {"half": 0.5, "more": 0.55}
    ablations = {name: {"vision": {"nframes": 8}, "train": {"share": share}} for name, share in shares.items()}
    results = Results.load(fabricate(tmp_path, scenarios=2, frames=False, ablations=ablations))
    text = learning_curve_text(results)
    assert "from 0.5 to 0.55 of the scenarios, takes no scenario more: both are trained on the same questions." in text


@pytest.mark.browser
@pytest.mark.skipif(not HERE, reason="chromium, chromedriver or selenium is not there")
@pytest.mark.parametrize("width", [390, 1400])
def test_the_tables_of_a_run_with_shares_fit_the_page(results, browser, width, tmp_path):
    """T4 has 17 columns and more then: its rows are blocks on every screen."""
    page = tmp_path / "report.html"
    process = run_program("make_report.py", spec=results.folder / "spec.json", output=page)
    assert process.returncode == 0, process.stderr
    look(browser, width)
    go(browser, page.as_uri())
    wide, most = browser.execute_script(
        "return [[...document.querySelectorAll('.fit')].filter(e => e.scrollWidth > e.clientWidth + 1)"
        ".map(e => e.textContent.slice(0, 40)), document.querySelectorAll('.fit.widest').length]"
    )
    assert wide == [] and most == 1
