#!/usr/bin/env python3
"""train_local.py itself on a model of 2B weights, clips of noise: questions a second, to hold against bench_train.py.

Writes OUT/trainer.json, a row a run: with a LoRA and with a frozen tower, vision features kept. The first two steps, which
compile, don't count. --tiny: the sample's base and few small clips, that it runs at all.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from dev.gpu import big_model
from roadtrain.files import read_json, write_json
from roadtrain.train.toml_config import replace_values

TOML = Path("tests/support/golden/nframes8.toml")
LORA = '[custom.lora]\nrank = 16\nalpha = 32.0\ndropout = 0.0\ntargets = ["language"]\nrslora = false\nmerge = true\n'
RUNS = {"lora+cached": LORA, "cached": 'freeze = ["vision", "projector"]\n'}
VIDEOS = 16  # of an optimizer step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--clips", type=int, default=96, help="sixteen make an optimizer step (%(default)s)")
    parser.add_argument("--mini-batch", type=int, default=4, help="videos in a pass (%(default)s)")
    parser.add_argument("--tiny", action="store_true")
    args = parser.parse_args()
    big_model.CLIPS = args.clips
    if args.tiny:
        big_model.HEIGHT, big_model.WIDTH, big_model.TOKENS = 96, 160, 60
        big_model.write_questions({"nframes": 8})
    else:
        big_model.write({"nframes": 8})
    rows = []
    for name, section in RUNS.items():
        rows.append({"way": name} | measured(name, section, args))
        print(json.dumps(rows[-1]), flush=True)
        write_json(args.out / "trainer.json", {"clips": args.clips, "rows": rows})


def measured(name: str, section: str, args: argparse.Namespace) -> dict[str, float]:
    """One run."""
    weights = Path("weights/gpu", name)
    shutil.rmtree(weights, ignore_errors=True)
    weights.mkdir(parents=True)
    toml = write_toml(weights / "sft.toml", weights, section, args)
    options = {"--toml": toml, "--weights": weights, "--manifests": weights / "m", "--log": weights / "log.jsonl"}
    start = time.monotonic()
    command = [sys.executable, "scripts/train_local.py", *(str(word) for option in options.items() for word in option)]
    subprocess.run(command, check=True)
    wall = time.monotonic() - start
    log, times = (
        [json.loads(line) for line in (weights / file).read_text().splitlines()]
        for file in ("log.jsonl", "train_times.jsonl")
    )
    rates = [line["questions"] / clock["seconds"] for line, clock in zip(log, times, strict=True)]
    manifest = read_json(weights / "epoch_1.json")
    return {
        "questions_a_second": statistics.median(rates[2:]),
        "waited_for_data": sum(clock["waited_for_data"] for clock in times[2:]),
        "peak_gib": manifest["peak_bytes"] / 2**30,
        "trained_weights": manifest["trained_weights"],
        "wall_seconds": wall,
        "losses": [line["loss"] for line in log],
        "step_seconds": [clock["seconds"] for clock in times],
    }


def write_toml(path: Path, weights: Path, section: str, args: argparse.Namespace) -> Path:
    """The recipe's TOML for the local engine, one epoch, with what is trained."""
    questions = VIDEOS * big_model.QUESTIONS
    changes = big_model.changes("shared-video", weights / "cosmos-rl", 1, questions, args.tiny) | {
        "engine": '"local"',
        "gpus": "0" if args.tiny else "1",
        "mini_batch": str(args.mini_batch),
    }
    if args.tiny:
        changes |= {"param_dtype": '"float32"'}
    text = replace_values(TOML.read_text(), changes, TOML)
    path.write_text(text.replace("\n[custom.dataset]", f"{section}\n[custom.dataset]", 1))
    return path


if __name__ == "__main__":
    main()
