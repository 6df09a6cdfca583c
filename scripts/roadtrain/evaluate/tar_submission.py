"""Predictions on TAR's public test -> the AI City challenge's file of Track 3: a CSV with the columns item_index, prediction.

The format is that of the data set's own checker (test/evaluate.py of nvidia/PhysicalAI-Traffic-Anomaly-Reasoning): a row for every
item of the test, each once. It reads a prediction out of a model's words; ours are written as the references are, so that it
reads what was read here, and no word of the reasoning:

    bcq                     Yes, or No
    mcq                     B) the option's words
    temporal_localization   {"start": "00:54", "end": "00:57"}
    the others              the text

What has no answer is `?`, which it reads as none. It reads the file by pandas, to which an empty prediction, and some words
(`None`, `NA`), are a missing value that ends the scoring: a text that is one of these gets a full stop.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from roadtrain.cli import UserError
from roadtrain.data.answer_kinds import GRADED, INTERVAL, Interval, choices_of, read_interval, read_response
from roadtrain.data.question import Question
from roadtrain.evaluate.submission import CameraAnswer
from roadtrain.evaluate.submitted_captions import NAMED

COLUMNS = ["item_index", "prediction"]
NO_ANSWER = "?"
# pandas 3.1, "Working with text data", read_csv: na_values. They are missing values with quotes, too.
MISSING_VALUES = frozenset(
    "|#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null".split("|")
)


class TarSubmission(NamedTuple):
    """What is written, and how many items of it have no answer."""

    predictions: dict[str, str]  # {item_index: prediction}, in the test's order
    unread: int  # responses without an answer
    unasked: int  # items that no response is about


def make_tar_submission(
    items: Mapping[str, str],
    questions: Mapping[str, Question],
    answers: Mapping[str, CameraAnswer],
    *,
    guess: bool = False,
    leave_empty: bool = False,
) -> TarSubmission:
    """`items`: {item_index: task} of the test. `guess`: what has options and no answer gets the first. Raises UserError for
    questions that aren't the test's, and naming items that were not asked, which `leave_empty` submits without an answer."""
    if unknown := [id for id in questions if id not in items]:
        raise UserError(f"{unknown[0]}: no such item in the test's file; convert and ask the test again")
    unasked = [id for id in items if id not in questions or answers[id].unasked]
    if unasked and not leave_empty:
        first = ", ".join(f"{id} ({items[id]})" for id in unasked[:NAMED]) + (", .." if len(unasked) > NAMED else "")
        raise UserError(
            f"{len(unasked)} of {len(items)} items were not asked, and the challenge wants all: {first}; data.tasks leaves tasks out,"
            " audit.json says which videos can't be read, and make_submission.py --missing empty writes the rest"
        )
    predictions = dict.fromkeys(items, NO_ANSWER)
    unread = 0
    for id, question in questions.items():
        words = submitted_words(question, answers[id])
        if words is None and not answers[id].unasked:
            unread += 1
        if words is None and guess:
            words = _of_choice(question, next(iter(choices_of(question.options, question.kind)), None))
        predictions[id] = words or NO_ANSWER
    return TarSubmission(predictions, unread, len(unasked))


def submitted_words(question: Question, answer: CameraAnswer) -> str | None:
    """An answer as the challenge reads it; None where there is none."""
    if answer.response is None:
        return None
    if question.kind not in GRADED:
        return _of_choice(question, answer.letter)
    text = read_response(answer.response, {}, question.kind, answer.with_reasoning).letter
    if not text or not text.strip():
        return None
    if question.kind == INTERVAL:
        interval = read_interval(text)
        return None if isinstance(interval, str) else interval_words(interval)
    text = text.strip()
    return f"{text}." if text in MISSING_VALUES else text


def interval_words(interval: Interval) -> str:
    """As TAR's references are written."""
    start, end = map(_minutes, interval)
    return f'{{"start": "{start}", "end": "{end}"}}'


def tar_csv(predictions: Mapping[str, str]) -> str:
    """The file's text. Every line break in a prediction is \\n: csv writes \\r without quotes, and it ends a row for who reads it."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows((item, re.sub(r"\r\n?", "\n", words)) for item, words in predictions.items())
    return text.getvalue()


def check_tar_submission(path: str | Path, items: Iterable[str]) -> None:
    """Is it what the challenge's checker accepts: its columns, every item once, a prediction each? Raises UserError."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if not rows or rows[0] != COLUMNS:
        raise UserError(
            f"{path}: expected the columns {', '.join(COLUMNS)}, found {', '.join(rows[0]) if rows else 'none'}"
        )
    missing = dict.fromkeys(items)
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(COLUMNS) or row[0] not in missing:
            raise UserError(f"{path}: row {number}: {', '.join(row):.80}: no item of the test, or there twice")
        if row[1].strip() in MISSING_VALUES:
            raise UserError(f"{path}: row {number}: {row[0]}: {row[1]!r} is a missing value to the challenge's checker")
        del missing[row[0]]
    if missing:
        raise UserError(f"{path}: {len(missing)} items are missing, first {next(iter(missing))}")


def _of_choice(question: Question, letter: str | None) -> str | None:
    if letter is None:
        return None
    return f"{letter}) {question.options[letter]}" if question.options else letter


def _minutes(seconds: float) -> str:
    """00:54, 61:04.5."""
    minutes, rest = divmod(round(seconds, 3), 60)
    return (
        f"{int(minutes):02}:{rest:06.3f}".rstrip("0").rstrip(".") if rest % 1 else f"{int(minutes):02}:{int(rest):02}"
    )
