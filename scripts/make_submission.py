#!/usr/bin/env python3
"""Predictions on WTS's public test -> the AI City challenge's JSON: [{"id": <question>, "correct": "a"}, ..].

A question about several cameras was asked about each: they vote; a tie goes to the option that came first. The
order is that of the questions. Refused: predictions that are missing, unknown or there twice, and letters that
the question doesn't have. The format is that of the official evaluation (woven-visionai/wts-dataset,
eval-metrics-AIC-Track2_VQA): ids as in the test file, lower-case letters; what is missing counts as wrong.

    python scripts/make_submission.py --llava test.llava.json --predictions best.jsonl --output submission.json
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from roadtrain import cli
from roadtrain.data.llava import read_questions
from roadtrain.data.question import Question
from roadtrain.files import write_json


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llava", required=True, help="the converted test split")
    parser.add_argument("--predictions", required=True, help="JSON lines: id, answer, ..")
    parser.add_argument("--output", required=True, help="the submission")
    parser.add_argument(
        "--unanswered",
        choices=["omit", "first"],
        default="omit",
        help=(
            "a question without a readable answer: leave it away (it counts as wrong), or say its first option"
            " (default: omit)"
        ),
    )
    args = parser.parse_args()
    entries = {entry.id: entry for entry in read_questions(args.llava)}
    answers = read_answers(args.predictions, entries, args.llava)
    votes: dict[str, Counter] = {}
    options: dict[str, list[str]] = {}
    for id, entry in entries.items():
        if not entry.options:
            raise cli.UserError(f"{args.llava}: {id}: an open question; a submission has an option's letter for each")
        question = entry.question_id or id
        counter = votes.setdefault(question, Counter())
        options.setdefault(question, list(entry.options))
        if answers[id] is not None:
            counter[answers[id]] += 1  # a Counter keeps the order of first votes: ties go to the earlier
    submission, silent = [], 0
    for question, counter in votes.items():
        silent += not counter
        letter = counter.most_common(1)[0][0] if counter else options[question][0]
        if counter or args.unanswered == "first":
            submission.append({"id": question, "correct": letter.lower()})
    check(submission, options)
    write_json(args.output, submission)
    print(f"{args.output}: {len(submission)} of {len(votes)} questions; {silent} without an answer")


def check(submission: Any, options: dict[str, list[str]]) -> None:
    """Is it what the challenge's evaluation reads: [{"id", "correct"}], each question once, a letter that it has, in
    lower case? Raises UserError naming the item. `options`: {question: its letters, in capitals}."""
    if not isinstance(submission, list):
        raise cli.UserError("a submission is a list")
    seen = set()
    for number, item in enumerate(submission):
        if not isinstance(item, dict) or list(item) != ["id", "correct"]:
            raise cli.UserError(f"[{number}]: expected an object with id and correct, found {item!r}")
        question, letter = item["id"], item["correct"]
        if question not in options or question in seen:
            raise cli.UserError(
                f"[{number}]: {question!r} is {'there twice' if question in seen else 'no question of the test'}"
            )
        if letter not in [option.lower() for option in options[question]]:
            raise cli.UserError(
                f"[{number}]: {question}: {letter!r} isn't one of {', '.join(options[question]).lower()}"
            )
        seen.add(question)


def read_answers(path: str, entries: dict[str, Question], llava: str) -> dict[str, str | None]:
    """{entry: letter or None}. Raises UserError naming the line that doesn't fit the entries."""
    answers: dict[str, str | None] = {}
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
            id, answer = value["id"], value["answer"]
        except (ValueError, KeyError, TypeError):
            raise cli.UserError(f"{path}: line {number}: expected a prediction with id and answer") from None
        if id not in entries:
            raise cli.UserError(
                f"{path}: line {number}: {id} isn't a question of {llava}: predictions of another split?"
            )
        if id in answers:
            raise cli.UserError(f"{path}: line {number}: {id} is there twice")
        if answer is not None and answer not in entries[id].options:
            allowed = ", ".join(entries[id].options)
            raise cli.UserError(f"{path}: line {number}: {id}: the answer {answer!r} isn't one of {allowed}")
        answers[id] = answer
    if missing := [id for id in entries if id not in answers]:
        raise cli.UserError(
            f"{path}: {len(missing)} of {len(entries)} predictions are missing, first {missing[0]}: evaluate the whole split"
        )
    return answers


if __name__ == "__main__":
    main()
