"""Which option a table's row calls right: one reading, or a line that names both."""

import pytest

from support.refusals import refused
from support.tables import lines, row, table

COUNTS = ["0", "1", "2", "3"]


def right(entries) -> list[str]:
    return [entry["conversations"][1]["value"] for entry in entries]


# ------------------------------------------------------------------------------------------------ words or a place
@pytest.mark.parametrize(
    ("options", "answer", "words", "places"),
    [
        (COUNTS, "1", "B", "A"),
        (COUNTS, "0", None, ""),  # the first place from 0 and its words: one option
        (COUNTS, 3, "D", "C"),
        (["1", "2", "3"], "2", "B", "C"),
        (["1", "2", "3"], "3", None, ""),
        (["2", "1"], 1, "B", "A"),
        (["1", "0"], "1", "A", "B"),
    ],
)
def test_a_number_that_is_words_and_the_place_of_another_is_refused(options, answer, words, places, tmp_path):
    if words is None:
        assert right(lines(tmp_path, row(options=options, answer=answer))[0]) == [
            "ABCD"[options.index(str(answer))],
        ]
        return
    line = refused(lines, tmp_path, row(options=options, answer=answer))
    assert line == (
        f"line 1.answer: {str(answer)!r} is the words of the option {words}, and could be the place of {places};"
        " write the letter, or call the column 'answer_text' (words) or 'answer_index' (places from 0)"
    )


@pytest.mark.parametrize(("key", "letter"), [("answer_text", "B"), ("answer_index", "A")])
def test_the_columns_name_says_which(key, letter, tmp_path):
    text = f"video,question,options,{key}\nv.mp4,How many?,1|0|2|3,0\n"
    assert right(table(tmp_path, text)[0]) == [letter]


def test_numbers_that_are_no_place_are_words(tmp_path):
    assert right(lines(tmp_path, row(options=["10", "20"], answer=20))[0]) == ["B"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"answer": 1}, "expected one of A, B or an option's words, found '1'; call the column 'answer_index'"),
        ({"answer_index": 2}, "line 1.answer_index: expected a place from 0 to 1, found '2'"),
        ({"answer_index": "-1"}, "line 1.answer_index: expected a place from 0 to 1, found '-1'"),
        ({"answer_text": "B"}, "line 1.answer_text: expected an option's words, found 'B'"),
        ({"answer": "B", "answer_index": 1}, "line 1.answer_index: stands beside 'answer'; keep one of the two"),
        ({"correct": "B"}, "line 1: key 'answer' is missing; is 'correct' meant? Call it 'answer'"),
        ({}, "line 1: key 'answer' is missing"),
    ],
)
def test_an_answer_that_is_none_is_refused_with_the_remedy(more, says, tmp_path):
    plain = {key: value for key, value in row().items() if key != "answer"}
    assert says in refused(lines, tmp_path, plain | more)


# ------------------------------------------------------------------------------------------------ another column
@pytest.mark.parametrize("key", ["correct", "gt", "label", "ground_truth", "correct_answer", "target"])
@pytest.mark.parametrize("value", ["A", "(a)", "Red", " red. ", "The answer is A"])
def test_a_column_that_says_another_answer_is_refused(key, value, tmp_path):
    line = refused(lines, tmp_path, row() | {key: value})
    assert line == f"line 1.{key}: says {value!r}, and 'answer' says 'B'; keep the right one"


@pytest.mark.parametrize("value", ["B", "Green", 1, "a car", "", None, "true", 17])
def test_a_column_that_says_the_same_or_something_else_is_the_users(value, tmp_path):
    entries, _ = lines(tmp_path, row() | {"label": value})
    assert right(entries) == ["B"]


# ------------------------------------------------------------------------------------------------ options, windows, ids
@pytest.mark.parametrize("options", ["Red|Green;Blue", "Red|Green; Blue", "Red; Green|Blue"])
def test_options_separated_in_two_ways_are_refused(options, tmp_path):
    line = refused(table, tmp_path, f"video,question,options,answer\nv.mp4,What?,{options},Red\n")
    assert line.startswith("line 2.options: separated by | and holds a ; in ") and "give each option a column" in line


@pytest.mark.parametrize("window", [{"end": 0}, {"start": 0, "end": "0"}, {"start": 2, "end": 2}, {"end": "0.0"}])
def test_a_window_without_length_is_refused(window, tmp_path):
    assert "expected end after start, found " in refused(lines, tmp_path, row(**window))


def test_ids_that_differ_by_blanks_are_one(tmp_path):
    assert refused(lines, tmp_path, row(id="a"), row(id="a ")) == "line 2: duplicate id a: the first is at line 1"


# ------------------------------------------------------------------------------------------------ another column
@pytest.mark.parametrize(
    ("rival", "value"),
    [
        ("Correct", "B"),
        ("correct_idx", 1),
        ("label", "B: Green"),
        ("GT", "Green"),
        ("answer_id", "b"),
        ("Label", "b) Green"),
    ],
)
def test_another_column_that_says_another_option_is_refused(rival, value, tmp_path):
    """Whatever its capitals, by letter, place or words; the same said twice is fine."""
    options = ["Red", "Green", "Blue"]
    line = refused(lines, tmp_path, row(options=options, answer="C", **{rival: value}))
    assert line.startswith(f"line 1.{rival}: says ") and "'answer' says 'C'" in line
    (tmp_path / "same").mkdir()
    assert right(lines(tmp_path / "same", row(options=options, answer="B", **{rival: value}))[0]) == ["B"]


@pytest.mark.parametrize("words", [["a: Red", "b: Green"], ["(b) Red", "(a) Green"]])
def test_small_letters_in_front_of_options_are_letters(words, tmp_path):
    assert "letter" in refused(lines, tmp_path, row(options=words, answer="A"))
