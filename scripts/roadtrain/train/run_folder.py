"""What a training run leaves on disk, so that it can be killed at any moment.

    weights/<run>/<ablation>/
        fingerprint.json   what the run was started from; when that changes, the run starts over
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
from pathlib import Path

from roadtrain.files import read_json, sha256_file, write_json, write_text
from roadtrain.model.checkpoints import read_manifest, write_manifest
from roadtrain.model.times import note_times
from roadtrain.train.logs import TRAIN_LOG, TRAIN_TIMES

FILES_OF_A_RUN = ("state", "cosmos-rl", TRAIN_LOG, TRAIN_TIMES, "times.json", "fingerprint.json")  # and epoch_<n>


def fingerprint(*files: str | Path, base: str) -> dict[str, str]:
    """What a run is made from: hashes of the TOML, the conversations and the frame index, and the base model's hash."""
    return {Path(file).name: sha256_file(file) for file in files} | {"base": base}


def keep_or_start_over(folder: Path, origin: dict[str, str]) -> None:
    """Keep what is in a run's folder when it was made from the same; otherwise delete it, and say why."""
    marker = folder / "fingerprint.json"
    before = read_json(marker) if marker.exists() else None
    if before == origin:
        return
    if before is not None:
        changed = [name for name in origin if before.get(name) != origin[name]] or ["other files"]
        print(f"{folder}: {', '.join(changed)} changed since it was trained: starting over", file=sys.stderr)
    for path in folder.glob("*"):
        if path.name.startswith("epoch_") or path.name in FILES_OF_A_RUN:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write_json(marker, origin)


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
