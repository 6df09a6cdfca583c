"""What the report says about mistakes is what the predictions say, counted here in another way."""

import html.parser
import json
from collections import Counter
from urllib.parse import parse_qs

import pytest

from roadtrain.evaluate.predictions import Prediction
from roadtrain.markup import visible
from roadtrain.paper.explorer import explorer_data
from roadtrain.paper.failure_page import failures_of, scenarios_in_words
from roadtrain.paper.failures import (
    NO_ANSWER,
    SURE,
    MistakeCount,
    answer_text,
    changes,
    letter_counts,
    mistakes_by,
    right_text,
    surest_mistakes,
)
from roadtrain.paper.reliability import reliability
from roadtrain.results.reader import Results
from support.fabricate import fabricate
from support.fabricated_data import HOSTILE
from support.report import write_report

OPTIONS = {"A": "Red", "B": "Blue", "C": "White"}


def prediction(id, answer, correct="A", sure=0.8, **values):
    """A question about a colour; answer "" was asked and not answered, None was not asked."""
    shares = {letter: sure if letter == answer else (1 - sure) / 2 for letter in OPTIONS} if answer else None
    fields = {"video": "s1_Camera1_0.mp4", "scenario": "s1", "question": "Which colour?", "options": OPTIONS} | values
    return Prediction(
        id=id,
        response=answer,
        correct=correct,
        answer=answer or None,
        rule="",
        first_capital=None,
        probabilities=shares,
        **fields,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return Results.load(fabricate(tmp_path_factory.mktemp("failures"), scenarios=14, frames=False, hostile=True))


@pytest.fixture(scope="module")
def rows(results):
    """{checkpoint: lines of its predictions}, of the first ablation, read without any module of the project."""
    folder = results.at(results.paths.ablation("nframes8", "predictions"))
    return {path.stem: [json.loads(line) for line in path.open(encoding="utf-8")] for path in folder.glob("*.jsonl")}


@pytest.fixture(scope="module")
def page(results):
    return failures_of(results.ablations[0])


# ------------------------------------------------------------------------------------------------ counting
def test_the_surest_mistake_is_first_and_one_without_a_probability_last():
    all_of_them = [
        prediction("a", "B", sure=0.7),
        prediction("b", ""),
        prediction("c", "C", sure=0.95),
        prediction("d", "A", sure=0.99),  # right
        prediction("e", None),  # not asked
    ]
    assert [p.id for p in surest_mistakes(all_of_them)] == ["c", "a", "b"]


def test_what_was_not_asked_is_no_mistake():
    (group,) = mistakes_by([prediction("a", "A"), prediction("b", None)], lambda p: p.scenario)
    assert (group.total, group.wrong, group.unanswered) == (1, 0, 0)
    assert letter_counts([prediction("a", None)]) == Counter()


def test_confusion_is_of_texts_whatever_their_letters():
    shuffled = {"A": "Blue", "B": "White", "C": "Red"}
    pair = [prediction("a", "B"), prediction("b", "A", correct="C", options=shuffled)]
    (group,) = mistakes_by(pair, lambda p: p.question)
    assert group.mistakes() == [(("Red", "Blue"), 2)]


def test_two_options_with_one_text_are_told_apart():
    mistake = prediction("a", "B", options={"A": "Red", "B": "Red", "C": "White"})
    assert (right_text(mistake), answer_text(mistake)) == ("Red", "Red (B)")
    (group,) = mistakes_by([mistake], lambda p: p.question)
    assert group.wrong == sum(count for _, count in group.mistakes()) == 1


def test_an_unread_answer_is_no_answer_in_confusions():
    (group,) = mistakes_by([prediction("a", "")], lambda p: p.question)
    assert group.mistakes() == [(("Red", NO_ANSWER), 1)] and group.unanswered == 1
    assert letter_counts([prediction("a", "")]) == {("A", NO_ANSWER): 1}


def test_changes_are_of_questions_that_both_were_asked():
    before = [
        prediction("a", "B"),
        prediction("b", "A"),
        prediction("c", "B"),
        prediction("d", None),
        prediction("e", "B"),
    ]
    after = [
        prediction("a", "A"),
        prediction("b", "C"),
        prediction("c", "C"),
        prediction("d", "A"),
        prediction("e", "B"),
    ]
    (change,) = changes(before, after, lambda p: p.question)
    assert (change.fixed, change.broken, change.other) == (1, 1, 1)


# ------------------------------------------------------------------------------------------------ the page's numbers
def test_mistakes_are_those_of_the_predictions(page, rows):
    wrong = [row for row in rows["epoch_3"] if not row["is_correct"]]
    sure = [row for row in wrong if row["answer"] and row["probabilities"][row["answer"]] >= SURE]
    assert (page["total"], page["wrong"], page["sure"]) == (len(rows["epoch_3"]), len(wrong), len(sure))
    assert page["unanswered"] == sum(row["answer"] is None for row in wrong) and page["wrong"] > page["sure"] > 0


def test_the_gallery_opens_on_the_surest(page, rows):
    wrong = [row for row in rows["epoch_3"] if not row["is_correct"] and row["answer"]]
    shares = sorted((row["probabilities"][row["answer"]] for row in wrong), reverse=True)
    cards = {card["id"]: card for card in page["surest"]}
    by_id = {row["id"]: row for row in wrong}
    assert [by_id[id]["probabilities"][by_id[id]["answer"]] for id in cards] == shares[: len(cards)]
    for id, card in cards.items():
        row = by_id[id]
        assert card["answer"] == row["options"][row["answer"]] and card["right"] == row["options"][row["correct"]]
        assert card["answer_share"] == f"{100 * row['probabilities'][row['answer']]:.1f}%"


def test_confusions_letters_cameras_and_scenarios_add_up_to_the_mistakes(page, rows):
    wrong, right = page["wrong"], page["total"] - page["wrong"]
    for row in page["questions"]["rows"]:
        counts = [(count, good) for _, cells in row["matrix"]["rows"] for count, good in cells]
        assert sum(count for count, good in counts if not good) == row["wrong"]
        assert sum(count for count, _ in counts) == row["total"]
    assert sum(row["wrong"] for row in page["questions"]["rows"]) == wrong and not page["questions"]["left_out"]
    cells = [cell for row in page["letters"]["rows"] for cell in row["cells"]]
    assert sum(cell["count"] for cell in cells if cell["right"]) == right
    assert page["letters"]["total"] == page["total"]
    by_letters = Counter((row["correct"], row["answer"]) for row in rows["epoch_3"])
    for row in page["letters"]["rows"]:
        for head, cell in zip(page["letters"]["heads"], row["cells"], strict=True):
            assert cell["count"] == by_letters[row["letter"], None if head == "none" else head]
    assert sum(row["wrong"] for row in page["cameras"]) == wrong
    by_scenario = Counter(row["scenario"] for row in rows["epoch_3"] if not row["is_correct"])
    assert {row["name"]: row["wrong"] for row in page["scenarios"] if row["wrong"]} == by_scenario
    assert f"{wrong} mistakes are in {len(by_scenario)} of 14 scenarios" in page["scenarios_in_words"]


def test_one_mistake_is_one():
    words = [scenarios_in_words([MistakeCount(str(wrong), total=10, wrong=wrong)]) for wrong in (0, 1, 2)]
    assert words == [
        "No mistake in 1 scenario.",
        "1 mistake is in 1 of 1 scenario; half of them in 1.",
        "2 mistakes are in 1 of 1 scenario; half of them in 1.",
    ]


@pytest.mark.parametrize(("place", "before", "after"), [(0, "zero_shot", "epoch_3"), (1, "epoch_3", "fp8")])
def test_what_training_and_quantization_changed(page, rows, place, before, after):
    earlier, later = ({row["id"]: row for row in rows[name]} for name in (before, after))
    pairs = [(earlier[id], later[id]) for id in earlier]
    expected = {
        "fixed": sum(b["is_correct"] and not a["is_correct"] for a, b in pairs),
        "broken": sum(a["is_correct"] and not b["is_correct"] for a, b in pairs),
        "other": sum(a["answer"] != b["answer"] and not a["is_correct"] and not b["is_correct"] for a, b in pairs),
    }
    totals = {kind: count for kind, count, _ in page["changes"][place]["totals"]}
    assert totals == expected and sum(expected.values()) > 0
    for n, kind in enumerate(expected):
        assert sum(cells[n][0] for _, cells in page["changes"][place]["rows"]) == expected[kind]


def test_calibration_has_the_bins_of_the_accuracy_with_counts_and_intervals(results):
    ablation = results.ablations[0]
    accuracy = ablation.best_accuracy
    bins = reliability(ablation.predictions("epoch_3"), 500)
    stored = [part for part in accuracy["calibration"]["bins"] if part["questions"]]
    assert [(b.questions, b.confidence, b.accuracy) for b in bins] == [
        (part["questions"], part["confidence"], part["accuracy"]) for part in stored
    ]
    assert all(b.right == round(b.accuracy * b.questions) for b in bins)
    assert all(b.ci95[0] <= b.accuracy <= b.ci95[1] for b in bins) and any(b.ci95[0] < b.ci95[1] for b in bins)


def test_predictions_without_probabilities_have_no_bins_and_still_a_list():
    plain = [prediction("a", "B"), prediction("b", "A")]
    plain = [Prediction(**{key: getattr(p, key) for key in p.__slots__} | {"probabilities": None}) for p in plain]
    assert reliability(plain, 100) == [] and [p.id for p in surest_mistakes(plain)] == ["a"]


# ------------------------------------------------------------------------------------------------ the explorer
def test_probabilities_in_the_page_are_those_of_the_predictions(results, rows):
    data = explorer_data(results)
    ids = [row[0] for row in data["questions"]]
    for c, checkpoint in enumerate(data["checkpoints"]):
        if checkpoint["ablation"] != "nframes8":
            continue
        lines = {row["id"]: row for row in rows[checkpoint["name"]]}
        for id, whole in zip(ids, data["sure"][c], strict=True):
            share = lines[id]["probabilities"].get(lines[id]["answer"])
            assert whole == (None if share is None else round(share * 100_000))
    best = {row["id"]: row for row in rows["epoch_3"]}
    for id, shares in zip(ids, data["shares"]["nframes8"], strict=True):
        assert shares == [round(best[id]["probabilities"].get(o, 0) * 100_000) for o in best[id]["options"]]


def test_a_link_says_what_is_counted_in_the_texts_of_the_page(page):
    """Texts in links are written as the page shows them, or the explorer would find nothing."""
    for row in page["questions"]["rows"]:
        parts = {key: value[0] for key, value in parse_qs(row["link"][1:], strict_parsing=True).items()}
        assert parts == {"ablation": "nframes8", "show": "wrong", "question": visible(row["name"])}


# ------------------------------------------------------------------------------------------------ hostile text
class Elements(html.parser.HTMLParser):
    """(element, its attributes, the text right behind its tag)."""

    def __init__(self, text):
        super().__init__()
        self.rows = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.rows.append([tag, dict(attributes), ""])

    def handle_data(self, data):
        if self.rows:
            self.rows[-1][2] += data


def test_a_hostile_question_scenario_and_option_are_text_in_the_mistakes(tmp_path):
    spec = fabricate(tmp_path, scenarios=4, frames=False)
    hostile = HOSTILE + '\u202e" onmouseover=alert(1)'
    path = spec.parent / "nframes8/predictions/epoch_3.jsonl"
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    row = rows[0]
    wrong = next(letter for letter in row["options"] if letter != row["correct"])
    row |= {"question": hostile, "scenario": hostile, "video": f"{hostile}/x.mp4", "response": wrong}
    row["options"] = {letter: f"{hostile} {letter}" for letter in row["options"]}
    row["probabilities"] = {letter: float(letter == wrong) for letter in row["options"]}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    text = write_report(spec).read_text(encoding="utf-8")

    elements = Elements(text).rows
    assert [tag for tag, _, _ in elements].count("script") == 2
    assert not [name for _, attributes, _ in elements for name in attributes if name.startswith("on")]
    shown = visible(hostile)
    card = next(n for n, (tag, attributes, _) in enumerate(elements) if "data-mistake" in attributes)
    assert [words.strip() for _, _, words in elements[card + 2 : card + 5]] == [
        shown,
        f"✗ {shown} {wrong} 100.0%",
        f"✓ {shown} {row['correct']} 0.0%",
    ]
    views = [parse_qs(a["href"][1:]) for tag, a, _ in elements if tag == "a" and a["href"].startswith("#ablation=")]
    assert any(view.get("scenario") == [shown] for view in views)
    assert any(view.get("given") == [f"{shown} {wrong}"] for view in views)
    assert "\u202e" not in text
