"""The paper and the report of a run that isn't on the recipe's data: its own groups, and nothing of the recipe's numbers."""

import json

import pytest

from roadtrain.data.question_types import TYPES
from roadtrain.files import read_json, write_json
from roadtrain.paper.captions import caption, question_groups
from roadtrain.paper.document import paper_markdown, paper_tex
from roadtrain.paper.explorer import explorer_data
from roadtrain.paper.figures import FIGURE_BUILDERS
from roadtrain.paper.report import render_report
from roadtrain.paper.tables.builders import TABLE_BUILDERS
from roadtrain.results.comparisons import compare
from roadtrain.results.published import published
from roadtrain.results.reader import Results
from support.fabricate import fabricate
from support.programs import ROOT

GROUPS = ("$peed \\frac{", "obstacle & <b>", "x" * 300, "road")


@pytest.fixture(scope="module", params=["mcq", "other tasks of WTS"])
def other(request, tmp_path_factory):
    """Results of a run on other data; the first ablation's vision setting is one that the recipe published."""
    spec = fabricate(tmp_path_factory.mktemp("other"), scenarios=6)
    results = Results.load(spec)
    audit = read_json(results.at(results.paths.audit))
    write_json(
        results.at(results.paths.audit),
        audit | ({"source": "mcq", "tasks": ["mcq"]} if request.param == "mcq" else {"tasks": ["overhead_view"]}),
    )
    for ablation, checkpoint in results.all_checkpoints():
        accuracy = ablation.accuracy(checkpoint)
        one = next(iter(accuracy["by_type"].values()))
        groups = {name: one | {"total_questions": n} for n, name in enumerate(GROUPS, start=1)}
        write_json(results.at(results.paths.accuracy(ablation.name, checkpoint)), accuracy | {"by_type": groups})
        path = results.at(results.paths.predictions(ablation.name, checkpoint))
        lines = [json.loads(line) | {"group": GROUPS[n % 4]} for n, line in enumerate(path.read_text().splitlines())]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    results = Results.load(spec)
    write_json(results.at(results.paths.comparisons), compare(results.predictions(), 200))
    return Results.load(spec)


def test_no_table_has_published_columns_or_rows_of_the_recipe(other):
    for name, build in TABLE_BUILDERS.items():
        table = build(other)
        assert not [column for column in table.columns if "published" in column.key], name
        assert not [row for row in table.rows if str(row[0]).startswith("recipe")], name
        assert "ublished" not in table.caption + table.notes, name


def test_neither_paper_nor_report_nor_f1_cites_the_recipe(other):
    texts = [paper_markdown(other), paper_tex(other), render_report(other, ROOT / "templates")]
    for text in texts:
        assert published()["url"] not in text and "Published" not in text and "93.65" not in text
    labels = FIGURE_BUILDERS["f1_accuracy"](other).axes[0].get_legend_handles_labels()[1]
    assert not [label for label in labels if "published" in label]


def test_f3_and_the_explorer_show_the_datas_own_groups(other):
    figure = FIGURE_BUILDERS["f3_question_types"](other)
    figure.canvas.draw()  # names of the data's are no formulas
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == 4 and {"road (4)", "$peed \\frac{ (1)", "obstacle & <b> (2)"} < set(labels)
    assert max(map(len, labels)) < 50
    assert set(explorer_data(other)["types"]) == set(GROUPS)


def test_a_figure_of_many_groups_shows_the_largest_and_says_so(other, monkeypatch):
    for module in ("captions", "figures"):
        monkeypatch.setattr(f"roadtrain.paper.{module}.MOST_GROUPS", 2)
    figure = FIGURE_BUILDERS["f3_question_types"](other)
    assert len(figure.axes[0].get_yticklabels()) == 2
    assert "The 2 largest of 4 groups are shown." in caption("f3_question_types", other)


def test_the_groups_of_wts_keep_their_order(tmp_path):
    groups = question_groups(Results.load(fabricate(tmp_path, scenarios=6, frames=False)))
    assert groups == [kind for kind in TYPES if kind in groups] and len(groups) > 5
