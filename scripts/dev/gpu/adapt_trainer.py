#!/usr/bin/env python3
"""train_local.py itself on a model of 2B weights, clips of noise: questions a second, to hold against bench_train.py.

Writes OUT/trainer.json, a row a run: with a LoRA and with a frozen tower, vision features kept. The first two steps, which
compile, don't count. --tiny: the sample's base and few small clips, that it runs at all.
"""

import argparse
import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from dev.gpu import big_model, trainer_run
from roadtrain.files import read_json, write_json

LORA = '[custom.lora]\nrank = 16\nalpha = 32.0\ndropout = 0.0\ntargets = ["language"]\nrslora = false\nmerge = true\n'
RUNS = {"lora+cached": LORA, "cached": 'freeze = ["vision", "projector"]\n'}
VIDEOS = 16  # of an optimizer step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument(
        "--clips", type=int, default=96, help="sixteen make an optimizer step, one with --tiny (%(default)s)"
    )
    parser.add_argument("--mini-batch", type=int, default=4, help="videos in a pass (%(default)s)")
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    clips = replace(big_model.SMALL if args.tiny else big_model.SHORT, count=args.clips)
    big_model.write({"nframes": 8}, clips)
    rows = []
    for name, section in RUNS.items():
        rows.append({"way": name} | measured(name, section, args, clips))
        print(json.dumps(rows[-1]), flush=True)
        write_json(args.out / "trainer.json", {"clips": args.clips, "rows": rows})


def measured(name: str, section: str, args: argparse.Namespace, clips: big_model.Clips) -> dict[str, Any]:
    """One run."""
    weights, questions = trainer_run.new_folder(name), (1 if args.tiny else VIDEOS) * big_model.QUESTIONS
    toml = trainer_run.write_toml(
        weights, gpus=1, questions=questions, mini_batch=args.mini_batch, clips=clips, section=section
    )
    start = time.monotonic()
    subprocess.run(trainer_run.command(weights, toml), check=True)
    trained = read_json(weights / "epoch_1.json")["trained_weights"]
    return {"wall_seconds": time.monotonic() - start, "trained_weights": trained} | trainer_run.measurements(weights)


if __name__ == "__main__":
    main()
