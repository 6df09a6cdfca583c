"""What a training run leaves on disk, so that it can be killed at any moment.

    weights/<run>/<ablation>/
        fingerprint.json   what the run was started from; when that changes, the run starts over
        state/             float32 weights and optimizer state after `step` steps, for an exact resume
        train_log.jsonl    one line an optimizer step; lines after `step` are cut off on a resume
        epoch_<n>/         complete Hugging Face checkpoint;  epoch_<n>.json its manifest

Everything takes its name when it is whole. The state at an epoch's end is written before the epoch's checkpoint: a
run that is killed in between exports the epoch again instead of training it again.
"""

import contextlib
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from roadtrain.files import read_json, sha256_file, sha256_json, sha256_tree, write_json, write_text


def software(*packages: str) -> dict[str, str]:
    """Versions of what is installed, for manifests."""
    found = {}
    for name in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name).split("+")[0]
    return found


def describe(path: str | Path, **more: Any) -> dict[str, Any]:
    """A checkpoint's manifest: name, path, hash of every file, and `more`."""
    files = sha256_tree(path)
    if not files:
        raise ValueError(f"{path}: no files: not a checkpoint")
    return {
        "checkpoint": Path(path).name,
        "path": Path(path).as_posix(),
        "sha256": sha256_json(files),
        "files": files,
    } | more


def present(manifest: dict[str, Any]) -> Path:
    """The checkpoint's directory. Raises ValueError where only the manifest is, as in a clone without weights."""
    path = Path(manifest["path"])
    if not path.is_dir():
        raise ValueError(
            f"{path}: the checkpoint is missing: fetch it (dvc pull) or delete its manifest to make it again"
        )
    return path


def verify(manifest: dict[str, Any]) -> None:
    """Raises ValueError when a checkpoint's files are not those that its manifest describes."""
    path = present(manifest)
    have = sha256_tree(path)
    wrong = [name for name in manifest["files"] if have.get(name) != manifest["files"][name]]
    if wrong:
        raise ValueError(f"{path / wrong[0]}: differs from the checkpoint's manifest: delete {path} and make it again")


def fingerprint(*files: str | Path, base: str) -> dict[str, str]:
    """What a run is made from: hashes of the TOML, the conversations and the frame index, and the base model."""
    return {Path(f).name: sha256_file(f) for f in files} | {"base": base}


def start(root: Path, wanted: dict[str, str]) -> None:
    """Keep what is in `root` when it was made from the same; otherwise delete it, and say why."""
    marker = root / "fingerprint.json"
    have = read_json(marker) if marker.exists() else None
    if have == wanted:
        return
    if have is not None:
        changed = [name for name in wanted if have.get(name) != wanted[name]] or ["other files"]
        print(f"{root}: {', '.join(changed)} changed since it was trained: starting over", file=sys.stderr)
    for old in root.glob("*"):
        if old.name.startswith("epoch_") or old.name in (
            "state",
            "cosmos-rl",
            "train_log.jsonl",
            "train_times.jsonl",
            "fingerprint.json",
        ):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    write_json(marker, wanted)


@contextlib.contextmanager
def only_one(root: Path) -> Iterator[int]:
    """Hold the run's lock. A killed Snakemake can leave its trainer running: wait until it is done, then go on from
    what it left. The lock goes with the process, so nobody has to remove it."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / ".lock", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            print(
                f"{root}: process {lock.read().strip() or '?'} is training here; waiting for it",
                file=sys.stderr,
                flush=True,
            )
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield lock.fileno()


def publish(epochs: int, weights: Path, manifests: Path, log: Path) -> None:
    """Manifests and log take their place among the results."""
    for n in range(1, epochs + 1):
        write_json(manifests / f"epoch_{n}.json", read_json(weights / f"epoch_{n}.json"))
    write_text(log, (weights / "train_log.jsonl").read_text())


def note_dtype(config: Path, dtype: str) -> None:
    """Say in a config.json which type the weights have: dtype="auto" would load twice the bytes for nothing."""
    value = read_json(config)
    for part in (value, value["text_config"], value["vision_config"]):
        part["dtype"] = dtype
        part.pop("torch_dtype", None)  # its name before transformers 4.56
    write_json(config, value)


def read_log(path: Path, upto: int) -> list[str]:
    """The log's lines of the first `upto` steps; a line that a kill cut in half ends it."""
    lines = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                if json.loads(line)["step"] > upto:
                    break
            except (json.JSONDecodeError, KeyError):
                break
            lines.append(line)
    return lines
