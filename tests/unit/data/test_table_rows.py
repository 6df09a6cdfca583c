"""Rows of a table that could mean two things are refused; what can be meant in one way only is read so."""

import json

import pytest

from roadtrain.data.llava import read_questions
from support.refusals import refused
from support.tables import HEAD, ROW, lines, row, table


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"options": ["B", "A"], "answer": "A"},
            "'A' is the letter of the option A ('B') and the words of the option B",
        ),
        ({"options": ["us", "US"], "answer": "US"}, "the options A ('us') and B ('US') say the same"),
        ({"options": ["Red", " red "]}, "say the same"),
        ({"options": ["Red", "Red."]}, "say the same"),
        ({"options": '["Red", "Blue|Green"]'}, "write them without brackets"),
        ({"options": ["Red", "Ｒｅｄ"]}, "say the same"),
        ({"options": ["Red"]}, "expected two options or more"),
        ({"options": {"A": "Red", "C": "Green"}}, "expected the option B"),
        (
            {"options": [True, False], "answer": "A"},
            "expected words for the option A, found True; write it as text, in quotes",
        ),
        ({"options": ["A: Red", "B: Green"]}, "the options have letters of their own"),
        ({"options": ["Red\nC: Blue", "Green"]}, "the option A has a line that reads as the option C"),
        ({"question": "What?\nA: Red\nB: Green"}, "lists the options of this column once more"),
        ({"options": [1.5, 2.5]}, "expected words for the option A, found 1.5; write it as text, in quotes"),
        ({"options": ["x", "\ud800"]}, "half of a surrogate pair"),
        ({"question": True}, "expected the question's text, found True"),
        ({"answer": True}, "expected a letter, or an option's words, found True"),
        ({"scenario": True}, "expected a name or a number, in one line, found True"),
        ({"type": True}, "expected a name or a number, in one line, found True"),
        ({"id": True}, "expected a name or a number, found True"),
        ({"video": True}, "expected the name of a video, found True"),
        ({"answer": "Blue"}, "expected one of A, B or an option's words, found 'Blue'"),
        ({"answer": "A or B"}, "expected one of A, B or an option's words"),
        ({"answer": None}, "key 'answer' is missing; expected a letter, or an option's words"),
        ({"start": "1_0"}, "expected seconds, 0 or more"),
        ({"start": True}, "expected seconds, 0 or more"),
        ({"start": "1,5"}, "write 1.5"),
        ({"start": "0x10"}, "expected seconds"),
        ({"start": 5, "end": 5}, "expected end after start"),
        ({"start_time": 3}, "unknown key"),
        ({"a": "Red"}, "'options' stands beside the options 'a'"),
        ({"type": ["x"]}, "expected a name or a number, in one line"),
        ({"video": "../v.mp4"}, "leads outside the media folder"),
    ],
)
def test_rows_that_could_mean_two_things(tmp_path, change, says):
    rows = (row(), row(**change))
    line = refused(lines, tmp_path, *rows)
    assert line.startswith("line 2") and says in line


@pytest.mark.parametrize(
    ("options", "answer", "says"),
    [
        ("B,A", "A", "line 2.answer: 'A' is the letter of the option A ('B') and the words of the option B"),
        ("us,US", "US", "line 2.options: the options A ('us') and B ('US') say the same"),
        ("Red,Red", "A", "line 2.options: the options A ('Red') and B ('Red') say the same"),
    ],
)
def test_columns_that_could_mean_two_things(tmp_path, options, answer, says):
    assert says in refused(table, tmp_path, f"{HEAD}v.mp4,What?,{options},{answer}\n")


@pytest.mark.parametrize("number", ["9" * 400, "1e999", "NaN", "Infinity"])
def test_numbers_that_are_none(tmp_path, number):
    text = json.dumps(row(start=0)).replace('"start": 0', f'"start": {number}')
    assert refused(lines, tmp_path, text).startswith("line 1.start")
    cells = HEAD.replace("answer", "answer,start") + ROW.replace("\n", f",{number}\n")
    assert refused(table, tmp_path, cells).startswith("line 2.start: expected seconds")


def test_ids_that_are_there_twice(tmp_path):
    line = refused(lines, tmp_path, row(id="x"), row(id="y"), row(id="x"))
    assert "duplicate id x" in line and "line 1" in line and "line 3" in line
    assert "duplicate id" in refused(lines, tmp_path, row(id=1), row(id="1"))
    cells = HEAD.replace("answer", "answer,id") + 2 * ROW.replace("\n", ",7\n")
    assert refused(table, tmp_path, cells) == "line 3: duplicate id 7: the first is at line 2"


def test_a_line_that_reads_as_an_option_is_the_questions(tmp_path):
    """Options are data: no line of the question is one."""
    (entry,), _ = lines(tmp_path, row(question="Q: What?\nE: none"))
    assert (entry["question"], entry["options"]) == ("Q: What?\nE: none", {"A": "Red", "B": "Green"})
    (question,) = read_questions(tmp_path / "out/train.json")
    assert (question.text, question.options) == ("Q: What?\nE: none", {"A": "Red", "B": "Green"})


@pytest.mark.parametrize("answer", ["B", "b", "(B)", "Green", "green", "B: Green", "B. Green"])
def test_forms_of_the_right_answer(tmp_path, answer):
    (entry,), _ = lines(tmp_path, row(answer=answer))
    assert entry["conversations"][1]["value"] == "B"


def test_letters_as_words_in_their_own_places_are_no_matter(tmp_path):
    """Options A: `A`, B: `B`: the letter and the words agree."""
    (entry,), _ = lines(tmp_path, row(options=["A", "B"], answer="B"))
    assert (entry["options"], entry["conversations"][1]["value"]) == ({"A": "A", "B": "B"}, "B")


def test_text_that_reads_as_markup_is_text(tmp_path):
    text = "The <video> tag, <|video_pad|> and {x}?"
    (entry,), _ = lines(tmp_path, row(question=text))
    assert entry["question"] == text
