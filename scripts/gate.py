#!/usr/bin/env python3
"""The gate: is a quantized checkpoint non-inferior to the epoch it was made from?

Both answered the same questions. A precision passes when two one-sided 95% bounds of what it lost, a bootstrap over
scenarios and an exact one, stay within max_accuracy_drop, over at least min_scenarios; it fails when the bootstrap's
doesn't, and is undecided when only the exact one doesn't, or scenarios are too few. The verdict is written either way,
with exit code 0: the deploy files depend on it, not this program. With --served the verdict is on a server's answers
(evaluate_served.py), and says how many are as offline.

    python scripts/gate.py --best results/sample/nframes8/best.json --baseline results/sample/nframes8/predictions/epoch_2.jsonl \\
        --quantized results/sample/nframes8/predictions/fp8.jsonl --output gate.json
"""

import argparse

from roadtrain import cli
from roadtrain.files import write_json
from roadtrain.quantize.gate import judge_all
from roadtrain.spec.arguments import add_section
from roadtrain.spec.quantize import Quantize


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--best", required=True, help="best.json: the epoch that was quantized")
    parser.add_argument("--baseline", required=True, nargs="+", help="predictions of every epoch; the best's are taken")
    parser.add_argument("--quantized", nargs="+", default=[], help="predictions of each quantized checkpoint")
    parser.add_argument("--served", nargs="+", default=[], help="of these, what vLLM's server answered")
    parser.add_argument("--served-sources", nargs="+", default=[], help="what each of --served was computed from")
    add_section(parser, "quantize", Quantize)
    parser.add_argument("--output", required=True, help="gate.json")
    args = parser.parse_args()

    if len(args.served) != len(args.served_sources):
        parser.error("--served-sources: one for each of --served")
    served = list(zip(args.served, args.served_sources, strict=True))
    gate = judge_all(args.best, args.baseline, args.quantized, args.quantize, served)
    write_json(args.output, gate)
    for precision, verdict in gate["precisions"].items():
        print(f"{precision}: {verdict['in_words']}")


if __name__ == "__main__":
    main()
