"""Groups are the user's: a table's `type`, from the entry to the report. Published numbers stand beside the recipe's data only."""

import re

import pytest

from roadtrain.data.question import UNGROUPED
from roadtrain.data.question_types import TYPES
from roadtrain.files import read_json, write_json
from roadtrain.paper.captions import caption, question_groups
from roadtrain.paper.contents import FIGURES, TABLES
from roadtrain.paper.document import paper_markdown, paper_tex
from roadtrain.paper.explorer import explorer_data
from roadtrain.paper.figures import accuracy_figure, draw_figure, types_figure
from roadtrain.paper.report import render_report
from roadtrain.paper.tables.builders import TABLE_BUILDERS
from roadtrain.results.comparisons import compare
from roadtrain.results.published import published
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


def test_questions_without_a_group_are_one(tmp_path):
    results = load(tmp_path, source="mcq", group_of=lambda text: UNGROUPED)
    assert question_groups(results) == ["ungrouped"] == explorer_data(results)["types"]
    assert any("ungrouped (96)" in text for text in drawn(results, types_figure))


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
    for module in ("captions", "question_types"):
        monkeypatch.setattr(f"roadtrain.paper.{module}.MOST_GROUPS", 2)
    assert len(types_figure(many).axes[0].get_yticklabels()) == 2
    assert f"The 2 largest of {len(question_groups(many))} groups are shown." in caption("f3_question_types", many)


def test_wts_keeps_its_groups(wts):
    groups = question_groups(wts)
    assert groups == [kind for kind in TYPES if kind in groups]
    assert {"obstacle", "traffic"} <= set(groups) and "ungrouped" not in groups


def read_by_people(results, folder) -> dict[str, str]:
    """{file: its text} of paper and report: all that they are made of, figures as vectors whose words are text."""
    import matplotlib

    for build in TABLE_BUILDERS.values():
        build(results).write(folder)
    (folder / "paper.md").write_text(paper_markdown(results))
    (folder / "paper.tex").write_text(paper_tex(results))
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        for name in FIGURES:
            (folder / f"{name}.svg").write_bytes(draw_figure(name, results, "svg"))
        (folder / "report.html").write_text(render_report(results, ROOT / "templates"))
    return {file.name: file.read_text() for file in folder.iterdir()}


def recipe_words() -> list[str]:
    """What can only come from the recipe's page: its words, its numbers, the star and arrow of F1's legend."""
    numbers = published()
    settings = numbers["settings"]
    values = [value for setting in settings for value in setting["accuracy"].values()]
    times = [setting["training_time"] for setting in settings]
    tokens = [f"{setting['vision_tokens']:,}" for setting in settings]
    return [
        "published",
        "cookbook",
        "arrow: more than",
        numbers["source"].lower(),
        numbers["url"],
        *values,
        *times,
        *tokens,
    ]


def found(texts, words) -> dict[str, set[str]]:
    """{file: words of the recipe in it}. A number is no part of another."""

    def stands(word: str, text: str) -> bool:
        return bool(re.search(rf"(?<![\w.]){re.escape(word)}(?!\w)", text)) if word[0].isdigit() else word in text

    plain = {
        name: re.sub(r"\\(?=[^\w\s])", "", text).lower() for name, text in texts.items()
    }  # without Markdown's escapes
    return {name: {word for word in words if stands(word, text)} for name, text in plain.items()}


def markers(results) -> list[str]:
    """Of F1's points: a star or an arrow is a published one."""
    import matplotlib.pyplot as plt

    figure = accuracy_figure(results)
    plt.close(figure)
    return [str(line.get_marker()) for axes in figure.axes for line in axes.get_lines()]


def test_the_recipes_numbers_stand_nowhere_beside_other_data(own, tmp_path):
    texts = read_by_people(own, tmp_path)
    assert {"paper.md", "paper.tex", "report.html", "f1_accuracy.svg"} <= texts.keys()
    assert {f"{name}.{kind}" for name in TABLES for kind in ("csv", "md", "tex")} <= texts.keys()
    assert {name: words for name, words in found(texts, recipe_words()).items() if words} == {}
    assert not {"*", r"$\uparrow$"} & set(markers(own))


def test_the_recipes_numbers_stand_beside_its_data(wts, tmp_path):
    words = found(read_by_people(wts, tmp_path), recipe_words())
    source, url = published()["source"].lower(), published()["url"]
    for kind in ("csv", "md", "tex"):
        assert {"published", "93.65"} <= words[f"t3_accuracy.{kind}"]
        assert {"1h16m", "4h"} <= words[f"t4_training.{kind}"]
        assert {"2,880", "7,733"} <= words[f"t2_tokens.{kind}"] or kind == "csv"  # numbers of a csv have no commas
        assert "published" in words[f"t1_data.{kind}"]
    for page in ("paper.md", "paper.tex", "report.html"):
        assert {"published", source, url} <= words[page]
    assert "arrow: more than" in words["f1_accuracy.svg"]
    assert {"*", r"$\uparrow$"} <= set(markers(wts))


def test_other_tasks_of_wts_have_no_published_numbers(wts):
    assert wts.published is not None
    audit = wts.at(wts.paths.audit)
    write_json(audit, read_json(audit) | {"tasks": ["environment", "caption"]})
    assert Results.load(wts.at(wts.paths.spec)).published is None
