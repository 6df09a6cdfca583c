#!/usr/bin/env python3
"""Quantize the best epoch's language model and save a complete compressed-tensors checkpoint.

Inputs: best.json, and training conversations and frames for calibration. Outputs: --weights, a directory that vLLM, NIM
and transformers load (processor and chat template too), written whole; --manifest, what it is, which layers were
quantized and how much smaller it became. A directory that was made from the same is not made again.
"""

import argparse
import os
from pathlib import Path

from roadtrain import cli
from roadtrain.model.checkpoints import read_manifest, write_manifest
from roadtrain.quantize.calibration_data import CalibrationData
from roadtrain.quantize.checkpoint import quantize_once


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
    parent = read_manifest(args.best)
    data = CalibrationData(args.llava, args.frames, args.system_prompt, args.calibration_videos, args.max_length)
    manifest = quantize_once(parent, args.precision, args.kv_cache, data, args.weights, args.threads)
    write_manifest(args.manifest, manifest)


if __name__ == "__main__":
    main()
