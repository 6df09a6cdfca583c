"""Groups are the user's: a table's `type`, from the entry to the report. Published numbers stand beside the recipe's data only."""

import pytest

from roadtrain.data.question_types import TYPES
from roadtrain.files import read_json, write_json
from roadtrain.paper.captions import caption, question_groups
from roadtrain.paper.document import paper_markdown
from roadtrain.paper.explorer import explorer_data
from roadtrain.paper.figures import accuracy_figure, types_figure
from roadtrain.paper.report import render_report
from roadtrain.paper.tables.accuracy import accuracy_table
from roadtrain.paper.tables.data import data_table
from roadtrain.paper.tables.tokens import tokens_table
from roadtrain.paper.tables.training import training_table
from roadtrain.results.comparisons import compare
from roadtrain.results.reader import Results
from support.fabricate import fabricate
from support.programs import ROOT


def load(folder, **data) -> Results:
    results = Results.load(fabricate(folder, scenarios=4, frames=False, **data))
    write_json(results.at(results.paths.comparisons), compare(results.predictions(), 200))
    return results


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Results:
    def group_of(text: str) -> str:
        return "people" if "pedestrian" in text else "the road"

    return load(tmp_path_factory.mktemp("own"), source="mcq", group_of=group_of)


@pytest.fixture(scope="module")
def wts(tmp_path_factory) -> Results:
    return load(tmp_path_factory.mktemp("wts"))


def drawn(results, build):
    import matplotlib.pyplot as plt

    figure = build(results)
    plt.close(figure)
    texts = [text.get_text() for axes in figure.axes for text in axes.findobj(lambda a: hasattr(a, "get_text"))]
    return [text for text in texts if text]


def test_a_users_groups_are_counted_and_shown(own):
    for ablation in own.ablations:
        for checkpoint in ablation.checkpoints:
            groups = ablation.accuracy(checkpoint)["by_type"]
            assert {name: group["total_questions"] for name, group in groups.items()} == {"the road": 64, "people": 32}
    assert question_groups(own) == ["the road", "people"]  # most questions first
    texts = drawn(own, types_figure)
    assert any("the road" in text for text in texts) and any("people" in text for text in texts)
    data = explorer_data(own)
    assert sorted(data["types"]) == ["people", "the road"]
    assert {data["types"][question[4]] for question in data["questions"]} == {"people", "the road"}


@pytest.fixture
def many(tmp_path):
    """Names that are formulas, markup, or longer than a figure."""
    names = ("$peed \\frac{", "obstacle & <b>", "x" * 300, "road")
    return load(tmp_path, source="mcq", group_of=lambda text: names[len(text) % 4])


def test_any_name_of_a_group_is_drawn_as_text(many):
    figure = types_figure(many)
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == len(question_groups(many)) > 2 and max(map(len, labels)) < 60
    assert all(any(label.startswith(name[:5]) or ".." in label for label in labels) for name in question_groups(many))


def test_a_figure_of_many_groups_shows_the_largest_and_says_so(many, monkeypatch):
    for module in ("captions", "figures"):
        monkeypatch.setattr(f"roadtrain.paper.{module}.MOST_GROUPS", 2)
    assert len(types_figure(many).axes[0].get_yticklabels()) == 2
    assert f"The 2 largest of {len(question_groups(many))} groups are shown." in caption("f3_question_types", many)


def test_wts_keeps_its_groups(wts):
    groups = question_groups(wts)
    assert groups == [kind for kind in TYPES if kind in groups]
    assert {"obstacle", "traffic"} <= set(groups) and "ungrouped" not in groups


def published_places(results) -> dict[str, bool]:
    """Where the recipe's numbers or its name stand."""
    tables = [table(results) for table in (accuracy_table, tokens_table, training_table, data_table)]
    words = " ".join(f"{t.caption} {t.notes} {[c.title for c in t.columns]} {t.rows}" for t in tables)
    return {
        "tables": "published" in words.lower() or "recipe:" in words or "cookbook" in words,
        "figure": any("published" in text.lower() for text in drawn(results, accuracy_figure)),
        "paper": "published" in paper_markdown(results).lower() or "cookbook" in paper_markdown(results),
        "report": "published" in render_report(results, ROOT / "templates").lower(),
    }


def test_the_recipes_numbers_stand_beside_its_data_only(own, wts):
    assert published_places(wts) == dict.fromkeys(("tables", "figure", "paper", "report"), True)
    assert published_places(own) == dict.fromkeys(("tables", "figure", "paper", "report"), False)


def test_other_tasks_of_wts_have_no_published_numbers(wts):
    assert wts.published is not None
    audit = wts.at(wts.paths.audit)
    write_json(audit, read_json(audit) | {"tasks": ["environment", "caption"]})
    assert Results.load(wts.at(wts.paths.spec)).published is None
