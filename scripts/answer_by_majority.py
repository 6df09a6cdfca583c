#!/usr/bin/env python3
"""Answer every validation question with the most frequent right answer of the same question in training.

The baseline of a checkpoint, beside guessing: no model, no video. Inputs: the conversations of both splits. Outputs, in
a checkpoint's own formats: predictions (JSON lines, one a question) and what they were computed from.

    python scripts/answer_by_majority.py --train results/sample/data/train.llava.json --llava results/sample/data/val.llava.json \\
        --predictions majority.jsonl --source majority.source.json
"""

import argparse

from roadtrain import cli
from roadtrain.data.llava import read_questions
from roadtrain.evaluate.majority import MajorityAnswers
from roadtrain.evaluate.predictions import PredictionsSource, prediction_row, write_predictions
from roadtrain.evaluate.replies import Reply
from roadtrain.files import sha256_file, write_json


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True, help="the training conversations, whose answers are counted")
    parser.add_argument("--llava", required=True, help="the questions to answer")
    parser.add_argument("--predictions", required=True)
    parser.add_argument("--source", required=True, help="what the predictions were computed from")
    args = parser.parse_args()

    majority = MajorityAnswers.of(read_questions(args.train))
    questions = list(read_questions(args.llava))
    rows = [prediction_row(question, Reply(majority.answer(question))) for question in questions]
    source: PredictionsSource = {
        "checkpoint": "majority",
        "checkpoint_sha256": sha256_file(args.train),  # all that it knows
        "model": "none",
        "precision": "none",
        "vision": {},
        "llava_sha256": sha256_file(args.llava),
        "frames_sha256": "",
        "system_prompt": "",
        "max_new_tokens": 0,
        "answers": "letters",
        "engine": "none",
        "software": {},
    }
    write_predictions(args.predictions, rows)
    write_json(args.source, source)
    unheard = sum(not majority.has(question) for question in questions)
    print(f"majority: {len(rows)} questions answered; {unheard} of them are not asked in training")


if __name__ == "__main__":
    main()
