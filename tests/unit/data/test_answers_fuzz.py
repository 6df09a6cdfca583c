"""Whatever a model says: a letter of the options or unread, never an exception, and in a time that grows with its length."""

import random
import time

import pytest

from roadtrain.data.answer_words import folded_text
from roadtrain.data.answers import RULES, UNREAD, read_answer
from roadtrain.evaluate.answers import first_capital
from support.fuzzing import rounds

OPTIONS = [
    {"A": "Clear", "B": "Rainy", "C": "One side", "D": "side"},
    {"A": "Yes", "B": "No"},
    {"A": "(", "B": "\\", "C": "**", "D": "[a-z]+"},
    {"A": "B", "B": "是", "C": "\u0300"},
    {},
]
PIECES = [
    "A",
    "B",
    "I",
    "a",
    "the answer is ",
    "answer",
    " is",
    "option ",
    "not ",
    "One side ",
    "side ",
    "Yes ",
    "or ",
    ", ",
]
PIECES += [
    "<answer>",
    "</answer>",
    "<think>",
    "</think>",
    "<|",
    "|>",
    "\\boxed{",
    "}",
    "{",
    "[",
    "]",
    "(",
    ")",
    "**",
    "```",
    "`",
]
PIECES += [
    '{"answer": ',
    '"',
    ":",
    ".",
    "\n",
    "\r",
    " ",
    "\t",
    "\u2028",
    "\x85",
    "\x00",
    "\x1b[0m",
    "\ud800",
    "答案",
    "是",
    "です",
]
PIECES += [
    "（",
    "Ａ",
    "。",
    "\u0300\u0316",
    "\u202e",
    "🚗",
    "1" * 5000,
    "final answer ",
    "would be",
    "it's ",
    "-",
    "_",
    "\\text{",
    "$",
]
LENGTH = 250_000  # characters; the longest that can be asked for, 4096 tokens, are some 20,000
# Seconds for so many: 2 of a core without AVX-512 were needed at most; what grows with the square of the length takes minutes and more.
LIMIT = 10


def check(text: str, options: dict[str, str]) -> None:
    read = read_answer(text, options)
    assert read.letter is None or (read.letter in options if options else read.letter.strip())
    assert read.rule in (*RULES, *UNREAD, "text") and (read.letter is None) == (read.rule in UNREAD)
    assert len(first_capital(text) or "") <= 1


def test_any_response_is_read_or_unread():
    for seed in rounds(4):
        chance = random.Random(seed)
        alphabet = chance.sample(PIECES, chance.randint(1, 6))
        text = "".join(chance.choice(alphabet) for _ in range(chance.choice([1, 4, 16, 64, 400])))
        start = time.process_time()
        try:
            check(text, chance.choice(OPTIONS))
        except Exception as error:
            raise AssertionError(f"seed {seed}: {text[:200]!r}") from error
        limit = 2 + len(text) / 200_000  # seconds: some texts have a million characters
        assert time.process_time() - start < limit, f"seed {seed}: {text[:200]!r}"


@pytest.mark.parametrize("letter", ["", "A"])
@pytest.mark.parametrize(
    "unit",
    [
        "(",
        "[",
        "{",
        "}",
        " ",
        "\n",
        "\t",
        "*",
        "<",
        "<answer>",
        "<think>",
        "\\boxed{",
        '{"answer":',
        "answer is",
        " is",
        "not side ",
    ],
)
def test_a_quarter_of_a_million_characters_take_a_moment(unit, letter):
    for text in (letter + unit * (LENGTH // len(unit)), f"the answer is{unit * (LENGTH // len(unit))}{letter}"):
        start = time.process_time()
        check(text, OPTIONS[0])
        assert time.process_time() - start < LIMIT


def test_places_in_a_folded_text_are_those_of_the_text():
    for first in range(0, 0x20000, 512):  # some letters fold to several
        text = "".join(map(chr, range(first, first + 512)))
        assert folded_text(text) == "".join(map(folded_text, text)) and len(folded_text(text)) == len(text)


def test_json_that_is_nested_deeply_is_no_answer():
    assert read_answer('{"answer": ' * 100_000 + "1" + "}" * 100_000, OPTIONS[0]).letter is None


def test_white_space_is_white_space():
    assert read_answer("The  answer \t is \u3000\n\n B", OPTIONS[0]).letter == "B"
    assert read_answer("one \n side", {"A": "one  side", "B": "x"}).letter is None  # over two lines it is other words
    assert read_answer("one \t side", {"A": "one  side", "B": "x"}).letter == "A"
