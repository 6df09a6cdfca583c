"""Kinds of answers in the accuracy JSON: each counted by its own measure, and every reason why one isn't read by name."""

import json

import pytest

from roadtrain.data.answer_reasoning import reasoned_text
from roadtrain.evaluate.accuracy import score
from roadtrain.evaluate.caption_metrics import caption_points, caption_scores, mean_scores
from roadtrain.evaluate.graded import read_graded, reasoning_use, score_kinds
from roadtrain.evaluate.predictions import read_predictions
from support.annotations import write

SPAN = '{"start": "00:02", "end": "00:06"}'


def row(id, response, kind="", *, correct="A", options=None, group="g", scenario=None, **more) -> dict:
    return {
        "id": id,
        "video": f"{id}.mp4",
        "scenario": scenario or id,
        "question": "Q?",
        "options": options or {},
        "prompt": "Q?",
        "response": response,
        "answer": None,
        "correct": correct,
        "is_correct": False,
        "probabilities": None,
        "group": group,
        "phase": "full_video",
        **({"kind": kind} if kind else {}),
        **more,
    }


def letter(id, response, **more) -> dict:
    return row(id, response, options={"A": "Left", "B": "Right"}, **more)


def read(tmp_path, *rows):
    path = write(tmp_path / "p.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
    return read_predictions(path), read_graded(path)


def test_each_kind_is_counted_by_its_own_measure(tmp_path):
    predictions, graded = read(
        tmp_path,
        letter("c1", "A"),
        letter("c2", "B"),
        row("b1", "Yes, it does.", "binary", correct="Yes"),
        row("b2", "No.", "binary", correct="Yes. It does."),
        row("b3", "Maybe", "binary", correct="No"),
        row("i1", '{"start": 4, "end": 8}', "interval", correct=SPAN),
        row("i2", SPAN, "interval", correct=SPAN),
        row("i3", "at 3", "interval", correct=SPAN),
        row("t1", "A box moves to the right.", "text", correct="A box moves to the right."),
        row("t2", "Snow", "text", correct="A box moves to the right."),
    )
    assert [p.id for p in predictions] == ["b1", "b2", "b3", "c1", "c2"]
    accuracy = score(predictions, 200)
    assert (accuracy["total_questions"], accuracy["total_correct"], accuracy["unanswered"]) == (5, 2, 1)
    assert accuracy["chance"] == 0.5
    kinds = score_kinds(predictions, graded, 200)
    assert (kinds["choice"]["accuracy"], kinds["binary"]["accuracy"]) == (0.5, pytest.approx(1 / 3))
    interval = kinds["interval"]
    assert interval["mean_iou"] == pytest.approx((2 / 6 + 1 + 0) / 3) and interval["half"] == pytest.approx(1 / 3)
    assert interval["unread"] == {"no interval": 1} and interval["ci95"][0] < interval["mean_iou"] < interval["ci95"][1]
    each = [caption_scores(text, "A box moves to the right.") for text in ("A box moves to the right.", "Snow")]
    assert kinds["text"]["mean"] == mean_scores(each)
    assert kinds["text"]["score"] == pytest.approx(caption_points(mean_scores(each)))


def test_texts_are_told_apart_by_group(tmp_path):
    reference = "A box moves to the right."
    predictions, graded = read(
        tmp_path,
        letter("c", "A"),
        row("t1", reference, "text", correct=reference, group="open_qa"),
        row("t2", "Snow", "text", correct=reference, group="scene_description"),
    )
    groups = score_kinds(predictions, graded, 100)["text"]["by_group"]
    assert groups["open_qa"]["score"] > 90 > 10 > groups["scene_description"]["score"]
    assert [groups[name]["questions"] for name in ("open_qa", "scene_description")] == [1, 1]


def test_what_could_not_be_asked_is_in_no_mean(tmp_path):
    predictions, graded = read(
        tmp_path,
        letter("c", "A"),
        row("i1", None, "interval", correct=SPAN),
        row("i2", SPAN, "interval", correct=SPAN),
        row("t1", None, "text", correct="A box."),
        row("b1", None, "binary", correct="Yes"),
    )
    kinds = score_kinds(predictions, graded, 100)
    assert kinds["interval"]["mean_iou"] == 1 and kinds["interval"]["not_asked"] == 1
    assert "text" not in kinds and "binary" not in kinds
    assert score(predictions, 100)["total_questions"] == 1


def test_a_run_of_letters_alone_has_no_kinds(tmp_path):
    """Accuracies of runs without such data stay as they are."""
    predictions, graded = read(tmp_path, letter("c", "A"), row("o", "a word", correct="a word"))
    assert score_kinds(predictions, graded, 100) is None and reasoning_use(predictions, graded) is None


def test_references_without_length_are_counted(tmp_path):
    point = '{"start": "00:02", "end": "00:02"}'
    predictions, graded = read(tmp_path, letter("c", "A"), row("i", point, "interval", correct=point))
    interval = score_kinds(predictions, graded, 100)["interval"]
    assert (interval["mean_iou"], interval["without_length"]) == (0, 1)


def test_broken_reasoning_is_unread_in_every_kind_and_counted(tmp_path):
    """The right answer stands in each response: one that isn't said as it should be counts nothing."""

    def reasoned(id, response, *args, **more):
        return row(id, response, *args, **more, with_reasoning=True)

    options = {"A": "Left", "B": "Right"}
    predictions, graded = read(
        tmp_path,
        reasoned("c1", reasoned_text("It is B?", "A"), options=options),
        reasoned("c2", "<think>It is A</think> A", options=options),
        reasoned("c3", "A", options=options),
        reasoned("c4", None, options=options),
        reasoned("b1", "<think>hm</think><answer>Yes", "binary", correct="Yes"),
        reasoned("i1", reasoned_text("Early.", SPAN), "interval", correct=SPAN),
        reasoned(
            "i2", f"<think>Early.</think><answer>{SPAN}</answer><answer>{SPAN}</answer>", "interval", correct=SPAN
        ),
        reasoned("t1", "<think>A box", "text", correct="A box"),
    )
    assert {p.id: p.rule for p in predictions} == {
        "c1": "alone",
        "c2": "no answer",
        "c3": "no tags",
        "c4": "not asked",
        "b1": "answer cut off",
    }
    accuracy = score(predictions, 100)
    assert (accuracy["total_correct"], accuracy["unanswered"], accuracy["not_asked"]) == (1, 3, 1)
    kinds = score_kinds(predictions, graded, 100)
    assert kinds["interval"]["mean_iou"] == 0.5 and kinds["interval"]["unread"] == {"several answers": 1}
    assert kinds["text"]["score"] == 0 and kinds["text"]["unread"] == {"reasoning not closed": 1}
    mistakes = {"no tags": 1, "reasoning not closed": 1, "no answer": 1, "answer cut off": 1, "several answers": 1}
    assert reasoning_use(predictions, graded) == {"responses": 7, "well_formed": 2, "mistakes": mistakes}


def test_reasoning_is_no_part_of_a_text_that_is_scored(tmp_path):
    text = "A box moves to the right."
    response = reasoned_text("Long and other words", text)
    predictions, graded = read(
        tmp_path, letter("c", "A"), row("t", response, "text", correct=text, with_reasoning=True)
    )
    assert graded[0].answer == text and score_kinds(predictions, graded, 100)["text"]["score"] > 95


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "number"}, "kind, with_reasoning: expected a kind of answer"),
        ({"with_reasoning": "yes"}, "kind, with_reasoning: expected a kind of answer, and true or false"),
        ({"kind": "binary", "correct": "Perhaps"}, "correct: expected the binary answer"),
        ({"kind": "interval", "correct": "3 to 4"}, "correct: expected the interval answer"),
    ],
)
def test_a_row_of_another_kind_is_refused(change, problem, tmp_path):
    with pytest.raises(ValueError, match=f"line 1: {problem}"):
        read(tmp_path, row("x", "Yes", correct="Yes") | change)
