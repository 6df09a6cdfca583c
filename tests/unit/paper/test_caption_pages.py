"""Captions in table, paper and report: the accuracy JSON's numbers, every text beside its reference, differing words marked."""

import json
import re

import pytest

from roadtrain.data.sources.records import is_caption
from roadtrain.evaluate.caption_predictions import read_captions, score_captions
from roadtrain.evaluate.predictions import read_predictions
from roadtrain.files import read_json, write_json, write_text
from roadtrain.markup import json_line
from roadtrain.paper.caption_explorer import caption_rows
from roadtrain.paper.document import paper_markdown
from roadtrain.paper.sentences import abstract
from roadtrain.paper.tables.captions import captions_table
from roadtrain.results.reader import Results
from support.browser import HERE, axe_violations, go, look
from support.fabricate import fabricate
from support.fabricated_data import HOSTILE
from support.report import write_report

in_browser = [pytest.mark.browser, pytest.mark.skipif(not HERE, reason="no chromium, chromedriver or selenium")]


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("captions"), scenarios=6, cameras=1, hostile=True, captions=True)


@pytest.fixture(scope="module")
def page(spec):
    return write_report(spec)


@pytest.fixture(scope="module")
def results(page, spec):
    """With comparisons.json."""
    return Results.load(spec)


@pytest.fixture(scope="module")
def data(page):
    return json.loads(re.search(r'id="explorer-data">(.*?)</script>', page.read_text(encoding="utf-8"), re.S)[1])


# ------------------------------------------------------------------------------------------ table and paper
def test_the_table_has_zero_shot_beside_the_best_epoch(results):
    table = captions_table(results)
    rows = [dict(zip([column.key for column in table.columns], row, strict=True)) for row in table.rows]
    for ablation in results.ablations:
        for checkpoint in ("zero_shot", "epoch_3", "fp8"):
            scores = ablation.accuracy(checkpoint)["captions"]
            here = [r for r in rows if (r["ablation"], r["checkpoint"]) == (ablation.name, checkpoint)]
            assert [(r["set"], r["subject"]) for r in here] == [
                ("internal", "pedestrian"),
                ("internal", "vehicle"),
                ("all", "both"),
            ]
            whole, vehicle = here[-1], scores["sets"]["internal"]["vehicle"]
            cells = ("score", "ci_low", "ci_high", "s2", "s2_low", "s2_high")
            assert [whole[key].value for key in cells] == [
                scores["score"],
                *scores["ci95"],
                scores["s2"],
                *scores["s2_ci95"],
            ]
            metrics = ("bleu4", "meteor", "rouge_l", "cider")
            assert [here[1][key].value for key in metrics] == [
                vehicle[k] for k in ("bleu", "meteor", "rouge_l", "cider")
            ]
    best = results.ablations[0].best_accuracy["captions"]
    assert f"to {best['score']:.2f} (95% interval {best['ci95'][0]:.2f} to" in table.caption


def test_the_paper_says_what_differs(results):
    text = paper_markdown(results)
    assert "## Captions" in text and "The caption score of nframes8 epoch 3 is" in text.replace("\\", "")


def test_the_first_lines_say_what_captions_came_to(results, page):
    for ablation in results.ablations:
        before, after = (ablation.accuracy(name)["captions"] for name in ("zero_shot", "epoch_3"))
        sentence = f"Its caption score goes from {before['score']:.2f} zero-shot to {after['score']:.2f} (95% interval "
        assert sentence in abstract(results) and sentence in page.read_text(encoding="utf-8")


def test_without_captions_nothing_is_said_of_them(tmp_path):
    spec = fabricate(tmp_path, scenarios=3, cameras=1, frames=False)
    results = Results.load(spec)
    table = captions_table(results)
    assert table.rows == [] and "has none" in table.caption and table.notes == ""
    text = write_report(spec).read_text(encoding="utf-8")
    assert 'id="captions"' not in text and "#captions" not in text and "T7" not in text
    assert "## Captions" not in paper_markdown(results)


def test_where_no_caption_could_be_asked_every_page_says_so(tmp_path):
    """Their videos can't be read: the scores are 0, and a reader must not take that for the model's."""
    spec = fabricate(tmp_path, scenarios=3, cameras=1, frames=False, captions=True)
    for ablation, name in Results.load(spec).all_checkpoints():
        path = spec.parent / f"{ablation.name}/predictions/{name}.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        texts = [row | {"response": None} if is_caption(row["options"], row["group"]) else row for row in rows]
        write_text(path, "".join(map(json_line, texts)))
        accuracy = spec.parent / f"{ablation.name}/accuracy/{name}.json"
        captions = score_captions(read_captions(path), read_predictions(path), 200)
        write_json(accuracy, read_json(accuracy) | {"captions": captions})
    words = "not one of 6 captions was asked: their videos can't be read, and all count 0"
    page = write_report(spec).read_text(encoding="utf-8")
    results = Results.load(spec)
    assert all(words in text for text in (captions_table(results).caption, paper_markdown(results), abstract(results)))
    assert (
        page.count(words.replace("'", "&#39;")) >= 2 * 3
    )  # of two ablations: the first lines, zero-shot, the best epoch


# ------------------------------------------------------------------------------------------ the page's data
def test_every_text_of_every_checkpoint_is_there(results, data):
    captions = data["captions"]
    for c, (ablation, name) in enumerate(results.all_checkpoints()):
        expected = {p.id: (p.response, p.reference) for p in ablation.captions(name)}
        found = {
            row[0]: (captions["texts"][captions["written"][c][n]], captions["texts"][row[4]])
            for n, row in enumerate(captions["rows"])
        }
        as_shown = {id: tuple(text.replace("\u2028", "\\u2028") for text in pair) for id, pair in expected.items()}
        assert found == as_shown
    assert captions["total"] == len(captions["rows"]) == 12
    assert len({data["clips"][n]["video"] for n in captions["clips"]}) == 6


def test_texts_of_the_data_are_text(page):
    text = page.read_text(encoding="utf-8")
    assert HOSTILE.split(" ")[0] not in text.split('id="explorer-data">')[1].split("</script>")[0]
    assert "<script>document.title" not in text


def test_a_page_without_room_shows_phases_of_all_the_data(results, monkeypatch):
    from roadtrain.data.llava import read_questions

    clips = {question.id: question.clip for question in read_questions(results.at(results.paths.llava("val")))}
    everything = caption_rows(results, clips)[1]["rows"]
    monkeypatch.setattr("roadtrain.paper.caption_explorer.MOST_CHARACTERS", 6000)
    some = caption_rows(results, clips)[1]
    assert 0 < len(some["rows"]) < len(everything) == some["total"]
    assert len(some["rows"]) % 2 == 0 and len({row[1] for row in some["rows"]}) == len(some["rows"]) / 2


# ------------------------------------------------------------------------------------------ in a browser
@pytest.fixture
def opened(page, browser):
    look(browser)
    browser.get("about:blank")
    browser.get_log("browser")
    go(browser, page.as_uri())
    return browser


def texts_of(driver, selector):
    return driver.execute_script(f"return [...document.querySelectorAll({selector!r})].map(e => e.textContent)")


def plain_word(word: str) -> str:
    return re.sub(r'[.,;:!?()"]+', "", word.lower()) or word


class TestInABrowser:
    pytestmark = in_browser

    def test_words_that_differ_are_marked_and_the_texts_are_whole(self, opened, results):
        """By another way of comparing: every unmarked word of a text is in the reference, in order."""
        assert opened.get_log("browser") == [] and opened.title != "owned"
        opened.execute_script(
            "document.getElementById('c-text').value = 'val_0003';"
            "document.getElementById('caption-filters').dispatchEvent(new Event('input'))"
        )
        best = {p.id: p for p in results.ablations[0].captions("epoch_3")}
        shown = texts_of(opened, "#caption-list .caption-texts > .best p:last-child")
        assert shown[0] == " ".join(best["val_0003_caption_pedestrian"].response.split())
        code = "const p = document.querySelector('#caption-list .caption-texts > .best p:last-child').cloneNode(true);"
        kept = opened.execute_script(
            code + "p.querySelectorAll('mark').forEach(m => m.remove()); return p.textContent"
        ).split()
        words = iter([plain_word(word) for word in best["val_0003_caption_pedestrian"].reference.split()])
        assert kept and all(plain_word(word) in words for word in kept)

    def test_filters_and_pages(self, opened):
        assert (
            texts_of(opened, "#caption-count") == ["12 of 12 captions"]
            and len(texts_of(opened, "#caption-list > .clip")) == 6
        )
        opened.execute_script(
            "const e = document.getElementById('c-subject'); e.value = 'vehicle';"
            "e.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        assert texts_of(opened, "#caption-count") == ["6 of 12 captions"]
        assert set(texts_of(opened, "#caption-list h4")) == {"About the vehicle"}
        opened.execute_script(
            "const e = document.getElementById('c-ablation'); e.value = 'fps1_8k';"
            "e.dispatchEvent(new Event('input', {bubbles: true}))"
        )
        assert len(texts_of(opened, "#caption-list .best")) == 6

    @pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
    def test_it_fits_and_axe_finds_nothing(self, opened, page, width, dark):
        look(opened, width=width, dark=dark)
        go(opened, page.as_uri())
        wide, room = opened.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide <= room
        cut = opened.execute_script(
            "return [...document.querySelectorAll('#captions *')].filter(e => e.scrollWidth > e.clientWidth + 1"
            " && getComputedStyle(e).overflowX === 'visible' && e.clientWidth > 0).map(e => e.className || e.tagName)"
        )
        assert cut == []
        assert axe_violations(opened) == []
