#!/usr/bin/env python3
"""Predictions on WTS's public test -> the AI City challenge's JSON: [{"id": <question>, "correct": "a"}, ..].

A question about several cameras was asked about each: they vote, a tie going to the option that came first, or with
--cameras probabilities the letters' probabilities are summed over them, whatever each said. The order is that of the
questions. Refused: predictions that are missing, unknown or there twice, and letters that the question doesn't have. The
format is that of the official evaluation (woven-visionai/wts-dataset,
eval-metrics-AIC-Track2_VQA): ids as in the test file, lower-case letters; what is missing counts as wrong.

    python scripts/make_submission.py --llava test.llava.json --predictions best.jsonl --output submission.json
"""

import argparse

from roadtrain import cli
from roadtrain.evaluate.submission import count_votes, make_submission, merged_in_words
from roadtrain.files import write_json
from roadtrain.spec.arguments import add_key
from roadtrain.spec.evaluate import Evaluate


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
    add_key(parser, Evaluate, "cameras")
    args = parser.parse_args()
    ballots = count_votes(args.llava, args.predictions, args.cameras)
    submission = make_submission(ballots, guess=args.unanswered == "first")
    write_json(args.output, submission)
    silent = sum(ballot.winner is None for ballot in ballots.values())
    print(
        f"{args.output}: {len(submission)} of {len(ballots)} questions; {silent} without an answer; {merged_in_words(ballots)}"
    )


if __name__ == "__main__":
    main()
