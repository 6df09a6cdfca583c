#!/usr/bin/env python3
"""Accuracy of one checkpoint, from its predictions alone: no model, no video.

Output (JSON): total_questions, total_correct, accuracy (robust parse), accuracy_first_capital (the recipe's parse),
unanswered, chance (of guessing), ci95 (bootstrap over scenarios), by_question, by_type, by_camera, interval (how ci95 was computed),
calibration (where the predictions carry probabilities), captions (where the split has some: BLEU-4, METEOR, ROUGE-L, CIDEr, the
challenge's score and S2), kinds (where answers are yes or no, spans of time or texts: what each kind is counted by), reasoning
(where responses were to reason first: how many had another form), and
computed_from (model, checkpoint, checkpoint_sha256, vision, spec_hash, software).

    python scripts/score.py --predictions results/sample/nframes8/predictions/epoch_2.jsonl \\
        --source results/sample/nframes8/predictions/epoch_2.source.json --spec-hash 0 --accuracy epoch_2.json
"""

import argparse

from roadtrain import cli
from roadtrain.data.answer_kinds import TEXT
from roadtrain.evaluate.accuracy import Accuracy, computed_from, kinds_in_words, score, unread_warning
from roadtrain.evaluate.caption_metrics import wordless_warning
from roadtrain.evaluate.caption_predictions import read_captions, score_captions, unasked_captions
from roadtrain.evaluate.graded import read_graded, reasoning_use, score_kinds
from roadtrain.evaluate.predictions import read_predictions
from roadtrain.files import write_json
from roadtrain.markup import visible
from roadtrain.spec.arguments import add_section
from roadtrain.spec.evaluate import Evaluate


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", required=True, help="predictions/<checkpoint>.jsonl")
    parser.add_argument("--source", required=True, help="what the predictions were made from (.source.json)")
    parser.add_argument("--spec-hash", required=True, help="hash of the spec of this ablation")
    add_section(parser, "evaluate", Evaluate)
    parser.add_argument("--accuracy", required=True, help="the JSON to write")
    args = parser.parse_args()

    predictions = read_predictions(args.predictions)
    scores = score(predictions, args.evaluate.bootstrap_samples)
    captions = read_captions(args.predictions)
    if captions:
        scores["captions"] = score_captions(captions, predictions, args.evaluate.bootstrap_samples)
    graded = read_graded(args.predictions)
    if kinds := score_kinds(predictions, graded, args.evaluate.bootstrap_samples):
        scores["kinds"] = kinds
    if reasoning := reasoning_use(predictions, graded):
        scores["reasoning"] = reasoning
    accuracy: Accuracy = {**scores, "computed_from": computed_from(args.source, args.spec_hash)}
    write_json(args.accuracy, accuracy)
    low, high = accuracy["ci95"]
    print(
        f"{accuracy['computed_from']['checkpoint']}: {accuracy['accuracy']:.4f} ({low:.4f} to {high:.4f}) "
        f"of {accuracy['total_questions']} questions, {accuracy['unanswered']} unanswered"
    )
    if captions:
        print(
            f"captions: {accuracy['captions']['score']:.2f} of {len(captions)} texts; S2: {accuracy['captions']['s2']:.2f}"
        )
        if unasked := unasked_captions(accuracy["captions"]):
            print(f"warning: {args.predictions}: {unasked}")
    for line in kinds_in_words(accuracy):
        print(line)
    if warning := wordless_warning([c.reference for c in captions] + [p.reference for p in graded if p.kind == TEXT]):
        print(f"warning: {args.predictions}: {warning}")
    if warning := unread_warning(predictions):
        print(f"warning: {args.predictions}: {visible(warning)}")


if __name__ == "__main__":
    main()
