"""What letter an answer means: as a person would read it, alike for every letter."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadtrain.data.answers import RULES, UNREAD, read_answer

OPTIONS = {"A": "Clear", "B": "Rainy", "C": "One side", "D": "Both sides"}
# Forms in which public models answer, X for the letter and ¶ for its option's text: {form: the rule that reads it}.
FORMS = {
    "X": "alone",
    " X \n": "alone",
    "X.": "alone",
    "X)": "alone",
    "(X)": "alone",
    "[X]": "alone",
    "{X}": "alone",
    '"X"': "alone",
    "'X'": "alone",
    "“X”": "alone",
    "‘X’": "alone",
    "「X」": "alone",
    "【X】": "alone",
    "**X**": "alone",
    "*X*": "alone",
    "`X`": "alone",
    "```X```": "alone",
    "```\nX\n```": "alone",
    "# X": "alone",
    "X:": "alone",
    "X?": "alone",
    "X!": "alone",
    "X;": "alone",
    "X。": "alone",
    "X、": "alone",
    "X，": "alone",
    "（X）": "alone",
    "Option X": "alone",
    "option (X)": "alone",
    "Answer X.": "alone",
    "选X": "alone",
    "选项X": "alone",
    "X<|im_end|>": "alone",
    "X</s>": "alone",
    "<answer>X</answer>": "tag",
    "<answer>\nX\n</answer>": "tag",
    "<answer> X: ¶ </answer>": "tag",
    "<answer>(X)</answer>": "tag",
    "<answer>X": "tag",
    "<think>Is it A, B or C?</think>\n\n<answer>X</answer>": "tag",
    "The video is clear. <answer>X. ¶</answer>": "tag",
    "\\boxed{X}": "boxed",
    "$\\boxed{X}$": "boxed",
    "\\boxed{\\text{X}}": "boxed",
    "So the answer is \\boxed{X}.": "boxed",
    '{"answer": "X"}': "json",
    '```json\n{"answer": "X"}\n```': "json",
    '{"reasoning": "A hat is seen", "answer": "X: ¶"}': "json",
    "The answer is X": "named",
    "The answer is (X).": "named",
    "The correct answer is X because it fits": "named",
    "The correct option is X, ¶.": "named",
    "Answer: X": "alone",
    "Answer: X. ¶": "named",
    "**Answer:** X. It fits": "named",
    "Answer is: (X)": "named",
    "Final answer: X": "named",
    "Correct: X": "named",
    "The best answer is: X": "named",
    "Based on the video, the answer would be X": "named",
    "I choose X": "named",
    "I pick option X": "named",
    "I think it's X": "named",
    "I think X": "named",
    "It must be X then": "named",
    "Option X is correct": "named",
    "X is the correct answer": "named",
    "答案是X": "named",
    "答案：X": "named",
    "正确答案是X。": "named",
    "应该选择X": "named",
    "正解はXです": "named",
    "答えはX": "named",
    "Xです": "named",
    "X: ¶": "leading",
    "X. ¶": "leading",
    "X) ¶": "leading",
    "(X) ¶": "leading",
    "X - ¶": "leading",
    "X–¶": "leading",
    "X：¶": "leading",
    "**X. ¶**": "leading",
    "X\nThe sky says so": "leading",
    "X\n\nBecause the road is like that": "leading",
    "X, since the road is like that": "leading",
    "X because it is like that": "leading",
    "(X), as a wiper moves": "leading",
    "X, A person walks": "leading",
    "X) and nothing else": "leading",
    "Let me see what is on the road.\nX": "last line",
    "Let me see what is on the road.\n\n**X**": "last line",
    "Step by step, it comes down to this.\nX. ¶": "last line",
    "Looking at it, (X) fits": "marked",
    "Looking at it, **X** fits": "marked",
    "¶": "option text",
    "¶.": "option text",
    "It is ¶ in this video": "option text",
    "One of A or B, I thought.\n</think>\n\nX": "alone",
    "Option A is wrong: drops are visible.\n</think>\n\nX": "alone",
}


def widened(text: str) -> str:
    """ASCII letters in full width, as Chinese and Japanese keyboards write them."""
    return "".join(chr(ord(c) + 0xFEE0) if c in string.ascii_uppercase else c for c in text)


def test_there_are_forms_enough_of_every_rule():
    assert len(FORMS) >= 60 and set(FORMS.values()) == set(RULES)


@pytest.mark.parametrize("form", FORMS)
def test_no_letter_is_read_unlike_another(form):
    """Twenty-six letters with the words of four options: the letter decides nothing about whether it is read."""
    words = dict(zip(string.ascii_uppercase, OPTIONS.values(), strict=False))
    for letter in string.ascii_uppercase:
        options = words | {letter: "Foggy"}
        text = form.replace("X", letter).replace("¶", "Foggy")
        if "think" in form or any(other in form for other in ("A, B", "A or B", "Option A")):
            options = OPTIONS | {letter: "Foggy"}
        assert read_answer(text, options) == (letter, FORMS[form]), text


@pytest.mark.parametrize("form", [form for form in FORMS if not set(form) & set(string.ascii_uppercase) - set("X")])
def test_full_width_letters_are_letters(form):
    for letter in "AIB":
        text = form.replace("X", widened(letter)).replace("¶", "Foggy")
        assert read_answer(text, {"A": "x", "B": "y", "I": "z"} | {letter: "Foggy"}).letter == letter, text


UNREADABLE = {
    "": "none",
    "E": "none",
    "Z.": "none",
    "?": "none",
    "I don't know": "none",
    "A person walks": "none",
    "I see a person": "none",
    "The answer is a car": "none",
    "The answer is not B": "not stated",
    "not Rainy": "not stated",
    "<think>B": "none",
    "A or B": "ambiguous",
    "Clear or rainy": "ambiguous",
    "A: Rainy": "ambiguous",
    "The answer is A. The answer is B.": "ambiguous",
    "(A) or (B)": "ambiguous",
    "(A) and (C)": "ambiguous",
    "A, B": "ambiguous",
    "A/B": "ambiguous",
    "[A] [B]": "ambiguous",
    "A) or B)": "ambiguous",
    "The answer is A or B": "ambiguous",
    "A: Clear or B: Rainy": "ambiguous",
    "It is not A but B": "ambiguous",
    "I would not choose A": "not stated",
    "I don't think it is A": "not stated",
    "I don’t believe the correct option is B.": "not stated",
    "The wrong answer is A": "not stated",
    "The least correct option is A": "not stated",
    "It looks not (A)": "not stated",
    "Unlike (A), it is windy": "not stated",
    "It is hardly rainy": "not stated",
    "The answer is B. Clear": "ambiguous",
    "The answer is (B): Clear": "ambiguous",
    "B (Clear)": "ambiguous",
    "Clear, B": "ambiguous",
    "Clear (B)": "ambiguous",
    "A\nB": "ambiguous",
    "A; B": "ambiguous",
    "B -> C": "ambiguous",
    "B. Actually, C.": "ambiguous",
    "B, wait: A": "ambiguous",
    "A: Clear, B: Rainy, C: One side": "ambiguous",
    "A. Clear\nB. Rainy": "ambiguous",
    "A. Clear\nB. Rainy\nC. One side\nD. Both sides": "ambiguous",
    "A. Clear: no sun\nB. Rainy: drops are seen": "ambiguous",
    "<answer>A</answer> or <answer>B</answer>": "ambiguous",
}


@pytest.mark.parametrize(("text", "why"), UNREADABLE.items())
def test_what_names_none_or_several_is_unread(text, why):
    assert read_answer(text, OPTIONS) == (None, why)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("b", "B"),
        ("(b)", "B"),
        ("the answer is (b).", "B"),
        ("The answer is B, C is wrong", "B"),
        ("The answer is B. Note that A is wrong.", "B"),
        ("I first thought the answer is A.\nFinal answer: B", "B"),
        ("rainy.", "B"),
        ("both sides", "D"),
        ("On one side only", "C"),
        ("(A) Clear. I am sure: (A)", "A"),
        ("<think>A or C? Clear..</think>B", "B"),
        ("A. Clear\nB. Rainy\nC. One side\nD. Both sides\n\nB", "B"),
        ("A. Clear\nB. Rainy\n\nAnswer: B", "B"),
        ("(A) Clear\n(B) Rainy\nThe answer is definitely B", "B"),
        ("The answer to this question is most likely (B).", "B"),
        ("B. It is not A", "B"),
        ("At least I think it's B", "B"),
        ("It's not bright, so the answer is B.", "B"),
        ("If I had to choose, I'd pick B", "B"),
        ("(B) Rainy, not (A) Clear", "B"),
        ("Drops are visible, so it is not Clear.\n</think>\n\n<answer>B</answer>", "B"),
    ],
)
def test_what_a_person_would_read(text, letter):
    assert read_answer(text, OPTIONS).letter == letter


def test_words_that_begin_as_anothers_are_the_longer_options():
    options = {"A": "Left", "B": "Left side"}
    assert read_answer("A. Left side", options) == (None, "ambiguous")
    assert read_answer("B. Left side", options).letter == "B" and read_answer("A. Left", options).letter == "A"


def test_a_full_stop_at_the_end_of_an_option_is_no_part_of_its_words():
    options = {"A": "It is dry.", "B": "It rains."}
    for text in ("It rains", "It rains.", "Here it rains, and hard"):
        assert read_answer(text, options).letter == "B", text


def test_an_option_whose_words_are_a_letter_is_found_by_it():
    assert read_answer("F", {"A": "T", "B": "F"}) == ("B", "option text")
    assert read_answer("B", {"A": "T", "B": "F"}) == ("B", "alone")


def test_letters_that_are_not_offered_do_not_count():
    assert read_answer("C", {"A": "Yes", "B": "No"}).letter is None
    assert read_answer("The answer is D", {"A": "Yes", "B": "No"}).letter is None


@pytest.mark.parametrize(
    ("text", "words"), [(" Red \n", "Red"), ("<think>Hm</think>No.", "No."), ("A", "A"), (" ", None)]
)
def test_an_open_answer_is_its_text(text, words):
    assert read_answer(text, {}).letter == words


@given(st.text(max_size=300), st.sampled_from([{}, OPTIONS, {"A": "", "B": "(", "C": "a\nb"}]))
def test_any_text_is_read_or_not_without_an_error(text, options):
    letter, rule = read_answer(text, options)
    assert rule in (*RULES, *UNREAD, "text") and (letter is None) == (rule in UNREAD)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Yes, there is no obstacle.", "A"),
        ("Yes. No pedestrian is near it", "A"),
        ("There is no doubt: Yes", "A"),
        ("No, the car isn't moving", "B"),
        ("No pedestrian is there", "B"),
        ("Yes and no", None),
    ],
)
def test_yes_and_no_answer_where_they_stand_as_answers(text, letter):
    assert read_answer(text, {"A": "Yes", "B": "No"}).letter == letter


@pytest.mark.parametrize(
    ("text", "letter"), [("There are 2 cars.", "B"), ("It drives at 2.5 m/s", None), ("At 10:2", None), ("12", None)]
)
def test_a_digit_is_no_part_of_another_number(text, letter):
    assert read_answer(text, {"A": "1", "B": "2", "C": "3"}).letter == letter
