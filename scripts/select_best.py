#!/usr/bin/env python3
"""Choose the epoch with the highest validation accuracy (ties: the earlier one).

Output (JSON): checkpoint, epoch, accuracy, manifest (path of its manifest), path (directory of its weights).

    python scripts/select_best.py --accuracy results/sample/nframes8/accuracy/epoch_1.json results/sample/nframes8/accuracy/epoch_2.json \\
        --checkpoints results/sample/nframes8/checkpoints/epoch_1.json results/sample/nframes8/checkpoints/epoch_2.json --output best.json
"""

import argparse

from roadtrain import cli
from roadtrain.evaluate.best import select_best
from roadtrain.files import write_json


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accuracy", required=True, nargs="+", help="accuracy/epoch_<n>.json of every epoch")
    parser.add_argument("--checkpoints", required=True, nargs="+", help="checkpoints/epoch_<n>.json of every epoch")
    parser.add_argument("--output", required=True, help="best.json")
    args = parser.parse_args()

    best = select_best(args.accuracy, args.checkpoints)
    write_json(args.output, best)
    print(f"best: {best['checkpoint']} with {best['accuracy']:.4f}")


if __name__ == "__main__":
    main()
