#!/usr/bin/env python3
"""Accuracy and loss in the form that `dvc metrics` and `dvc plots` read: small, flat, without per-question detail.

Inputs, found from the run's spec.json: accuracy of every checkpoint, training logs. Outputs below --output-dir:
metrics.json ({ablation: {checkpoint: {accuracy, accuracy_first_capital, unanswered}}}), accuracy/<ablation>.csv (a row
an epoch, 0 is zero-shot, with the 95% interval) and loss/<ablation>.csv (a row an optimizer step).

    python scripts/make_metrics.py --spec results/sample/spec.json --output-dir metrics
"""

import argparse
from pathlib import Path

from roadtrain import cli
from roadtrain.results.metrics import write_metrics
from roadtrain.results.reader import Results


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="results/<run>/spec.json")
    parser.add_argument("--output-dir", required=True, type=Path, help="results/<run>/metrics")
    args = parser.parse_args()

    write_metrics(Results.load(args.spec), args.output_dir)


if __name__ == "__main__":
    main()
