"""Questions as somebody types them: --question, --options, a file of them, the fields of a page."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from roadtrain.cli import UserError
from roadtrain.data.question import Question
from roadtrain.data.sources.base import Malformed
from roadtrain.data.sources.checks import check_options
from roadtrain.data.sources.choices import check_labels
from roadtrain.evaluate.asking import lone_question

BETWEEN = "|"


class QuestionWords(argparse.Action):
    """--question TEXT adds a question, --options "A text|B text" gives the one before it its options. Both go to
    args.questions: a list of [text, options or None]."""

    def __call__(self, parser: argparse.ArgumentParser, args: Any, value: Any, option: str | None = None) -> None:
        questions = args.questions = getattr(args, "questions", None) or []
        if option == "--question":
            questions.append([value, None])
        elif not questions or questions[-1][1] is not None:
            parser.error(f"--options {value!r}: belongs behind its --question, once")
        else:
            questions[-1][1] = value


def question_of(text: str, options: str | None, place: str) -> Question:
    """`options`: texts between |, lettered from A on. Raises UserError naming the place and what is wrong."""
    if not text.strip():
        raise UserError(f"{place}: the question is empty")
    if options is None:
        return lone_question(text)
    texts = [words.strip() for words in options.split(BETWEEN)]
    if not 2 <= len(texts) <= len(ascii_uppercase):
        raise UserError(
            f"{place}: {options!r}: {len(texts)} options: give 2 to {len(ascii_uppercase)}, with | between them"
        )
    if not all(texts):
        raise UserError(f"{place}: {options!r}: an option is empty")
    lettered = dict(zip(ascii_uppercase, texts, strict=False))
    try:
        check_options(lettered, place, "options")
        check_labels(lettered, text, place, "options")
    except Malformed as problem:
        raise UserError(str(problem)) from None
    return lone_question(text, lettered)


def questions_of_words(words: Sequence[Sequence[str | None]]) -> list[Question]:
    """Of what QuestionWords collected."""
    return [
        question_of(text or "", options, "--options" if options is not None else "--question")
        for text, options in words
    ]


def questions_of_file(file: str) -> list[Question]:
    """One a line, its options behind it: `What is the weather? | Sunny | Rainy`; empty lines don't count. Raises UserError
    naming the line."""
    try:
        lines = Path(file).read_text(encoding="utf-8-sig").split("\n")  # U+2028 may stand in a text
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not UTF-8 text: {error.reason}") from None
    questions = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            text, bar, options = line.partition(BETWEEN)
            questions.append(question_of(text, options if bar else None, f"{file}: line {number}"))
    if not questions:
        raise UserError(f"{file}: no question: write one a line")
    return questions
