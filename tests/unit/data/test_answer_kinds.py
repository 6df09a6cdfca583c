"""Answers of other kinds than letters, and answers after reasoning: what is said is read, and nothing is guessed."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadtrain.data.answer_kinds import Interval, read_interval, read_response, read_yes_no
from roadtrain.data.answer_reasoning import MISTAKES, read_reasoned, reasoned_text
from roadtrain.data.answers import read_answer

WELL_FORMED = {
    "as it is trained": ("<think>a b</think><answer>Yes</answer>", "a b", "Yes"),
    "the template opens it": ("a b</think><answer>Yes</answer>", "a b", "Yes"),
    "line breaks": ("<think>\na\n</think>\n\n<answer>\nYes\n</answer>\n", "a", "Yes"),
    "words beside": ("Well. <think>a</think> So: <answer>No</answer> That is it.", "a", "No"),
    "capitals": ("<THINK>a</Think><Answer>No</ANSWER>", "a", "No"),
    "no reason": ("<think></think><answer>No</answer>", "", "No"),
}


@pytest.mark.parametrize("name", WELL_FORMED)
def test_reasoning_and_answer_are_read_apart(name):
    text, reasoning, answer = WELL_FORMED[name]
    assert read_reasoned(text) == (reasoning, answer, "")


BROKEN = {
    "": "no tags",
    "B": "no tags",
    "<think>a and b and": "reasoning not closed",
    "<answer>B</answer>": "reasoning not closed",
    "<think>a<answer>B</answer>": "reasoning not closed",
    "<think>a<think>b</think><answer>B</answer>": "tags in the reasoning",
    "<think>a<answer>B</answer></think><answer>C</answer>": "tags in the reasoning",
    "<think>a</think>": "no answer",
    "<think>a</think> B": "no answer",
    "<think>a</think><answer>B": "answer cut off",
    "<think>a</think><answer>B</ans": "answer cut off",
    "<think>a</think><answer>": "answer cut off",
    "<think>a</think><answer>B<think>c</answer>": "tags in the answer",
    "<think>a</think><answer><answer>B</answer></answer>": "tags in the answer",
    "<think>a</think><answer>A</answer><answer>B</answer>": "several answers",
    "<think>a</think><answer>B</answer><answer>B</answer>": "several answers",
    "<think>a</think></answer>B": "tags out of order",
    "<think>a</think><answer>B</answer></think>": "tags out of order",
    "<think>a</think><answer> \n</answer>": "empty answer",
}


@pytest.mark.parametrize("text", BROKEN)
def test_a_mistake_has_a_name_and_no_answer(text):
    reading = read_reasoned(text)
    assert (reading.answer, reading.mistake) == (None, BROKEN[text])
    assert read_response(text, {"A": "Red", "B": "Green", "C": "Blue"}, with_reasoning=True) == (None, BROKEN[text])


def test_every_mistake_is_named_in_a_test():
    assert set(BROKEN.values()) == set(MISTAKES)


PLAIN = st.text(st.characters(exclude_characters="<>", exclude_categories=("Cs",)), max_size=60)


@given(PLAIN, PLAIN, st.booleans())
def test_what_is_trained_is_read_back(reasoning, answer, opened):
    reading = read_reasoned(reasoned_text(reasoning, answer, opened))
    expected = (reasoning.strip(), answer.strip(), "") if answer.strip() else (reasoning.strip(), None, "empty answer")
    assert reading == expected


@given(st.lists(st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "B", " "]), max_size=9))
def test_whatever_the_tags_one_answer_or_one_mistake(pieces):
    reading = read_reasoned("".join(pieces))
    assert (reading.answer is None) == (reading.mistake in MISTAKES) and (reading.answer or "B").strip("B ") == ""


def test_the_answer_inside_is_read_by_its_kind():
    options = {"A": "To the left", "B": "To the right"}
    for answer, kind, expected in [
        ("B) To the right", "", "B"),
        ("To the right", "", "B"),
        ("Either", "", None),
        ("No, it rests.", "binary", "No"),
        ('{"start": "00:01", "end": "00:02"}', "interval", '{"start": "00:01", "end": "00:02"}'),
        ("around 00:01", "interval", None),
        ("A box.", "text", "A box."),
    ]:
        text = reasoned_text("It may be A, or Yes.", answer)
        assert read_response(text, options if not kind else {}, kind, with_reasoning=True).letter == expected


YES_NO = {
    **dict.fromkeys(
        ["Yes", "yes.", "**Yes**", "(Yes)", "Yes. A van stops.", "Yes, no car is hit.", "Answer: Yes"], "Yes"
    ),
    **dict.fromkeys(["Yes the van flips", "The answer is yes.", "<answer>Yes</answer>", "Yes. Yes."], "Yes"),
    **dict.fromkeys(["No", "no.", "No, there is none.", "No - it rests", "No\n\nIt rests", "The answer is No."], "No"),
    "<think>Yes?</think>No": "No",
    **dict.fromkeys(["Yes and no", "Yes or No", "Yes/No", "Yes. No.", "yes\nNo", "No; yes."], "ambiguous"),
    **dict.fromkeys(["<answer>Yes</answer><answer>No</answer>", "<answer>Yes</answer><answer>No"], "ambiguous"),
    **dict.fromkeys(["Answer: No-one", "No.1 car stops", "No 'van' stops"], "not stated"),
    **dict.fromkeys(["No, yes", "yes no", "No - yes.", "The answer is no, yes", "Yes (no)"], "ambiguous"),
    **dict.fromkeys(["yes, no doubt", "Yes, yes.", "Yes, no car and no van"], "Yes"),
    **dict.fromkeys(["No vehicle stops.", "The answer is no longer clear", "Not yes", "There is no van"], "not stated"),
    **dict.fromkeys(["", "Nothing", "A", "Noon", "Yesterday"], "none"),
}


@pytest.mark.parametrize("text", YES_NO)
def test_yes_and_no(text):
    reading = read_yes_no(text)
    assert (reading.letter or reading.rule) == YES_NO[text]


INTERVALS = {
    '{"start": "00:54", "end": "00:57"}': Interval(54, 57),
    '{"start": "1:00:05.5", "end": 3606}': Interval(3605.5, 3606),
    'It is this:\n```json\n{"start": "00:01", "end": "00:01"}\n```': Interval(1, 1),
    '[{"start": 1, "end": 2}]': Interval(1, 2),
    '{"start": 1, "end": 2} I repeat: {"start": 1.0, "end": "2"}': Interval(1, 2),
    "": "no interval",
    "00:05 to 00:07": "no interval",
    "{'start': 1, 'end': 2}": "no interval",
    '{"start": 1}': "no interval",
    '{"start": 1, "start": 2, "end": 3}': "no interval",
    '{"start": 1, "end": 2} or {"start": 1, "end": 3}': "several intervals",
    '{"start": "early", "end": 2}': "no time",
    '{"start": true, "end": 2}': "no time",
    '{"start": -1, "end": 2}': "no time",
    '{"start": NaN, "end": 2}': "no time",
    '{"start": "00:75", "end": "01:20"}': "no time",  # 75 seconds, or a minute and a quarter
    '{"start": "00:54", "end": "00:60"}': "no time",
    '{"start": "0:60:00", "end": "1:01:00"}': "no time",
    '{"start": "1:00:60", "end": "1:01:00"}': "no time",
    '{"start": "0:59:59.9", "end": "61:04"}': Interval(3599.9, 3664),  # past the hour without hours
    '{"start": 75, "end": "90"}': Interval(75, 90),
    '```json\n{"start": 1, "end": 2}\n```\nOr: {"start": 1, "end": 3}': "several intervals",
    '{"start": 1, "end": 2}\n```\n{"start": 1, "end": 3}\n```': "several intervals",
    '{"start": 1, "end": 2} is this:\n```\n{"start": "00:01", "end": "00:02"}\n```': Interval(1, 2),
    '{"start": 3, "end": 2}': "backwards",
    '{"start": 3, "end": 2': "no interval",
    '{"start": ' + 50_000 * "[" + ', "end": 2}': "no interval",
}


@pytest.mark.parametrize("text", INTERVALS)
def test_intervals(text):
    assert read_interval(text) == INTERVALS[text]


@pytest.mark.parametrize(
    "piece", ["\n", " ", ".", ". ", "```", "<answer>", "yes ", "no, ", "no/", "answer is ", "{", '{"start": ']
)
def test_a_model_that_repeats_itself_is_read_in_time(piece):
    begin = time.process_time()
    for text in (f"Hm{1500 * piece}x", f"```{1500 * piece}x", f"yes{1500 * piece}x"):
        read_yes_no(text)
        read_interval(text)
    assert time.process_time() - begin < 1


def test_intersection_over_union():
    assert Interval(0, 4).overlap(Interval(2, 6)) == pytest.approx(2 / 6)
    assert Interval(0, 4).overlap(Interval(4, 6)) == 0 == Interval(0, 1).overlap(Interval(5, 6))
    assert Interval(1, 2).overlap(Interval(1, 2)) == 1 and Interval(1, 1).overlap(Interval(1, 1)) == 0


def test_letters_are_read_as_before():
    for text in ("B", "The answer is A.", "<think>A</think>B", ""):
        assert read_response(text, {"A": "Red", "B": "Green"}) == read_answer(text, {"A": "Red", "B": "Green"})
