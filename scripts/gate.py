#!/usr/bin/env python3
"""The gate: is a quantized checkpoint non-inferior to the epoch it was made from?

Both answered the same questions. The difference of their accuracies is resampled over scenarios; a precision passes
when the one-sided 95% bound of what it lost stays within max_accuracy_drop. The verdict is written either way, with
exit code 0: the deploy files depend on it, not this program.
"""

import argparse
from pathlib import Path

from roadtrain import cli
from roadtrain.evaluate import statistics
from roadtrain.evaluate.predictions import Prediction, read_predictions
from roadtrain.files import read_json, write_json
from roadtrain.spec.arguments import add_section
from roadtrain.spec.quantize import Quantize


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--best", required=True, help="best.json: the epoch that was quantized")
    parser.add_argument("--baseline", required=True, nargs="+", help="predictions of every epoch; the best's are taken")
    parser.add_argument("--quantized", nargs="+", default=[], help="predictions of each quantized checkpoint")
    add_section(parser, "quantize", Quantize)
    parser.add_argument("--output", required=True, help="gate.json")
    args = parser.parse_args()

    margin = args.quantize.max_accuracy_drop
    best = read_json(args.best)["checkpoint"]
    paths = {Path(path).stem: path for path in args.baseline}
    if best not in paths:
        raise ValueError(f"{args.best}: the best checkpoint is {best}, but --baseline has only {', '.join(paths)}")
    baseline = read_predictions(paths[best])
    verdicts = {}
    for path in args.quantized:
        precision = Path(path).stem
        verdicts[precision] = verdict(baseline, read_predictions(path), margin, paths[best], path)
        print(f"{precision}: {verdicts[precision]['in_words']}")
    write_json(args.output, {"baseline": best, "max_accuracy_drop": margin, "precisions": verdicts})


def verdict(baseline: list[Prediction], quantized: list[Prediction], margin: float, *files: str) -> dict:
    """Raises ValueError when the two didn't answer the same questions."""
    if [p.id for p in baseline] != [p.id for p in quantized]:
        odd = sorted({p.id for p in baseline} ^ {p.id for p in quantized})
        raise ValueError(
            f"{files[1]}: not the questions of {files[0]} (first difference: {odd[0]}): evaluate both again"
        )
    before, after = ([p.is_correct for p in ps] for ps in (baseline, quantized))
    test = statistics.non_inferiority(before, after, [p.scenario for p in baseline], margin)
    accuracy = {"baseline_accuracy": sum(before) / len(before), "accuracy": sum(after) / len(after)}
    words = (
        f"accuracy {accuracy['accuracy']:.4f} against {accuracy['baseline_accuracy']:.4f}"
        f" ({test.difference:+.4f}, at worst {test.lower_bound:+.4f} with 95% confidence;"
        f" {margin:.4f} may be lost): {'passed' if test.non_inferior else 'FAILED'}"
    )
    return {
        "passed": test.non_inferior,
        "in_words": words,
        **accuracy,
        "difference": test.difference,
        "lower_bound": test.lower_bound,
        "questions": test.questions,
        "scenarios": test.scenarios,
        "changed_to_wrong": sum(b and not a for b, a in zip(before, after)),
        "changed_to_right": sum(a and not b for b, a in zip(before, after)),
    }


if __name__ == "__main__":
    main()
