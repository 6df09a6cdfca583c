#!/usr/bin/env python3
"""Compare every pair of checkpoints and ablations over the questions that both answered.

Input: the run's spec.json, and through it every predictions file. Output (JSON): method, and pairs: for each the
difference with its interval (bootstrap over scenarios), McNemar's tests, p over scenarios, p corrected for the number
of pairs, significant, and the finding in words. Where checkpoints wrote captions, captions: the same pairs by the challenge's
caption score and by S2. With `repeat` in the spec, repeats: mean and spread over the seeds, and comparisons of these means.

    python scripts/compare.py --spec results/sample/spec.json --output comparisons.json
"""

import argparse

from roadtrain import cli
from roadtrain.files import write_json
from roadtrain.results.caption_comparisons import compare_captions
from roadtrain.results.comparisons import all_pairs, compare, pairs_within
from roadtrain.results.reader import Results
from roadtrain.results.repeats import compare_repeats
from roadtrain.spec.arguments import add_section
from roadtrain.spec.evaluate import Evaluate


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="results/<run>/spec.json")
    add_section(parser, "evaluate", Evaluate)
    parser.add_argument("--output", required=True, help="results/<run>/comparisons.json")
    args = parser.parse_args()

    results = Results.load(args.spec)
    predictions, samples = results.predictions(), args.evaluate.bootstrap_samples
    pairs = (pairs_within if results.groups else all_pairs)(list(predictions))
    comparisons = compare(predictions, samples, pairs)
    if results.has_captions and (of_captions := compare_captions(results.captions(), pairs, samples)):
        comparisons["captions"] = of_captions
    if results.groups:
        groups = {name: [run.name for run in runs] for name, runs in results.groups.items()}
        best = {ablation.name: ablation.best["checkpoint"] for ablation in results.ablations}
        comparisons["repeats"] = compare_repeats(predictions, groups, best, samples)
    write_json(args.output, comparisons)
    significant = sum(pair["significant"] for pair in comparisons["pairs"])
    print(f"{len(comparisons['pairs'])} pairs, {significant} differ significantly")


if __name__ == "__main__":
    main()
