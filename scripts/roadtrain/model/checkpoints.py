"""Checkpoints on disk: a complete Hugging Face (or compressed-tensors) directory, and the manifest that describes it.

    weights/<run>/<ablation>/epoch_<n>/                        a checkpoint;  epoch_<n>.json beside it: its manifest
    results/<run>/<ablation>/checkpoints/epoch_<n>.json        the manifest among the results
    results/<run>/<ablation>/quantized/<precision>.json        that of a quantized checkpoint

A manifest is written when the checkpoint is whole: a checkpoint is there when its manifest is.
"""

import contextlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NotRequired, TypedDict, Unpack, cast

from roadtrain.files import read_json, sha256_json, sha256_tree, write_json


class AdapterNote(TypedDict):
    """A LoRA of a checkpoint."""

    path: str  # its directory
    rank: int
    merged: bool  # the checkpoint is the whole model with the adapter in its weights; else it is the adapter


class ManifestDetails(TypedDict):
    """What a manifest says beside the checkpoint's files."""

    precision: str  # bfloat16, float32, fp8, ..
    epoch: int  # 0: the base model
    step: int  # optimizer steps that it was trained for
    base_model: str  # as the spec names it
    software: NotRequired[dict[str, str]]  # {package: version}
    # Of a trained or a quantized checkpoint:
    fingerprint: NotRequired[str]  # hash of what it was made from
    seconds: NotRequired[float]  # that making it took; of training, with the epochs before
    # Of a trained one:
    steps: NotRequired[int]  # of the whole run
    questions: NotRequired[int]  # that it was trained on, repetitions included
    device: NotRequired[str]  # cuda, cpu
    gpus: NotRequired[int]  # of the local engine
    trained_weights: NotRequired[int]  # how many numbers have a gradient
    peak_bytes: NotRequired[int]  # of the first GPU, or of the process on a CPU
    adapter: NotRequired[AdapterNote]  # of a LoRA
    features: NotRequired[str]  # where they are cut off: its vision features are kept (model/features.py)
    # Of a quantized one:
    parent: NotRequired[str]  # the checkpoint that was quantized
    parent_sha256: NotRequired[str]
    bytes: NotRequired[int]  # of the safetensors files
    parent_bytes: NotRequired[int]
    size_ratio: NotRequired[float]
    quantized_layers: NotRequired[list[str]]
    kv_cache: NotRequired[str]  # none, fp8
    kv_cache_scales: NotRequired[int]
    calibration_videos: NotRequired[int]  # 0: the precision needs none


class CheckpointManifest(ManifestDetails):
    """The JSON that describes a checkpoint."""

    checkpoint: str  # zero_shot, epoch_<n>, <precision>
    path: str  # its directory
    sha256: str  # of `files`
    files: dict[str, str]  # {relative path: sha256}


def read_manifest(path: str | Path) -> CheckpointManifest:
    """A checkpoint's manifest, or the one that best.json names. Raises ValueError when the JSON describes no checkpoint."""
    value = read_json(path)
    if isinstance(value, dict) and "manifest" in value:
        return read_manifest(value["manifest"])
    if not isinstance(value, dict) or not {"checkpoint", "path", "sha256", "files"} <= value.keys():
        raise ValueError(f"{path}: not a checkpoint's manifest")
    return cast(CheckpointManifest, value)


def write_manifest(path: str | Path, manifest: CheckpointManifest) -> None:
    """Write it whole."""
    write_json(path, manifest)


def describe(path: str | Path, **details: Unpack[ManifestDetails]) -> CheckpointManifest:
    """The manifest of a directory: its name, its path, the hash of every file, and `details`."""
    files = checkpoint_files(path)
    identity = {
        "checkpoint": Path(path).name,
        "path": Path(path).as_posix(),
        "sha256": sha256_json(files),
        "files": files,
    }
    return cast(CheckpointManifest, identity | details)


def checkpoint_files(path: str | Path) -> dict[str, str]:
    """{relative path: sha256} of a checkpoint's files. Raises ValueError when there are none."""
    files = sha256_tree(path)
    if not files:
        raise ValueError(f"{path}: no files: not a checkpoint")
    return files


def checkpoint_hash(path: str | Path) -> str:
    """The `sha256` of a checkpoint's manifest."""
    return sha256_json(checkpoint_files(path))


def present(manifest: CheckpointManifest) -> Path:
    """The checkpoint's directory. Raises ValueError where only the manifest is, as in a clone without weights."""
    path = Path(manifest["path"])
    if not path.is_dir():
        raise ValueError(
            f"{path}: the checkpoint is missing: fetch it (dvc pull) or delete its manifest to make it again"
        )
    return path


def verify_checkpoint(manifest: CheckpointManifest) -> None:
    """Raises ValueError when a checkpoint's files are not those that its manifest describes."""
    path = present(manifest)
    files = sha256_tree(path)
    wrong = [name for name in manifest["files"] if files.get(name) != manifest["files"][name]]
    if wrong:
        raise ValueError(f"{path / wrong[0]}: differs from the checkpoint's manifest: delete {path} and make it again")


def package_versions(*packages: str) -> dict[str, str]:
    """{package: version} of those that are installed, for manifests."""
    versions = {}
    for name in packages:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name).split("+")[0]
    return versions


def note_dtype(config: Path, dtype: str) -> None:
    """Say in a config.json which type the weights have: dtype="auto" would load twice the bytes for nothing."""
    value = read_json(config)
    for part in (value, value["text_config"], value["vision_config"]):
        part["dtype"] = dtype
        part.pop("torch_dtype", None)  # its name before transformers 4.56
    write_json(config, value)
