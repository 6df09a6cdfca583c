"""Where a model is, from its name in the spec: a folder of this machine, the hub's cache, or not here."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from roadtrain.files import read_json
from roadtrain.model.hub import name_and_revision

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")
REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][\w./-]{0,199}")
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class ModelPlace:
    """`state`: here; wrong (it can't be used, whatever is downloaded); elsewhere (it would have to be downloaded)."""

    state: Literal["here", "wrong", "elsewhere"]
    words: str  # what was looked at


def find_model(model: str) -> ModelPlace:
    """Looks at names and sizes of files only, and at an index of weights."""
    folder = Path(model)
    try:
        if folder.is_dir():
            wrong = _wrong_in(folder)
            return ModelPlace("wrong", f"{model}: {wrong}") if wrong else ModelPlace("here", f"{model}/")
        if folder.exists():
            return ModelPlace("wrong", f"{model}: a file, not a model's folder")
    except OSError as error:  # a name of 5,000 characters, a folder that can't be read
        return ModelPlace("wrong", f"{model}: {error.strerror}")
    name, revision = name_and_revision(model)
    if not HUB_NAME.fullmatch(name) or _is_meant_as_a_path(folder):
        return ModelPlace("wrong", f"{model}: no such folder")
    if revision is not None and not REVISION.fullmatch(revision):
        return ModelPlace("wrong", f"{model}: no revision of that name after the @: a branch, a tag or a commit")
    for snapshot in _snapshots(hub_cache() / f"models--{name.replace('/', '--')}", revision):
        if snapshot.is_dir() and not _wrong_in(snapshot):
            return ModelPlace("here", f"{model}: {snapshot}/")
    return ModelPlace("elsewhere", f"{model}: no folder here, and not in the hub's cache ({hub_cache()})")


def _snapshots(cached: Path, revision: str | None) -> list[Path]:
    """Where a revision lies in the hub's cache (None: main): a branch or a tag is a file that names a commit."""
    reference = cached / "refs" / (revision or "main")
    if reference.is_file():
        return [cached / "snapshots" / reference.read_text(encoding="utf-8").strip()]
    return [cached / "snapshots" / revision] if revision else sorted((cached / "snapshots").glob("*"))


def hub_cache() -> Path:
    """As huggingface_hub chooses it."""
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub").expanduser()


def _is_meant_as_a_path(folder: Path) -> bool:
    """`weights/mine` and `nvidia/mine` look alike: the one's first part is a folder here."""
    return len(folder.parts) > 1 and Path(folder.parts[0]).exists()


def _wrong_in(folder: Path) -> str | None:
    """What a model's folder lacks; None: nothing."""
    if not (folder / "config.json").is_file():
        return "no config.json in it: not a model's folder"
    weights = {file.name for file in folder.glob("*.safetensors") if file.is_file() and file.stat().st_size}
    if not weights:
        return "no weights (*.safetensors) in it"
    if (folder / INDEX).is_file():
        try:
            shards = set(read_json(folder / INDEX)["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"{INDEX} is not an index of weights"
        if missing := sorted(shards - weights):
            return f"{missing[0]} is missing: {len(shards) - len(missing)} of {len(shards)} files of weights are there"
    return None
