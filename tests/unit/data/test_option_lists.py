"""Options of LLaVA prompts: one grammar; what it can't decide is open, counted and shown. Data are never parsed back."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadtrain.data.audit_table import audit_table
from roadtrain.data.convert import Rules
from roadtrain.data.llava import read_questions
from roadtrain.data.option_lists import read_option_list
from roadtrain.data.sources.base import Malformed
from roadtrain.markup import markdown_text
from support.annotations import write
from support.conversion import convert_tree

XY = {"A": "x", "B": "y"}
LISTS = [  # (prompt, options, the question)
    ("What? \n A: x \n B: y \n ", XY, "What?"),
    ("What?\nA: x\nB: y\nAnswer with the option's letter.", XY, "What?"),
    ("What?\nA. x\nB. y", XY, "What?"),
    ("What?\nA) x\nB) y", XY, "What?"),
    ("What?\n(A) x\n(B) y", XY, "What?"),
    ("What?\n[A] x\n[B] y", XY, "What?"),
    ("What?\n**A.** x\n**B.** y", XY, "What?"),
    ("What?\n**A**: x\n**B**: y", XY, "What?"),
    ("What?\n- A: x\n- B: y", XY, "What?"),
    ("What?\n  * (A) x\n  * (B) y", XY, "What?"),
    ("What?\r\nA. x\r\n\r\nB. y\r\n", XY, "What?"),
    ("什么？\nＡ：x\nＢ：y", XY, "什么？"),
    ("什么？\n（A）x\n（B）y", XY, "什么？"),
    ("什么？\nA、x\nB、y", XY, "什么？"),
    ("什么？\nA．x\nB．y", XY, "什么？"),
    ("What?\nA: x: z\nB: y\nC: A: w", {"A": "x: z", "B": "y", "C": "A: w"}, "What?"),
    ("What? A. x B. y", XY, "What?"),
    ("What? A: x, B: y", XY, "What?"),
    ("Choose: (A) x (B) y", XY, "Choose:"),
    ("Look.\nWhat?\n(A) x (B) y", XY, "Look. What?"),
    # prose that looks like a list stands before
    ("Q: What?\nA: x\nB: y", XY, "Q: What?"),
    ("D: a note\nWhat?\nA: x\nB: y", XY, "D: a note What?"),
    ("D: a note\nA: x\nB: y", XY, "D: a note"),
    ('A sign says "A: stop".\nWhat?\nA. x\nB. y', XY, 'A sign says "A: stop". What?'),
    ("A: Hello.\nB: Hi!\nWhat did they say?\nA: x\nB: y", XY, "A: Hello. B: Hi! What did they say?"),
    ("What does sign A. mean?\nA. x\nB. y", XY, "What does sign A. mean?"),
    ("Is it A. or B.?\nA. x\nB. y", XY, "Is it A. or B.?"),
]
OPEN = [
    "Describe it.",
    "Note\nA: only one",
    "What does sign A. mean?",
    "Q: What colour?\nA:",
    "Read: 'A: stop'.",
    "a.m. or p.m.?",
]
DOUBTFUL = [
    ("A: Hello.\nB: Hi!\nWho spoke first?", "A question follows".lower()),
    ("What?\nB: x\nC: y", "B and C are marked"),
    ("What?\nA: x\nC: y", "A and C are marked"),
    ("What?\nA: x\nB: y\nD: z", "A and B are marked"),
    ("What?\nA: x\nB: y\nNote this.\nC: z", "a line that is marked like an option follows"),
    ("What?\nA: x\nB) y", "A and B are marked"),
    ("What?\nA: a long text\nthat goes on\nB: y", "A and B are marked"),
    ("What?\nA: one\nB: two\nA: x\nB: y", "two lists"),
    ("What?\nA. x B. y\nC. z D. w", "are marked"),
    ("What?\nA.\nB.", "A and B are marked"),
    ("What?\na) x\nb) y", "A and B are marked"),
    ("Which is taller, A. Smith or B. Jones?", "A and B are marked"),
    ("Is it (A) red or (B) green?", "A and B are marked"),
    ("Which letters: A. and B. stand there?", "A and B are marked"),
]  # fmt: skip


@pytest.mark.parametrize(("prompt", "options", "question"), LISTS)
def test_a_list_of_every_style_is_read(prompt, options, question):
    reading = read_option_list(prompt)
    assert (reading.options, reading.question, reading.doubt) == (options, question, "")


@pytest.mark.parametrize("prompt", OPEN)
def test_a_question_without_a_list_is_open(prompt):
    reading = read_option_list(prompt, "Stop")
    assert (reading.options, reading.doubt) == ({}, "")


@pytest.mark.parametrize(("prompt", "says"), DOUBTFUL)
def test_what_can_be_read_in_two_ways_is_open_and_doubtful(prompt, says):
    reading = read_option_list(prompt)
    assert reading.options == {} and says in reading.doubt


@pytest.mark.parametrize("answer", ["A", "(B)", "c.", "<answer>A</answer>", "Ａ"])
def test_a_bare_letter_wants_a_list(answer):
    assert "the prompt has no list of options" in read_option_list("What is it?", answer).doubt
    assert read_option_list("What is it?\nA: x\nB: y\nC: z", answer).options


def test_an_answer_that_no_option_of_a_line_means_speaks_against_a_list_in_it():
    prompt = "Compare: A. thaliana B. subtilis"
    assert read_option_list(prompt, "B. subtilis").options == {"A": "thaliana", "B": "subtilis"}
    reading = read_option_list(prompt, "One is a plant")
    assert reading.options == {} and reading.doubt


@pytest.mark.parametrize("piece", [" \t", "\n", "i", "1. ", "a: b ", "①", "- ", "A: ", "(", "_"])
def test_time_grows_with_the_length_of_a_prompt(piece):
    """That of blanks grew with its square. Processor time, whatever else the machine does."""
    prompt = piece * (20_000 // len(piece))
    begin = time.process_time()
    read_option_list(prompt, prompt)
    assert time.process_time() - begin < 5


words = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\n"), max_size=30)


@given(before=st.lists(words, max_size=4), texts=st.lists(st.from_regex(r"[a-z]{3,9}( [a-z]{3,9})?", fullmatch=True), min_size=2, max_size=6, unique=True), style=st.sampled_from(["{}: ", "{}. ", "{}) ", "({}) ", "**{}.** ", "- {}: "]))  # fmt: skip
def test_whatever_stands_before_a_list_it_neither_vanishes_nor_grows(before, texts, style):
    letters = "ABCDEF"[: len(texts)]
    lines = [style.format(letter) + text for letter, text in zip(letters, texts, strict=True)]
    reading = read_option_list("\n".join([*before, "What is it?", *lines]))
    assert reading.options == dict(zip(letters, texts, strict=True)) and not reading.doubt


@given(words.map(lambda line: f"{line}\n") | st.text())
def test_any_text_is_read(prompt):
    reading = read_option_list(prompt, prompt)
    assert len(reading.options) != 1 and not (reading.options and reading.doubt)
    assert list(reading.options) == list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")[: len(reading.options)]


# ------------------------------------------------------------------------------------------------ conversion
def entry(human: str, answer: str, **more) -> dict:
    return {
        "video": "v.mp4",
        "conversations": [{"from": "human", "value": human}, {"from": "gpt", "value": answer}],
    } | more


def converted(folder, *entries, rules=None, source="llava"):
    write(folder / "t.json", list(entries))
    more = {"rules": rules} if rules else {}
    return convert_tree(folder, folder / "out", source=source, files={"train": "t.json", "val": "t.json"}, **more)


def test_the_audit_says_what_was_read_as_what_and_shows_the_doubtful(tmp_path):
    entries, report = converted(
        tmp_path,
        entry("<video>\nWhat?\nA. x\nB. y", "B"),
        entry("<video>\nDescribe it.", "A car."),
        entry("<video>\nWhat is it?", "A"),
        entry("<video>\nIs it A. red or B. green?", "red"),
    )
    counts = report["splits"]["train"]["tasks"]["llava"]
    assert (counts["multiple_choice"], counts["open"], counts["doubtful"]) == (1, 3, 2)
    doubtful = report["splits"]["train"]["doubtful"]
    assert doubtful["total"] == 2
    assert [item["path"] for item in doubtful["listed"]] == [f"[{n}].conversations[0].value" for n in (2, 3)]
    page = audit_table(report)
    assert r"| train | llava | 1 | 3 | 2 | \- |" in page
    place = f"{tmp_path}/t.json [3].conversations[0].value: A and B are marked as options are"
    assert markdown_text(place) in page
    assert [e["options"] for e in entries] == [{"A": "x", "B": "y"}, {}, {}, {}]


def test_options_that_an_entry_has_as_data_are_not_read_out_of_its_prompt(tmp_path):
    human = "<video>\nIs it A. red or B. green?"
    entries, report = converted(
        tmp_path,
        entry(human, "A", question="Which?", options=["red", "green"]),
        entry(human, "green", options={"A": "red", "B": "green"}),
        entry("<video>\nA: Hi.\nB: Hello.\nDescribe it.", "Two greet.", options={}),
    )
    assert [(e["question"], e["options"]) for e in entries] == [
        ("Which?", {"A": "red", "B": "green"}),
        ("Is it A. red or B. green?", {"A": "red", "B": "green"}),
        ("A: Hi.", {}),
    ]
    assert report["splits"]["train"]["doubtful"]["total"] == 0
    assert [q.correct for q in read_questions(tmp_path / "out/train.json")] == ["A", "B", "Two greet."]


def test_every_turn_has_options_of_its_own(tmp_path):
    turns = [("<video>\nWhat?\nA. x\nB. y", "A"), ("Why?", "So."), ("And now? (A) z (B) w", "B")]
    conversation = [
        {"from": who, "value": text} for turn in turns for who, text in zip(("human", "gpt"), turn, strict=True)
    ]
    (value,), report = converted(tmp_path, {"video": "v.mp4", "conversations": conversation})
    assert value["options"] == [XY, {}, {"A": "z", "B": "w"}]
    assert value["question"] == ["What?", "Why?", "And now?"]
    counts = report["splits"]["train"]["tasks"]["llava"]
    assert (counts["entries"], counts["multiple_choice"], counts["open"]) == (1, 2, 1)


@pytest.mark.parametrize(
    ("more", "path", "says"),
    [
        ({"options": {"A": "red"}}, "options", "two options or more"),
        ({"options": {"A": "red", "C": "green"}}, "options", "expected the option B, found 'C'"),
        ({"options": ["red", 3]}, "options.B", "expected the option's text, found 3"),
        ({"options": ["red", "Red "]}, "options", "the options A ('red') and B ('Red ') say the same"),
        ({"options": ["red", "blue"]}, "options", "doesn't show the option 'blue'"),
        ({"options": "red|green"}, "options", "a list, or {letter: text}"),
        ({"options": ["red", "green"], "question": 7}, "question", "found 7"),
        ({"choices": ["red", "green"]}, "choices", "unknown key that would change what is asked"),
        ({"option": ["red", "green"]}, "option", "is 'options' meant?"),
    ],
)
def test_options_that_are_not_what_they_should_be_are_refused_with_their_place(more, path, says, tmp_path):
    with pytest.raises(Malformed) as caught:
        converted(tmp_path, entry("<video>\nIs it red or green?", "red", **more))
    assert caught.value.path == f"[0].{path}" and says in caught.value.expected


def test_a_prompt_whose_options_say_the_same_is_refused(tmp_path):
    with pytest.raises(
        Malformed, match=r"conversations\[0\].value: the options A \('us'\) and B \('US'\) say the same"
    ):
        converted(tmp_path, entry("<video>\nWhere?\nA: us\nB: US", "A"))


def test_pictures_as_options_are_options(tmp_path):
    human = "Which is a car?\nA: <image>\nB: <image>\nAnswer with the letter."
    (value,), _ = converted(
        tmp_path,
        {
            "images": ["a.png", "b.png"],
            "conversations": [{"from": "human", "value": human}, {"from": "gpt", "value": "B"}],
        },
    )
    assert value["options"] == {"A": "<image>", "B": "<image>"}


@pytest.mark.parametrize("question", ["Q: What colour?", "A: Hello.\nB: Hi!\nWho spoke?", "D: late\nWhat?", "What does sign A. mean?"])  # fmt: skip
def test_a_tables_options_come_from_its_columns_whatever_the_question_says(question, tmp_path):
    rows = [{"video": "v.mp4", "question": question, "a": "Red", "b": "Green", "answer": "Green"}]
    entries, report = converted(tmp_path, *rows, source="mcq")
    assert (entries[0]["question"], entries[0]["options"]) == (question, {"A": "Red", "B": "Green"})
    (question_read,) = read_questions(tmp_path / "out/train.json")
    assert (question_read.text, question_read.options, question_read.correct) == (
        question,
        {"A": "Red", "B": "Green"},
        "B",
    )
    counts = report["splits"]["train"]["tasks"]["mcq"]
    assert (counts["multiple_choice"], counts["open"], counts["doubtful"]) == (1, 0, 0)


def test_doubtful_entries_are_counted_in_a_warning(tmp_path):
    from support.programs import run_program

    write(tmp_path / "t.json", [entry("<video>\nWhat?", "A")])
    data = {"source": "llava", "root": str(tmp_path), "files": {"train": "t.json", "val": "t.json"}}
    process = run_program(
        "convert_annotations.py",
        *("--data", json.dumps(data), "--train", tmp_path / "o.json", "--audit", tmp_path / "a.json"),
        *("--check-videos", "none"),
    )
    assert process.returncode == 0, process.stderr
    assert "train: 1 open questions could be meant as multiple choice (audit: doubtful)" in process.stderr


def test_a_reference_that_no_option_means_says_how_to_ask_it_openly(tmp_path):
    with pytest.raises(Malformed, match="options: {} makes it an open question"):
        converted(tmp_path, entry("<video>\nA: Hello.\nB: Hi!\nDescribe it.", "Two people greet."))
    _, report = converted(
        tmp_path,
        entry("<video>\nWhat?", "It."),
        entry("<video>\nA: x\nB: y", "neither"),
        rules=Rules(check="none", on_bad_question="skip"),
    )
    assert report["splits"]["train"]["left_out"]["total"] == 1
