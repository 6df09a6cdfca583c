#!/usr/bin/env python3
"""Draw the paper's figures, each as pdf (vector, fonts embedded) and png.

Inputs, found from the run's spec.json: accuracy, best epochs, train logs, frame indexes, manifests. The files hold no
date: drawing again gives the same bytes.

    python scripts/make_figures.py --spec results/sample/spec.json --output-dir figures
"""

import argparse

from tqdm import tqdm

from roadtrain import cli
from roadtrain.paper.contents import TITLES
from roadtrain.results.reader import Results


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="results/<run>/spec.json")
    parser.add_argument("--output-dir", required=True, help="results/<run>/paper")
    parser.add_argument("--figures", nargs="+", choices=TITLES, help="which ones (those of the run)")
    args = parser.parse_args()

    results = Results.load(args.spec)
    from roadtrain.paper.figures import (
        figures_of,
        write_figure,
    )  # matplotlib takes longer to import than the arguments to check

    for name in tqdm(args.figures or figures_of(results), unit="figure"):
        write_figure(name, results, args.output_dir)


if __name__ == "__main__":
    main()
