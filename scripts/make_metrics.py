#!/usr/bin/env python3
"""Accuracy and loss in the form that `dvc metrics` and `dvc plots` read: small, flat, without per-question detail.

Inputs, found from the run's spec.json: accuracy of every checkpoint, training logs. Outputs below --output-dir:
metrics.json ({ablation: {checkpoint: {accuracy, accuracy_first_capital, unanswered}}}), accuracy/<ablation>.csv (a row
an epoch, 0 is zero-shot, with the 95% interval) and loss/<ablation>.csv (a row an optimizer step).
"""

import argparse
import csv
import io
from pathlib import Path

from roadtrain import cli
from roadtrain.files import write_json, write_text
from roadtrain.results.run import AblationResults, Results

SHOWN = ("accuracy", "accuracy_first_capital", "unanswered")


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="results/<run>/spec.json")
    parser.add_argument("--output-dir", required=True, type=Path, help="results/<run>/metrics")
    args = parser.parse_args()

    metrics = {}
    for ablation in Results.load(args.spec).ablations:
        scores = {checkpoint: ablation.accuracy(checkpoint) for checkpoint in ablation.checkpoints}
        metrics[ablation.name] = {c: {key: score[key] for key in SHOWN} for c, score in scores.items()}
        write_csv(args.output_dir / f"accuracy/{ablation.name}.csv", over_epochs(ablation, scores))
        write_csv(args.output_dir / f"loss/{ablation.name}.csv", over_steps(ablation))
    write_json(args.output_dir / "metrics.json", metrics)


def over_epochs(ablation: AblationResults, scores: dict[str, dict]) -> list[dict]:
    """A row an epoch; a quantized checkpoint is not one."""
    rows = []
    for epoch, checkpoint in enumerate(["zero_shot", *(f"epoch_{n}" for n in range(1, ablation.epochs + 1))]):
        low, high = scores[checkpoint]["ci95"]
        rows.append({"epoch": epoch, "accuracy": scores[checkpoint]["accuracy"], "low": low, "high": high})
    return rows


def over_steps(ablation: AblationResults) -> list[dict]:
    return [{key: line[key] for key in ("step", "epoch", "loss", "learning_rate")} for line in ablation.train_log]


def write_csv(path: Path, rows: list[dict]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


if __name__ == "__main__":
    main()
