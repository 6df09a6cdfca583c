"""Tables, figures, comparisons and the paper, from a made-up results tree (tests/support/fabricate.py)."""

import csv
import hashlib
import json
import re
import shutil

import pytest

from roadtrain.files import read_json
from roadtrain.markup import latex, markdown_text
from roadtrain.paper.contents import FIGURES, TABLES, TITLES
from roadtrain.paper.table import Column, Number, Table
from roadtrain.paper.tables.accuracy import accuracy_table
from roadtrain.paper.tables.builders import TABLE_BUILDERS
from roadtrain.paper.tables.tokens import tokens_table
from roadtrain.paths import BASELINES
from roadtrain.results.comparisons import compare
from roadtrain.results.published import published
from roadtrain.results.reader import Results
from roadtrain.results.words import describe_checkpoint, describe_vision
from support.fabricate import fabricate
from support.programs import ROOT, run_program


def make_all(spec):
    comparisons = spec.with_name("comparisons.json")
    processes = [run_program("compare.py", spec=spec, evaluate='{"bootstrap_samples": 500}', output=comparisons)]
    for program in ("make_tables.py", "make_figures.py", "make_paper.py"):
        processes.append(run_program(program, spec=spec, output_dir=spec.with_name("paper")))
    for process in processes:
        assert process.returncode == 0, process.stderr


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """spec.json of a made-up run whose paper has been made. No frames: the paper needs none."""
    spec = fabricate(tmp_path_factory.mktemp("made-up"), frames=False, captions=True)
    make_all(spec)
    return spec


@pytest.fixture
def results(tree):
    return Results.load(tree)


@pytest.fixture
def paper(tree):
    return tree.with_name("paper")


def cells(text):
    """Cells of a Markdown table's body with escapes taken off."""
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    plain = [re.split(r"(?<!\\) \| ", row.strip("| ")) for row in rows]
    for entity, character in (("&gt;", ">"), ("&lt;", "<"), ("&amp;", "&")):
        plain = [[cell.replace(entity, character) for cell in row] for row in plain]
    return [[re.sub(r"\\(.)", r"\1", cell).strip() for cell in row] for row in plain]


def test_everything_in_the_contents_is_built():
    from roadtrain.paper.figures import FIGURE_BUILDERS

    assert list(TABLE_BUILDERS) == list(TABLES) and list(FIGURE_BUILDERS) == list(TITLES)


@pytest.mark.parametrize("name", TABLES)
def test_csv_md_and_tex_say_the_same(paper, name):
    rows = list(csv.reader((paper / f"{name}.csv").open(encoding="utf-8")))[1:]
    body = cells((paper / f"{name}.md").read_text())
    tex = (paper / f"{name}.tex").read_text().split(r"\midrule")[1].split(r"\bottomrule")[0]
    typeset = [[cell.strip() for cell in line.removesuffix(r" \\").split(" & ")] for line in tex.strip().splitlines()]
    assert len(rows) == len(body) == len(typeset) > 0
    for plain, md, latex_row in zip(rows, body, typeset, strict=True):
        assert [c.replace(",", "") if re.fullmatch(r"[+-]?[\d,.]+", c) else c for c in md] == [c or "–" for c in plain]
        assert latex_row == [latex(c) for c in md]


def test_tables_are_booktabs(paper):
    for name in TABLES:
        text = (paper / f"{name}.tex").read_text()
        assert (
            r"\toprule" in text and r"\bottomrule" in text and r"\hline" not in text and "|" not in text.split("\n")[4]
        )


def test_published_numbers_stand_in_their_own_columns(results):
    tokens = tokens_table(results)
    column = [c.key for c in tokens.columns].index("published_tokens")
    assert [row[column].value for row in tokens.rows] == [2880, 7733]
    accuracy = accuracy_table(results)
    values = {(row[0], row[1]): row[-1] for row in accuracy.rows}
    assert values["nframes8", "epoch_3"] == "93.65" and values["nframes8", "epoch_1"] == "> 92"
    assert values["nframes8", "zero_shot"] is None and values["fps1_8k", "epoch_3"] is None


def test_our_arithmetic_gives_the_published_tokens(results):
    """8/2 x 1152x640/1024 = 2,880 and 74/2 x 608x352/1024 = 7,733, by the project's own vision arithmetic."""
    table = tokens_table(results)
    sums = {row[0]: (row[-3], row[-2].value) for row in table.rows}
    assert sums == {"nframes8": ("8/2 × 1152x640/1024", 2880), "fps1_8k": ("74/2 × 608x352/1024", 7733)}


def test_a_setting_that_was_not_run_keeps_its_published_row(tmp_path):
    spec = fabricate(tmp_path, scenarios=6, frames=False)
    value = json.loads(spec.read_text())
    value["ablations"]["nframes8"]["vision"] = {"nframes": 8, "max_pixels": 17408, "min_pixels": 4096}
    spec.write_text(json.dumps(value))
    results = Results.load(spec)
    rows = accuracy_table(results).rows
    assert [row[-1] for row in rows if row[0] == "nframes8"] == [None] * 7  # another setting: nothing to compare with
    assert [row[-1] for row in rows if row[0] == "recipe nframes 8"] == ["> 92", "93.65"]
    assert [row[0] for row in tokens_table(results).rows] == ["nframes8", "fps1_8k", "recipe"]


def test_accuracy_table_is_the_accuracy_files(results):
    for row in accuracy_table(results).rows:
        accuracy = read_json(results.at(results.paths.accuracy(row[0], row[1])))
        assert row[4].value == pytest.approx(100 * accuracy["accuracy"])
        assert (row[5].value, row[6].value) == pytest.approx(tuple(100 * x for x in accuracy["ci95"]))


def test_captions_are_made_from_the_numbers(results):
    caption = accuracy_table(results).caption
    for ablation in results.ablations:
        assert f"{ablation.best_accuracy['accuracy']:.2%}" in caption
        assert f"{ablation.zero_shot_accuracy['accuracy']:.2%}" in caption


def test_every_figure_is_there_as_vector_and_as_picture(paper):
    for name in FIGURES:
        pdf = (paper / f"{name}.pdf").read_bytes()
        assert pdf.startswith(b"%PDF") and (paper / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert b"/FontFile2" in pdf, f"{name}: fonts are not embedded"
        assert b"CreationDate" not in pdf and b"/Type3" not in pdf


def test_lines_can_be_told_apart_in_grey():
    """Neighbouring colours differ in lightness, and the first seven lines differ in marker or dashes too."""
    from roadtrain.paper.drawing import DASHES, MARKERS

    style = (ROOT / "scripts/roadtrain/paper/figure_style.mplstyle").read_text()
    cycle = re.search(r"cycler\('color', \[(.*?)\]\)", style)[1]
    rgb = [[int(c.strip(" '")[n : n + 2], 16) for n in (0, 2, 4)] for c in cycle.split(",")]
    grey = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in rgb]
    assert all(abs(a - b) > 15 for a, b in zip(grey, grey[1:], strict=False))
    assert abs(grey[0] - grey[1]) > 50
    assert len({(m, str(d)) for m, d in zip(MARKERS, DASHES, strict=False)}) == 7


def test_the_paper_has_every_table_and_figure_and_no_loose_number(paper, results):
    for kind in ("md", "tex"):
        text = (paper / f"paper.{kind}").read_text()
        for name in {*TABLES, *FIGURES} - {"t8_kinds"}:  # only where answers are of several kinds (test_sets.py)
            assert (name if kind == "tex" or name[0] == "f" else f"**{name[:2].upper()} ") in text
    text = (paper / "paper.md").read_text()
    for ablation in results.ablations:
        assert f"{ablation.accuracy('epoch_2')['accuracy']:.2%}" in text
    assert published()["url"] in text


def test_calibration_is_shown_only_where_probabilities_were_recorded(tmp_path, paper, results):
    error = results.ablations[0].accuracy("epoch_3")["calibration"]["ece"]
    assert f"expected calibration error of {error:.3f}" in (paper / "paper.md").read_text()
    spec = fabricate(tmp_path, scenarios=4, frames=False)
    for path in spec.parent.glob("*/accuracy/*.json"):
        value = json.loads(path.read_text())
        del value["calibration"]
        path.write_text(json.dumps(value))
    out = spec.with_name("paper")
    run_program(
        "compare.py", spec=spec, evaluate='{"bootstrap_samples": 100}', output=spec.with_name("comparisons.json")
    )
    assert run_program("make_paper.py", spec=spec, output_dir=out).returncode == 0
    assert run_program("make_figures.py", spec=spec, output_dir=out, figures="f5_calibration").returncode == 0
    assert "f5_calibration" not in (out / "paper.md").read_text()
    assert (out / "f5_calibration.pdf").exists()  # the declared file says that there is nothing


def test_making_everything_again_gives_the_same_bytes(tree, tmp_path):
    """Another folder, another time, another hash seed: the same files."""
    copy = shutil.copytree(tree.parents[2], tmp_path / "again")
    spec = copy / tree.relative_to(tree.parents[2])
    shutil.rmtree(spec.with_name("paper"))
    spec.with_name("comparisons.json").unlink()
    make_all(spec)
    before, after = (
        {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in [*at.glob("paper/*"), at / "comparisons.json"]}
        for at in (tree.parent, spec.parent)
    )
    assert before == after and len(before) == 3 * len(TABLES) + 2 * len(FIGURES) + 3


def test_comparisons_name_every_pair_once_and_find_what_is_there(results):
    pairs = results.comparisons["pairs"]
    names = [tuple((side["ablation"], side["checkpoint"]) for side in (pair["a"], pair["b"])) for pair in pairs]
    baselines = [names for names in names if names[0][1] in BASELINES]
    assert len(names) - len(baselines) == len({frozenset(n) for n in names} - {frozenset(n) for n in baselines}) == 45
    # Each baseline with each checkpoint of its ablation, as a difference in the checkpoint's favour.
    assert len(baselines) == len(set(baselines)) == 2 * 2 * 5
    assert all(a[0] == b[0] and b[1] not in BASELINES for a, b in baselines)
    by_name = dict(zip(names, pairs, strict=True))
    learned = by_name[("nframes8", "zero_shot"), ("nframes8", "epoch_3")]
    assert learned["significant"] and learned["ci95"][0] > 0 and "more accurate" in learned["in_words"]
    assert f"{learned['difference'] * 100:.2f} points" in learned["in_words"]
    assert not by_name[("nframes8", "epoch_3"), ("nframes8", "fp8")]["significant"]


def test_words_follow_the_verdict(results):
    for row in results.comparisons["pairs"]:
        ends = "significant." if row["significant"] else ("not significant.", "among 65 pairs.", "same questions.")
        assert row["in_words"].endswith(ends)
        assert ("not significant" in row["in_words"]) != row["significant"] or "same questions" in row["in_words"]


def test_checkpoints_without_a_common_question_are_refused(tmp_path):
    results = Results.load(fabricate(tmp_path, scenarios=4, frames=False))
    path = results.at(results.paths.predictions("nframes8", "epoch_1"))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line | {"id": f"other{n}"}) + "\n" for n, line in enumerate(lines)))
    with pytest.raises(ValueError, match="no question in common"):
        compare(results.predictions(), 100)


@pytest.mark.parametrize(
    "program", ["make_tables.py", "make_figures.py", "make_paper.py", "make_report.py", "compare.py"]
)
def test_a_wrong_spec_file_is_one_clear_line(tmp_path, program):
    (tmp_path / "spec.json").write_text("[]")
    option = "output" if program in ("make_report.py", "compare.py") else "output_dir"
    process = run_program(program, spec=tmp_path / "spec.json", **{option: tmp_path / "out"})
    assert process.returncode == 1 and "not a resolved spec" in process.stderr and process.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_missing_accuracy_file_is_named(tmp_path):
    spec = fabricate(tmp_path, scenarios=4, frames=False)
    (spec.parent / "fps1_8k/accuracy/epoch_2.json").unlink()
    process = run_program("make_tables.py", spec=spec, output_dir=tmp_path / "out")
    assert process.returncode == 1 and "Traceback" not in process.stderr
    assert "fps1_8k/accuracy/epoch_2.json" in process.stderr


def test_hostile_names_reach_no_language_as_commands():
    table = Table(
        "t",
        "T",
        r"100% of \write18{rm} & $x_1$",
        [Column("a", "a|b"), Column("n", "n")],
        [["=HYPERLINK(1)", Number(1234.5, 1)], ["| <script>alert(1)</script> `x`", None]],
    )
    assert r"\textbackslash{}write18\{rm\} \& \$x\_1\$" in table.tex()
    assert r"\| &lt;script&gt;" in table.md() and "<script>" not in table.md()
    rows = list(csv.reader(table.csv().splitlines()))
    assert rows[1] == ["'=HYPERLINK(1)", "1234.5"] and rows[2][1] == ""
    assert "1,234.5" in table.md() and "1,234.5" in table.tex()


def test_escapes_keep_the_text():
    assert latex("a_b 50% – {x}") == r"a\_b 50\% -- \{x\}"
    assert markdown_text("a_b\nc*d") == r"a\_b c\*d"


@pytest.mark.parametrize(
    "vision, words",
    [
        ({"nframes": 8}, "nframes 8"),
        ({"fps": 1.0, "total_pixels": 8388608}, "fps 1, total_pixels 8,388,608"),
        ({"fps": 0.5}, "fps 0.5"),
    ],
)
def test_settings_read_as_in_the_recipe(vision, words):
    assert describe_vision(vision) == words


@pytest.mark.parametrize(
    "name, words",
    [("zero_shot", "zero-shot"), ("epoch_12", "epoch 12"), ("fp8_dynamic", "FP8 dynamic"), ("nvfp4", "NVFP4")],
)
def test_checkpoints_read_as_words(name, words):
    assert describe_checkpoint(name) == words


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="t: a row of 1 cells in a table of 2 columns"):
        Table("t", "T", "", [Column("a", "a"), Column("b", "b")], [["x"]])


def test_a_cell_of_no_column_is_refused():
    with pytest.raises(ValueError, match="t1_data: vidoes is no column"):
        Table.from_records("t1_data", "", [Column("videos", "videos")], [{"vidoes": Number(1)}])
