#!/usr/bin/env python3
"""Accuracy of one checkpoint, from its predictions alone: no model, no video.

Output (JSON): total_questions, total_correct, accuracy (robust parse), accuracy_first_capital (the recipe's parse),
unanswered, chance (of guessing), ci95 (bootstrap over scenarios), by_question, by_type, by_camera, interval (how ci95 was computed),
calibration (where the predictions carry probabilities), and
computed_from (model, checkpoint, checkpoint_sha256, vision, spec_hash, software).
"""

import argparse

from roadtrain import cli
from roadtrain.evaluate.accuracy import score
from roadtrain.evaluate.predictions import read_predictions
from roadtrain.files import read_json, write_json
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

    result = score(read_predictions(args.predictions), args.evaluate.bootstrap_samples)
    result["computed_from"] = computed_from(args.source, args.spec_hash)
    write_json(args.accuracy, result)
    low, high = result["ci95"]
    print(
        f"{result['computed_from']['checkpoint']}: {result['accuracy']:.4f} ({low:.4f} to {high:.4f}) "
        f"of {result['total_questions']} questions, {result['unanswered']} unanswered"
    )


def computed_from(path: str, spec_hash: str) -> dict:
    """The source file's keys with the spec's hash. Raises ValueError when one that we promise is missing."""
    source = read_json(path)
    for key in ("model", "checkpoint", "checkpoint_sha256", "vision", "software"):
        if not isinstance(source, dict) or key not in source:
            raise ValueError(f"{path}: key {key} is missing; evaluate the checkpoint again")
    return source | {"spec_hash": spec_hash}


if __name__ == "__main__":
    main()
