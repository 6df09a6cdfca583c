"""The report as a file: self-contained, whole, escaped, the same bytes again. tests/unit/paper/test_report_browser.py opens it."""

import html.parser
import json
import re
import shutil

import pytest

from roadtrain.files import read_json
from roadtrain.paper.contents import TABLES
from roadtrain.paper.explorer import explorer_data
from roadtrain.paper.report import script_json
from roadtrain.paper.thumbnails import spread_frames, strip
from roadtrain.results.reader import Results
from support.fabricate import fabricate
from support.fabricated_data import HOSTILE
from support.programs import run_program
from support.report import write_report


class Page(html.parser.HTMLParser):
    """Elements, their attributes, and the text of each script."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self._script = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._script = "" if tag == "script" else None

    def handle_data(self, data):
        if self._script is not None:
            self._script += data

    def handle_endtag(self, tag):
        if tag == "script":
            self.scripts.append(self._script)
            self._script = None


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("report"), scenarios=8, hostile=True)


@pytest.fixture(scope="module")
def text(spec):
    return write_report(spec).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


@pytest.fixture(scope="module")
def data(page):
    return json.loads(page.scripts[0])


def test_nothing_is_fetched_from_outside(page):
    for tag, attributes in page.elements:
        if source := attributes.get("src"):
            assert source.startswith("data:image/"), (tag, source[:80])
        assert tag not in ("link", "iframe", "object", "embed", "base") and "srcset" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
    policy = next(a["content"] for t, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_links_lead_to_places_in_the_page_or_files_of_the_run(page, spec):
    ids = {attributes.get("id") for _, attributes in page.elements}
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    for link in links:
        if "=" in link:  # a view of the explorer
            assert link.startswith(("#ablation=", "#q="))
        elif link.startswith("#"):
            assert link[1:] in ids
        elif not link.startswith("https://nvidia-cosmos.github.io/"):
            assert link == "comparisons.json" or re.fullmatch(r"paper/[tf]\d_\w+\.(csv|md|tex|pdf)", link)
    assert len(links) > 20


def test_hostile_text_is_text(text, page):
    assert "<img src=x" not in text and len(page.scripts) == 2
    assert not [attributes for tag, attributes in page.elements if tag == "img" and attributes.get("src") == "x"]


def test_hostile_text_arrives_whole(data):
    options = [option for row in data["questions"] for _, option in row[5]]
    # The question is the prompt's first line; what str.splitlines breaks on is the converter's business.
    assert any(question.startswith("</script><script>") for question in data["texts"])
    assert any(option.startswith("</script>") for option in options) or HOSTILE in options


def test_every_question_has_every_checkpoints_answer(data, spec):
    results = Results.load(spec)
    in_order = [entry["id"] for entry in read_json(results.at(results.paths.llava("val")))]
    assert [row[0] for row in data["questions"]] == in_order
    assert in_order.index("val_0000_Camera1_0_2") < in_order.index("val_0000_Camera1_0_10")
    for c, checkpoint in enumerate(data["checkpoints"]):
        ablation = next(a for a in results.ablations if a.name == checkpoint["ablation"])
        predictions = {p.id: p for p in ablation.predictions(checkpoint["name"])}
        for answer, id in zip(data["answers"][c], in_order, strict=True):
            p = predictions[id]
            letter, response = answer if isinstance(answer, list) else (answer, answer)
            assert letter == p.answer and response == p.response
    assert len(data["checkpoints"]) == 10


def test_thumbnails_are_shared_by_the_questions_of_a_clip(data):
    assert len(data["pictures"]) == len(data["clips"]) == 16  # 8 scenarios with 2 cameras: one strip, not one a setting
    assert all(picture.startswith("data:image/jpeg;base64,") for picture in data["pictures"])
    assert {len(clip["strips"]) for clip in data["clips"]} == {1} and data["without_picture"] == 0


def test_a_strips_frames_can_be_cut_out_of_it(data):
    """The page shows single frames by their place in the picture: frames, width and gap must be the picture's."""
    import base64
    import io

    from PIL import Image

    for clip in data["clips"]:
        strip = clip["strips"][0]
        jpeg = base64.b64decode(data["pictures"][strip["picture"]].partition(",")[2])
        width = strip["frames"] * (strip["width"] + strip["gap"]) - strip["gap"]
        assert Image.open(io.BytesIO(jpeg)).size == (width, strip["height"])


def test_summary_says_the_numbers_of_the_accuracy_files(text, spec):
    for ablation in Results.load(spec).ablations:
        best = ablation.best_accuracy
        assert f"{best['accuracy'] * 100:.2f}%" in text and f"{best['ci95'][0] * 100:.2f}%" in text


def test_report_has_its_parts(text, page):
    ids = {attributes.get("id") for _, attributes in page.elements}
    assert {"summary", "failures", "questions", "results", "figures", "tables", "data", "deploy", "origin"} <= ids
    assert "docker.sh of nframes8" in text and "no such file" in text and "transformers" in text
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(headings, headings[1:], strict=False))
    assert all(attributes.get("alt") for tag, attributes in page.elements if tag == "img")


def test_the_same_bytes_again(spec, text, tmp_path):
    copy = shutil.copytree(spec.parents[2], tmp_path / "again")
    assert write_report(copy / spec.relative_to(spec.parents[2])).read_text(encoding="utf-8") == text


def test_without_the_frame_cache_the_report_still_comes(tmp_path):
    spec = fabricate(tmp_path, scenarios=4, frames=False)
    data = json.loads(Page(write_report(spec).read_text(encoding="utf-8")).scripts[0])
    assert data["pictures"] == [] and data["without_picture"] == len(data["clips"])


def test_pictures_stay_within_their_budget(spec):
    results = Results.load(spec)
    full = explorer_data(results)
    small = explorer_data(results, budget=sum(len(p) for p in full["pictures"]) // 2)
    assert 0 < len(small["pictures"]) < len(full["pictures"]) and small["without_picture"] > 0
    assert small["questions"] == full["questions"]


def test_a_long_clip_is_shown_by_eight_of_its_frames(tmp_path):
    import io

    import numpy as np
    from PIL import Image
    from safetensors.numpy import save_file

    assert spread_frames(74) == [0, 10, 21, 31, 42, 52, 63, 73] and spread_frames(3) == [0, 1, 2]
    frames = np.zeros((74, 3, 36, 64), np.uint8)
    frames[73, 0] = 255  # the last frame is red
    save_file({"frames": frames}, tmp_path / "clip.safetensors")
    picture = Image.open(io.BytesIO(strip(tmp_path / "clip.safetensors")))
    assert picture.size == (8 * 199 + 7 * 2, 112)
    red, black = picture.getpixel((picture.width - 20, 60)), picture.getpixel((20, 60))
    assert red[0] > 200 and red[1] < 60 and max(black) < 30
    assert strip(tmp_path / "gone.safetensors") is None


@pytest.mark.parametrize("value", ["</script>", "<!--", "]]>", "&lt;", "\u2028", "\\u003c", '"', "\x00"])
def test_json_in_a_script_element_can_not_end_it(value):
    text = script_json({"a": value})
    assert json.loads(text) == {"a": value}
    assert not set("<>&\u2028\u2029") & set(text)


@pytest.mark.parametrize("outcome", ["failed", "undecided"])
def test_a_gate_that_did_not_pass_is_seen(tmp_path, outcome):
    spec = fabricate(tmp_path, scenarios=4, frames=False)
    gate = spec.parent / "nframes8/quantized/gate.json"
    value = json.loads(gate.read_text())
    value["precisions"]["fp8"] |= {"outcome": outcome, "passed": False, "in_words": "accuracy 0.5: so"}
    gate.write_text(json.dumps(value))
    text = write_report(spec).read_text(encoding="utf-8")
    assert f"gate {outcome}" in text and "accuracy 0.5: so" in text


def test_nothing_on_the_page_turns_the_direction_of_writing():
    from roadtrain.paper.report import visible_in

    assert visible_in({"a\u202e": ["\x1b[1m", 1, None, ("x\ny\u2066",)]}) == {
        "a\\u202e": ["\\x1b[1m", 1, None, ["x\ny\\u2066"]]
    }


@pytest.mark.slow
def test_tables_and_report_show_how_far_they_are(spec, text, tmp_path):
    """Bars for a person, on stderr; what was written is said whole, on stdout."""
    process = run_program("make_tables.py", spec=spec, output_dir=tmp_path)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[0] == "t1_data: 2 rows" and len(process.stdout.splitlines()) == len(TABLES)
    assert "tables: 100%|" in process.stderr and f"{len(TABLES)}/{len(TABLES)}" in process.stderr
    process = run_program("make_report.py", spec=spec, output=tmp_path / "report.html")
    assert process.returncode == 0, process.stderr
    for stage in ("failures", "tables", "figures", "answers", "pictures"):
        assert f"{stage}: 100%|" in process.stderr, stage
