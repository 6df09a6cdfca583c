"""From a checkpoint to a quantized one: a complete compressed-tensors directory and its manifest."""

import time
from pathlib import Path
from typing import Any

from roadtrain import locks
from roadtrain.files import sha256_json, whole_directory
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip
from roadtrain.model import adapters
from roadtrain.model.checkpoints import (
    CheckpointManifest,
    describe,
    package_versions,
    present,
    read_manifest,
    verify_checkpoint,
    write_manifest,
)
from roadtrain.model.loading import load_model, load_processor, locate
from roadtrain.model.rope_names import note_rope
from roadtrain.quantize.calibration_data import CalibrationData


def quantize_once(
    parent: CheckpointManifest, precision: str, kv_cache: str, data: CalibrationData, weights: Path, threads: int
) -> CheckpointManifest:
    """Write the directory `weights` and return its manifest; what was made from the same is not made again.

    Raises ValueError when the files that are there are not those that were written.
    """
    fingerprint = sha256_json(
        {
            "parent": parent["sha256"],
            "precision": precision,
            **data.fingerprint(),
            "kv_cache": kv_cache,
            "software": package_versions("llmcompressor", "compressed-tensors", "transformers"),
        }
    )
    manifest_file = weights.with_name(f"{weights.name}.json")
    with locks.alone_in(weights.parent / f".{weights.name}"):
        if manifest_file.exists() and weights.exists():
            manifest = read_manifest(manifest_file)
            if manifest.get("fingerprint") == fingerprint:
                verify_checkpoint(manifest)
                return manifest
        manifest_file.unlink(missing_ok=True)
        manifest = quantize_checkpoint(parent, precision, kv_cache, data, weights, threads)
        manifest["fingerprint"] = fingerprint
        write_manifest(manifest_file, manifest)
        return manifest


def quantize_checkpoint(
    parent: CheckpointManifest, precision: str, kv_cache: str, data: CalibrationData, weights: Path, threads: int
) -> CheckpointManifest:
    """Load the parent, quantize its language model, save it whole; returns the manifest. `threads`: of the CPU."""
    import torch

    from roadtrain.model.features import FeatureCache
    from roadtrain.model.prompts import Prefix, Prompter
    from roadtrain.quantize import recipe

    torch.set_num_threads(threads)
    start = time.monotonic()
    processor = load_processor(present(parent))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_model(parent["path"], "bfloat16").to(device).eval()
    prompter, index = Prompter(processor, data.system_prompt), FrameIndex.load(data.frames)
    clips = data.choose_clips(index)
    features = None
    if (cut := parent.get("features")) and recipe.calibrated(precision, kv_cache):
        features = FeatureCache(model.model.visual, cut, prompter, index)
        features.fill(clips)

    def prefix_of(clip: Clip) -> Prefix:
        return features.prefix(clip) if features else prompter.prefix(index.read(clip))

    def sequences() -> Any:
        return data.sequences(clips, prefix_of, prompter, model.config.video_token_id)

    recipe.quantize_model(model, precision, sequences, len(clips), kv_cache)
    with whole_directory(weights) as directory:
        model.save_pretrained(directory, save_compressed=True)
        note_rope(directory / "config.json")
        processor.save_pretrained(directory)
        layers, scales = recipe.stored_layers(directory), recipe.kv_scales(directory)
        _check_saved(directory, layers)
        if kv_cache != "none" and scales == 0:
            raise RuntimeError(
                "no scales for keys and values were written: llmcompressor doesn't know this model's attention"
            )
    size, parent_size = _weight_bytes(weights), _weight_bytes(parent["path"])
    return describe(
        weights,
        precision=precision,
        epoch=parent["epoch"],
        step=parent["step"],
        base_model=parent["base_model"],
        parent=parent["checkpoint"],
        parent_sha256=parent["sha256"],
        bytes=size,
        parent_bytes=parent_size,
        size_ratio=round(size / parent_size, 4),
        quantized_layers=layers,
        kv_cache=kv_cache,
        kv_cache_scales=scales,
        calibration_videos=len(clips) if recipe.calibrated(precision, kv_cache) else 0,
        software=package_versions("torch", "transformers", "llmcompressor", "compressed-tensors"),
        seconds=round(time.monotonic() - start, 1),
    )


def _weight_bytes(directory: str | Path) -> int:
    """Of a checkpoint; of an adapter with its base."""
    base = _weight_bytes(locate(adapters.base_of(directory))) if adapters.is_adapter(directory) else 0
    return base + sum(file.stat().st_size for file in Path(directory).glob("*.safetensors"))


def _check_saved(directory: Path, layers: list[str]) -> None:
    """The saved directory loads again, and just the language model's Linears are quantized."""
    wrong = [name for name in layers if "language_model" not in name]
    if not layers or wrong:
        raise RuntimeError(f"quantized layers are not those of the language model: {wrong or 'none'}")
    load_processor(directory)
    load_model(directory)
