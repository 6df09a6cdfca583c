#!/usr/bin/env python3
"""Predictions on a public test -> the AI City challenge's files: of WTS (Track 2), or of TAR (Track 3).

    --output     answers: [{"id": <question>, "correct": "a"}, ..]
    --captions   texts: {"<scenario>": [{"labels": ["0"], "caption_pedestrian": "..", "caption_vehicle": ".."}, ..], ..}
    --merged     CSV: what the cameras of each question and phase said, and what of it was taken

A question about several cameras was asked about each: they vote, a tie going to the option that came first, or with
--cameras probabilities the letters' probabilities are summed over them, whatever each said. A phase's text is that of the
first camera, or with --caption-cameras consensus the one that is most like the others. Which questions and phases there are says
the test itself (--data), not what was converted: one whose videos can't be read has no answer. Refused: predictions that are missing,
unknown or there twice, letters that the question doesn't have, and, where --data asks for the test's captions, a phase
without one. The formats are those of the official evaluation (woven-visionai/wts-dataset, evaluation/).

Where --data has the source tar, --output is a CSV of every item of the test: item_index, prediction (docs/tar.md).

    python scripts/make_submission.py --llava test.llava.json --predictions best.jsonl --output submission.json
"""

import argparse

from roadtrain import cli
from roadtrain.data.llava import read_questions
from roadtrain.data.question import Question
from roadtrain.data.sources.catalog import submitted_caption_tasks
from roadtrain.data.sources.tar import submitted_items
from roadtrain.data.sources.wts_test import submitted_questions
from roadtrain.data.sources.wts_test_captions import submitted_phases
from roadtrain.evaluate.captions import read_caption_submission
from roadtrain.evaluate.merged_cameras import merged_table
from roadtrain.evaluate.submission import (
    CameraAnswer,
    ballots_of,
    make_submission,
    merged_in_words,
    read_answers,
    with_unasked,
)
from roadtrain.evaluate.submitted_captions import Captions, Phase, Texts, make_captions, texts_of
from roadtrain.evaluate.tar_submission import check_tar_submission, make_tar_submission, tar_csv
from roadtrain.files import write_json, write_text
from roadtrain.spec.arguments import add_key, add_section
from roadtrain.spec.data import Data
from roadtrain.spec.evaluate import Evaluate


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llava", required=True, help="the converted test split")
    parser.add_argument("--predictions", required=True, help="JSON lines: id, answer, ..")
    parser.add_argument("--output", required=True, help="the answers to write")
    parser.add_argument("--captions", help="the captions to write, where --data asks for the test's")
    parser.add_argument("--merged", help="the table of what was merged to write (CSV)")
    add_section(parser, "data", Data)
    parser.add_argument(
        "--unanswered",
        choices=["omit", "first"],
        default="omit",
        help=(
            "a question without a readable answer: leave it away (it counts as wrong), or say its first option"
            " (default: omit)"
        ),
    )
    parser.add_argument(
        "--missing",
        choices=["refuse", "empty"],
        default="refuse",
        help="a phase without a text, or an item of TAR that wasn't asked: stop, or submit an empty one, which counts 0"
        " (default: refuse)",
    )
    add_key(parser, Evaluate, "cameras")
    add_key(parser, Evaluate, "caption_cameras")
    return parser.parse_args()


@cli.main
def main() -> None:
    args = arguments()
    questions = {question.id: question for question in read_questions(args.llava)}
    answers = read_answers(args.predictions, questions, args.llava)
    if args.data.source == "tar":
        _write_tar(args, questions, answers)
        return
    ballots = ballots_of(questions, answers, args.cameras, args.llava, args.predictions)
    if args.data.is_wts and args.data.files.test is not None:
        test = submitted_questions(args.data.root, f"{args.data.root}/{args.data.files.test}")
        ballots = with_unasked(ballots, test, args.llava)
    submission = make_submission(ballots, guess=args.unanswered == "first")
    texts = texts_of(questions, answers)
    captions = _captions(args, texts)  # refused before a file is written
    write_json(args.output, submission)
    if args.merged:
        write_text(args.merged, merged_table(ballots, texts, args.caption_cameras))
    silent = sum(ballot.winner is None for ballot in ballots.values())
    print(
        f"{args.output}: {len(submission)} of {len(ballots)} questions; {silent} without an answer; {merged_in_words(ballots)}"
    )
    if captions is not None:
        write_json(args.captions, captions)
        read_caption_submission(args.captions)
        several = [here for here in texts.values() if len(here.candidates) > 1]
        print(
            f"{args.captions}: {2 * sum(map(len, captions.values()))} texts of {len(captions)} scenarios;"
            f" {len(several)} were chosen among several cameras', which differed on {sum(t.is_disputed for t in several)}"
        )


def _write_tar(args: argparse.Namespace, questions: dict[str, Question], answers: dict[str, CameraAnswer]) -> None:
    """Raises UserError, before a file is written."""
    if args.captions or args.merged:
        raise cli.UserError("--captions, --merged: TAR's submission is one file, and nothing of it is merged")
    if args.data.files.test is None:
        raise cli.UserError("--data: files.test is missing: the test's JSON, whose items must all be there")
    items = submitted_items(f"{args.data.root}/{args.data.files.test}")
    submission = make_tar_submission(
        items, questions, answers, guess=args.unanswered == "first", leave_empty=args.missing == "empty"
    )
    write_text(args.output, tar_csv(submission.predictions))
    check_tar_submission(args.output, items)
    print(
        f"{args.output}: {len(items)} items of {len(set(items.values()))} tasks; {submission.unread} responses without an answer,"
        f" {submission.unasked} items not asked"
    )


def _captions(args: argparse.Namespace, texts: dict[Phase, Texts]) -> Captions | None:
    """None where the test has none. Raises UserError."""
    tasks = submitted_caption_tasks(args.data)
    if not tasks:
        if texts or args.captions:
            raise cli.UserError(
                "--data: the test's captions are those of its `tasks` with captions: all; without it there is nothing to check"
                " them against"
            )
        return None
    if not args.captions:
        raise cli.UserError("--captions is missing: the file that the test's captions go to")
    phases = submitted_phases(args.data.root, tasks)
    return make_captions(texts, phases, args.caption_cameras, leave_empty=args.missing == "empty")


if __name__ == "__main__":
    main()
