"""What letter a response means: as a person would read it, and as the recipe does."""

import pytest

from roadtrain.evaluate.answers import first_capital

OPTIONS = {"A": "Clear", "B": "Rainy", "C": "One side", "D": "Both sides"}
MEANS = {
    "B": "B",
    "b": "B",
    " B ": "B",
    "B.": "B",
    "(b)": "B",
    "(B)": "B",
    "b)": "B",
    "[B]": "B",
    "**B**": "B",
    "B:": "B",
    "Option B": "B",
    "The answer is B": "B",
    "The answer is (b).": "B",
    "Answer: C": "C",
    "answer is option d": "D",
    "I choose A": "A",
    "B: Rainy": "B",
    "B. Rainy": "B",
    "(B) Rainy": "B",
    "The correct option is B, Rainy.": "B",
    "Rainy": "B",
    "rainy.": "B",
    "It is rainy in this video": "B",
    "both sides": "D",
    "On one side only": "C",
    "<think>A or C? Clear..</think>B": "B",
    "Looking at it, (C) fits": "C",
    "(B), as a wiper moves": "B",
    "The answer is B, C is wrong": "B",
    "B, A person walks": "B",
    "B) and nothing else": "B",
    "(A) Clear. I am sure: (A)": "A",
    "It must be B then": "B",
    # nothing, or more than one
    "": None,
    "E": None,
    "Z.": None,
    "I don't know": None,
    "A or B": None,
    "Clear or rainy": None,
    "A: Rainy": None,
    "The answer is A. The answer is B.": None,
    "A person walks": None,
    "(A) or (B)": None,
    "(A) and (C)": None,
    "A, B": None,
    "A/B": None,
    "[A] [B]": None,
    "A) or B)": None,
    "The answer is A or B": None,
    "A: Clear or B: Rainy": None,
    "<think>B": None,
    "?": None,
}


@pytest.mark.parametrize("response, letter", MEANS.items())
def test_parse(response, letter):
    assert parse_answer(response, OPTIONS) == letter


def test_letters_that_are_not_offered_do_not_count():
    assert parse_answer("C", {"A": "Yes", "B": "No"}) is None
    assert parse_answer("The answer is D", {"A": "Yes", "B": "No"}) is None


@pytest.mark.parametrize(
    "response, words", [(" Red \n", "Red"), ("<think>Hm</think>No.", "No."), ("A", "A"), (" ", None)]
)
def test_an_open_answer_is_its_text(response, words):
    assert parse_answer(response, {}) == words


@pytest.mark.parametrize(
    "response, letter", [("The answer is B", "T"), ("Answer: C", "A"), ("b", ""), ("(B)", "B"), ("", "")]
)
def test_the_recipes_parse(response, letter):
    """Its defects, kept for comparison."""
    assert first_capital(response) == letter
