"""Accuracy and loss in the form that `dvc metrics` and `dvc plots` read: small, flat, without per-question detail."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from roadtrain.files import write_json, write_text
from roadtrain.results.reader import AblationResults, Results

STEP_KEYS = ("step", "epoch", "loss", "learning_rate")  # of a training log's line


class CheckpointMetrics(TypedDict):
    """What `dvc metrics` shows of a checkpoint."""

    accuracy: float
    accuracy_first_capital: float
    unanswered: int


def write_metrics(results: Results, directory: Path) -> None:
    """metrics.json ({ablation: {checkpoint: metrics, training: its size where it is a share}}), accuracy/<ablation>.csv and loss/<ablation>.csv."""
    for ablation in results.ablations:
        _write_csv(directory / f"accuracy/{ablation.name}.csv", epoch_rows(ablation))
        _write_csv(directory / f"loss/{ablation.name}.csv", step_rows(ablation))
    write_json(
        directory / "metrics.json", {a.name: checkpoint_metrics(a) | training_metrics(a) for a in results.ablations}
    )


def checkpoint_metrics(ablation: AblationResults) -> dict[str, CheckpointMetrics]:
    """{checkpoint or baseline: its numbers}, in the order of the tables."""
    metrics: dict[str, CheckpointMetrics] = {}
    for checkpoint in (*ablation.results.baselines, *ablation.checkpoints):
        accuracy = ablation.accuracy(checkpoint)
        metrics[checkpoint] = {
            "accuracy": accuracy["accuracy"],
            "accuracy_first_capital": accuracy["accuracy_first_capital"],
            "unanswered": accuracy["unanswered"],
        }
    return metrics


def training_metrics(ablation: AblationResults) -> dict[str, dict[str, float]]:
    """What it was trained on, where that isn't all training scenarios."""
    part = ablation.training_set
    if part is None:
        return {}
    numbers = {key: part[key]["trained"] for key in ("scenarios", "videos", "questions")}
    return {"training": {"share": part["share"], **numbers}}


def epoch_rows(ablation: AblationResults) -> list[dict[str, Any]]:
    """A row an epoch, 0 is zero-shot, with the 95% interval; a quantized checkpoint is not one."""
    rows = []
    for epoch, checkpoint in enumerate(ablation.unquantized):
        accuracy = ablation.accuracy(checkpoint)
        low, high = accuracy["ci95"]
        rows.append({"epoch": epoch, "accuracy": accuracy["accuracy"], "low": low, "high": high})
    return rows


def step_rows(ablation: AblationResults) -> list[dict[str, Any]]:
    """A row an optimizer step."""
    return [{key: line[key] for key in STEP_KEYS} for line in ablation.train_log]


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
