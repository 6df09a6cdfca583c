"""best.json: the epoch with the highest validation accuracy (ties: the earlier one). It is quantized and deployed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from roadtrain.evaluate.accuracy import read_accuracy
from roadtrain.files import read_json
from roadtrain.model.checkpoints import read_manifest


class BestEpoch(TypedDict):
    """best.json: the epoch that is quantized and deployed."""

    checkpoint: str
    epoch: int
    accuracy: float
    manifest: str  # path of its manifest
    path: str  # directory of its weights


def read_best(path: str | Path) -> BestEpoch:
    """Raises ValueError when the file isn't JSON, FileNotFoundError when there is none."""
    best: BestEpoch = read_json(path)
    if not isinstance(best, dict) or not isinstance(best.get("checkpoint"), str):
        raise ValueError(f"{path}: expected an object with the key checkpoint; select the best epoch again")
    return best


def select_best(accuracy_files: Sequence[str], manifest_files: Sequence[str]) -> BestEpoch:
    """Files of every epoch, named after it. Raises ValueError when an epoch has an accuracy but no manifest, or the
    other way round."""
    scores = {Path(file).stem: read_accuracy(file)["accuracy"] for file in accuracy_files}
    files = {Path(file).stem: file for file in manifest_files}
    if alone := sorted(scores.keys() ^ files.keys()):
        raise ValueError(f"{alone[0]}: has {'no manifest' if alone[0] in scores else 'no accuracy'}: give both")
    manifests = {name: read_manifest(file) for name, file in files.items()}
    name = min(manifests, key=lambda name: (-scores[name], manifests[name]["epoch"]))
    return {
        "checkpoint": name,
        "epoch": manifests[name]["epoch"],
        "accuracy": scores[name],
        "manifest": files[name],
        "path": manifests[name]["path"],
    }
