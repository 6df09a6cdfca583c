#!/usr/bin/env python3
"""Choose the epoch with the highest validation accuracy (ties: the earlier one).

Output (JSON): checkpoint, epoch, accuracy, manifest (path of its manifest), path (directory of its weights).
"""

import argparse
from pathlib import Path

from roadtrain import cli
from roadtrain.files import read_json, write_json
from roadtrain.model.checkpoints import read_manifest


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accuracy", required=True, nargs="+", help="accuracy/epoch_<n>.json of every epoch")
    parser.add_argument("--checkpoints", required=True, nargs="+", help="checkpoints/epoch_<n>.json of every epoch")
    parser.add_argument("--output", required=True, help="best.json")
    args = parser.parse_args()

    best = select(args.accuracy, args.checkpoints)
    write_json(args.output, best)
    print(f"best: {best['checkpoint']} with {best['accuracy']:.4f}")


def select(accuracy: list[str], checkpoints: list[str]) -> dict:
    """Raises ValueError when an epoch has an accuracy but no manifest, or the other way round."""
    scores = {Path(path).stem: read_json(path)["accuracy"] for path in accuracy}
    manifests = {Path(path).stem: path for path in checkpoints}
    alone = sorted(scores.keys() ^ manifests.keys())
    if alone:
        raise ValueError(f"{alone[0]}: has {'no manifest' if alone[0] in scores else 'no accuracy'}: give both")
    rows = {name: read_manifest(path) for name, path in manifests.items()}
    name = min(rows, key=lambda name: (-scores[name], rows[name]["epoch"]))
    return {
        "checkpoint": name,
        "epoch": rows[name]["epoch"],
        "accuracy": scores[name],
        "manifest": manifests[name],
        "path": rows[name]["path"],
    }


if __name__ == "__main__":
    main()
