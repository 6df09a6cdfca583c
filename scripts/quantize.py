#!/usr/bin/env python3
"""Quantize the best epoch's language model and save a complete compressed-tensors checkpoint.

Inputs: best.json, and training conversations and frames for calibration. Outputs: --weights, a directory that vLLM, NIM
and transformers load (processor and chat template too), written whole; --manifest, what it is, which layers were
quantized and how much smaller it became. A directory that was made from the same is not made again.

    python scripts/quantize.py --best results/sample/nframes8/best.json --precision fp8 --llava results/sample/data/train.llava.json \\
        --frames results/sample/frames/nframes8_min4096_max17408/train.json --system-prompt 'You are a helpful assistant.' \\
        --weights weights/sample/nframes8/fp8 --manifest fp8.json
"""

import argparse
import os
from pathlib import Path
from typing import get_args

from roadtrain import cli
from roadtrain.model.checkpoints import read_manifest, write_manifest
from roadtrain.quantize.calibration_data import CalibrationData
from roadtrain.quantize.checkpoint import quantize_once
from roadtrain.spec.arguments import add_section
from roadtrain.spec.quantize import Precision, Quantize


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--best", required=True, help="which epoch: best.json")
    parser.add_argument("--precision", required=True, choices=get_args(Precision))
    parser.add_argument("--llava", required=True, help="training conversations")
    parser.add_argument("--frames", required=True, help="index of their frames")
    parser.add_argument("--system-prompt", required=True)
    add_section(parser, "quantize", Quantize)
    parser.add_argument("--threads", type=cli.at_least(1), default=os.cpu_count(), help="CPU threads (%(default)s)")
    parser.add_argument("--weights", required=True, type=Path, help="the directory to write")
    parser.add_argument("--manifest", required=True, type=Path)
    return parser.parse_args()


@cli.main
def main() -> None:
    args = arguments()
    parent = read_manifest(args.best)
    settings = args.quantize
    data = CalibrationData(
        args.llava,
        args.frames,
        args.system_prompt,
        settings.calibration_videos,
        settings.calibration_max_length,
    )
    manifest = quantize_once(parent, args.precision, settings.kv_cache, data, args.weights, args.threads)
    write_manifest(args.manifest, manifest)


if __name__ == "__main__":
    main()
