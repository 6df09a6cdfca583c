"""What a training run leaves on disk, so that it can be killed at any moment.

    weights/<run>/<ablation>/
        fingerprint.json   what the run was started from; when that changes, the run starts over
        run.toml           the TOML as it was then (local engine): on other GPUs the same training goes on
        state/             float32 weights and optimizer state after `step` steps, for an exact resume (local engine)
        cosmos-rl/         where cosmos-rl works, until every epoch is there
        train_log.jsonl    one line an optimizer step; lines after `step` are cut off on a resume
        train_times.jsonl  the same for what was measured
        times.json         when and where the last epoch was trained
        epoch_<n>/         complete Hugging Face checkpoint;  epoch_<n>.json its manifest

Everything takes its name when it is whole. The state at an epoch's end is written before the epoch's checkpoint: a
run that is killed in between exports the epoch again instead of training it again.
"""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from roadtrain.files import read_json, sha256_file, write_json, write_text
from roadtrain.model.checkpoints import read_manifest, write_manifest
from roadtrain.model.times import note_times
from roadtrain.train.logs import TRAIN_LOG, TRAIN_TIMES
from roadtrain.train.toml_config import read_train_run

TOML = "run.toml"
FILES_OF_A_RUN = ("state", "cosmos-rl", TRAIN_LOG, TRAIN_TIMES, "times.json", "fingerprint.json", TOML)  # and epoch_<n>


def fingerprint(*files: str | Path, base: str) -> dict[str, str]:
    """What a run is made from: hashes of the TOML, the conversations and the frame index, and the base model's hash."""
    return {Path(file).name: sha256_file(file) for file in files} | {"base": base}


def keep_or_start_over(folder: Path, origin: dict[str, str], toml: Path | None = None) -> None:
    """Keep what is in a run's folder when it was made from the same; otherwise delete it, and say why. `toml`: of an engine
    that resumes on another number of GPUs; one that says only that is the same training."""
    marker, copy = folder / "fingerprint.json", folder / TOML
    before = read_json(marker) if marker.exists() else None
    if before != origin:
        changed = [name for name in origin if before is not None and before.get(name) != origin[name]] or [
            "other files"
        ]
        if toml and before is not None and changed == [toml.name] and copy.exists() and is_same_training(copy, toml):
            print(f"{folder}: the same training on {read_train_run(toml).gpus or 'no'} GPUs: going on", file=sys.stderr)
        else:
            if before is not None:
                print(f"{folder}: {', '.join(changed)} changed since it was trained: starting over", file=sys.stderr)
            for path in folder.glob("*"):
                if path.name.startswith("epoch_") or path.name in FILES_OF_A_RUN:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
    if toml and (before != origin or not copy.exists()):
        write_text(copy, toml.read_text(encoding="utf-8"))
    if before != origin:
        write_json(marker, origin)


def is_same_training(old: Path, new: Path) -> bool:
    """Whether two TOMLs differ in nothing but the GPUs that the work is spread over, how many clips share a pass, and how
    memory is saved: the same questions in the same steps, the same arithmetic but for the order of sums."""
    try:
        runs = [read_train_run(path) for path in (old, new)]
    except ValueError:  # written by another version
        return False
    if any(run.lora and run.lora.dropout for run in runs):  # each rank draws its own
        return False
    same: dict[str, Any] = {
        "source": "",
        "gpus": 0,
        "ranks": 1,
        "mini_batch": 1,
        "gradient_checkpointing": "",
        "state_every_steps": 0,
    }
    first, second = (replace(run, batch_questions=run.batch_questions * run.ranks, **same) for run in runs)
    return first == second


@contextlib.contextmanager
def noting_times(epochs: int, folder: Path, gpus: int) -> Iterator[None]:
    """Notes when and where, once the last epoch is trained; where it was trained before, the note stays as it is."""
    last = folder / f"epoch_{epochs}.json"
    missing = not last.exists()
    yield
    if missing and last.exists():
        note_times(folder / "times.json", gpus)


def publish(epochs: int, folder: Path, manifests: Path, log: Path) -> None:
    """Manifests, log and times take their place among the results."""
    for n in range(1, epochs + 1):
        write_manifest(manifests / f"epoch_{n}.json", read_manifest(folder / f"epoch_{n}.json"))
    write_text(log, (folder / TRAIN_LOG).read_text())
    if (times := folder / "times.json").exists():
        write_text(log.with_name("train.times.json"), times.read_text())
