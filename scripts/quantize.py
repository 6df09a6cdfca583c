#!/usr/bin/env python3
"""Quantize the best epoch's language model and save a complete compressed-tensors checkpoint.

Inputs: best.json, and training conversations and frames for calibration. Outputs: --weights, a directory that vLLM, NIM
and transformers load (processor and chat template too), written whole; --manifest, what it is, which layers were
quantized and how much smaller it became. A directory that was made from the same is not made again.
"""

import argparse
import os
import random
import time
from pathlib import Path

from roadtrain import cli, locks
from roadtrain.data.llava import read_questions
from roadtrain.data.question import group_by_clip
from roadtrain.files import sha256_file, sha256_json, whole_directory
from roadtrain.frames.index import FrameIndex
from roadtrain.model import checkpoints
from roadtrain.model.loading import load_model, load_processor


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--best", required=True, help="which epoch: best.json")
    parser.add_argument("--precision", required=True, choices=["fp8", "fp8_dynamic", "nvfp4"])
    parser.add_argument("--llava", required=True, help="training conversations")
    parser.add_argument("--frames", required=True, help="index of their frames")
    parser.add_argument("--system-prompt", required=True)
    parser.add_argument("--calibration-videos", type=int, required=True, help="training videos for the scales")
    parser.add_argument("--max-length", type=int, default=32768, help="tokens of a calibration sequence (%(default)s)")
    parser.add_argument(
        "--kv-cache", choices=["none", "fp8"], default="none", help="scales for the key-value cache (%(default)s)"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="CPU threads (%(default)s)")
    parser.add_argument("--weights", required=True, type=Path, help="the directory to write")
    parser.add_argument("--manifest", required=True, type=Path)
    return parser.parse_args()


@cli.main
def main() -> None:
    args = arguments()
    parent = checkpoints.read_manifest(args.best)
    origin = {
        "parent": parent["sha256"],
        "precision": args.precision,
        "llava": sha256_file(args.llava),
        "frames": sha256_file(args.frames),
        "system_prompt": args.system_prompt,
        "videos": args.calibration_videos,
        "max_length": args.max_length,
        "kv_cache": args.kv_cache,
        "software": checkpoints.package_versions("llmcompressor", "compressed-tensors", "transformers"),
    }
    beside = args.weights.with_name(f"{args.weights.name}.json")
    with locks.alone_in(args.weights.parent / f".{args.weights.name}"):
        manifest = checkpoints.read_manifest(beside) if beside.exists() and args.weights.exists() else None
        if manifest is None or manifest.get("fingerprint") != sha256_json(origin):
            beside.unlink(missing_ok=True)
            manifest = run(args, parent)
            manifest["fingerprint"] = sha256_json(origin)
            checkpoints.write_manifest(beside, manifest)
        else:
            checkpoints.verify_checkpoint(manifest)
    checkpoints.write_manifest(args.manifest, manifest)


def run(args: argparse.Namespace, parent: checkpoints.CheckpointManifest) -> checkpoints.CheckpointManifest:
    import torch

    from roadtrain.model.prompts import Prompter
    from roadtrain.model.sequences import build
    from roadtrain.quantize import recipe as quantization

    torch.set_num_threads(args.threads)
    began = time.monotonic()
    processor = load_processor(checkpoints.present(parent))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_model(parent["path"], "bfloat16").to(device).eval()
    prompter, frames = Prompter(processor, args.system_prompt), FrameIndex.load(args.frames)
    clips = {clip: of for clip, of in group_by_clip(read_questions(args.llava)).items() if clip in frames}
    if not clips:
        raise ValueError(f"{args.llava}: no video has frames in {args.frames}: nothing to calibrate on")
    chosen = random.Random(0).sample(sorted(clips, key=str), min(args.calibration_videos, len(clips)))

    def sequences():
        for clip in chosen:
            segments = [prompter.segment(entry) for entry in clips[clip]]
            sequence = build([(prompter.prefix(frames.read(clip)), segments)], model.config.video_token_id)
            if len(sequence.input_ids) > args.max_length:
                raise ValueError(
                    f"{clip.first.file}: {len(sequence.input_ids)} tokens, more than --max-length {args.max_length}:"
                    " cut off, calibration would see half a video"
                )
            yield sequence

    quantization.quantize(model, args.precision, sequences, len(chosen), args.kv_cache)
    with whole_directory(args.weights) as directory:
        model.save_pretrained(directory, save_compressed=True)
        processor.save_pretrained(directory)
        layers = quantization.stored_layers(directory)
        scales = quantization.kv_scales(directory)
        check(directory, layers)
        if args.kv_cache != "none" and scales == 0:
            raise RuntimeError(
                "no scales for keys and values were written: llmcompressor doesn't know this model's attention"
            )
    size = {
        name: sum(f.stat().st_size for f in Path(path).glob("*.safetensors"))
        for name, path in (("bytes", args.weights), ("parent_bytes", parent["path"]))
    }
    return checkpoints.describe(
        args.weights,
        precision=args.precision,
        epoch=parent["epoch"],
        step=parent["step"],
        base_model=parent["base_model"],
        parent=parent["checkpoint"],
        parent_sha256=parent["sha256"],
        **size,
        size_ratio=round(size["bytes"] / size["parent_bytes"], 4),
        quantized_layers=layers,
        kv_cache=args.kv_cache,
        kv_cache_scales=scales,
        calibration_videos=len(chosen) if quantization.calibrated(args.precision, args.kv_cache) else 0,
        software=checkpoints.package_versions("torch", "transformers", "llmcompressor", "compressed-tensors"),
        seconds=round(time.monotonic() - began, 1),
    )


def check(directory: Path, layers: list[str]) -> None:
    """The saved directory loads again, and just the language model's Linears are quantized."""
    wrong = [name for name in layers if "language_model" not in name]
    if not layers or wrong:
        raise RuntimeError(f"quantized layers are not those of the language model: {wrong or 'none'}")
    load_processor(directory)
    load_model(directory)


if __name__ == "__main__":
    main()
