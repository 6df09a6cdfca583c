#!/usr/bin/env python3
"""Draw the paper's figures, each as pdf (vector, fonts embedded) and png.

Inputs, found from the run's spec.json: accuracy, best epochs, train logs, frame indexes, manifests. The files hold no
date: drawing again gives the same bytes.
"""

import argparse

from tqdm import tqdm

from roadtrain import cli
from roadtrain.results.run import Results

NAMES = ["f1_accuracy", "f2_loss", "f3_question_types", "f4_tokens", "f5_calibration"]


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="results/<run>/spec.json")
    parser.add_argument("--output-dir", required=True, help="results/<run>/paper")
    parser.add_argument("--figures", nargs="+", choices=NAMES, default=NAMES, help="which ones (all)")
    args = parser.parse_args()

    results = Results.load(args.spec)
    from roadtrain.paper import figures

    for name in tqdm(args.figures, unit="figure"):
        figures.write(name, results, args.output_dir)


if __name__ == "__main__":
    main()
