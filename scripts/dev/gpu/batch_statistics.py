#!/usr/bin/env python3
"""Does it matter how many questions about one video share an optimizer step? The sample on a GPU, at equal questions.

    python3 scripts/dev/gpu/batch_statistics.py --toml sft.toml --out OUT      sft.toml: render_toml.py's of the sample's nframes8

Per question, four, eight or all questions of a video in a sequence: the same questions, 20 in every step, the same epochs,
the same rates; three seeds of each. Steps of `all` hold 2 videos, steps of `per-question` up to 20. The scenes are drawn here,
without H.264. Trains with scripts/train_local.py, asks with scripts/evaluate_local.py; OUT/batch_statistics.json grows with every run.
"""

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "scripts"))
KINDS = {
    "per-question": ("per-question", 0, 20),
    "4": ("shared-video", 4, 5),
    "8": ("shared-video", 8, 3),
    "all": ("shared-video", 0, 2),
}
PROMPT = "You are a helpful assistant."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toml", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("/tmp/batch_statistics"))
    parser.add_argument("--scenarios", type=int, default=330)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=300, help="a run that isn't done by then counts as missing")
    args = parser.parse_args()
    began, found = time.monotonic(), []
    args.work.mkdir(parents=True, exist_ok=True)
    make_data(args.work, args.scenarios, args.toml)
    print(f"drew the scenes, {time.monotonic() - began:.0f} s", flush=True)
    runs = [(kind, seed) for seed, kind in itertools.product(range(args.seeds), KINDS)]
    with ThreadPoolExecutor(args.at_once) as pool:
        for one in pool.map(lambda run: attempt(args, *run, began + args.seconds), runs):
            found.append(one)
            print(json.dumps(one), flush=True)
            (args.out / "batch_statistics.json").write_text(json.dumps(found, indent=1))


def draw(job) -> tuple:
    """(split, scene's questions, its frames as the cache would have them but for the video's compression)."""
    import cv2
    import numpy as np

    from roadtrain.sample import render

    split, number, scene = job
    cv2.setNumThreads(1)
    everything = list(render.frames(scene, scene.camera("Camera1_0.mp4")))
    picks = np.linspace(0, len(everything) - 1, 8).round().astype(int)
    frames = np.stack([cv2.resize(everything[i], (160, 96), interpolation=cv2.INTER_AREA) for i in picks])
    return (
        split,
        number,
        scene.mcqs(),
        frames.transpose(0, 3, 1, 2).copy(),
        picks.tolist(),
        len(everything),
        scene.seconds,
    )


def make_data(work: Path, scenarios: int, toml: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from roadtrain.data.llava import entry_json, multiple_choice, write_entries
    from roadtrain.files import write_json
    from roadtrain.sample import scenes, tree
    from roadtrain.train.toml_config import read_train_run

    drawn = scenes.scenes(tree.SampleSpec(seed=0, train=scenarios, val=60))
    jobs = [("train" if n < scenarios else "val", n, scene) for n, scene in enumerate(drawn)]
    rows, entries = {"train": [], "val": []}, {"train": [], "val": []}
    with get_context("spawn").Pool(12) as workers:
        for split, number, questions, frames, picks, count, seconds in workers.imap(draw, jobs, chunksize=4):
            file, video = work / f"{number}.safetensors", f"{number}.mp4"
            save_file({"frames": torch.from_numpy(frames)}, file)
            rows[split].append(
                {
                    "video": video,
                    "start": None,
                    "end": None,
                    "file": str(file),
                    "frames": 8,
                    "height": 96,
                    "width": 160,
                    "fps": count / seconds,
                    "frames_indices": picks,
                    "total_num_frames": count,
                    "vision_tokens": 60,
                }
            )
            for k, asked in enumerate(questions):
                options = {letter: asked[letter] for letter in "abcd" if letter in asked}
                entries[split].append(
                    entry_json(
                        id=f"{number}_{k}",
                        scenario=str(number),
                        video=video,
                        type="environment",
                        phase="full_video",
                        human=multiple_choice(asked["question"], options),
                        answer=asked["correct"].upper(),
                    )
                )
    for split in rows:
        write_entries(work / f"{split}.llava.json", entries[split])
        index = {"vision": read_train_run(toml).vision, "reader": "decord", "clips": rows[split], "left_out": []}
        write_json(work / f"{split}.json", index)


def attempt(args, kind: str, seed: int, deadline: float) -> dict:
    sequences, per_video, mini = KINDS[kind]
    name, began = f"{kind}_{seed}", time.monotonic()
    text = args.toml.read_text()
    for key, value in {
        "annotation_path": f'"{args.work}/train.llava.json"',
        "frames_index": f'"{args.work}/train.json"',
        "kind": f'"{sequences}"',
        "questions_per_video": per_video,
        "gpus": 1,
        "epoch": args.epochs,
        "seed": seed,
        "train_batch_per_replica": 20,
        "mini_batch": mini,
        "model_name_or_path": f'"{ROOT}/specs/sample/base"',
    }.items():
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert count == 1, key
    toml, weights, results = args.work / f"{name}.toml", args.work / f"w_{name}", args.work / f"r_{name}"
    toml.write_text(text)
    # Compiling would take longer than the run, and twelve processes would all do it.
    env = os.environ | {"TORCH_COMPILE_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    log = open(args.work / f"{name}.log", "w")
    run = lambda *command: subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env=env,
        stdout=log,
        stderr=log,
        check=True,
        timeout=max(1, deadline - time.monotonic()),
    )
    try:
        run(
            "scripts/train_local.py",
            "--toml",
            toml,
            "--weights",
            weights,
            "--manifests",
            results,
            "--log",
            results / "log.jsonl",
            "--threads",
            2,
        )
        accuracy = {}
        for epoch in (args.epochs // 2, args.epochs):
            rows = results / f"epoch_{epoch}.jsonl"
            run(
                "scripts/evaluate_local.py",
                "--checkpoint",
                results / f"epoch_{epoch}.json",
                "--llava",
                args.work / "val.llava.json",
                "--frames",
                args.work / "val.json",
                "--system-prompt",
                PROMPT,
                "--predictions",
                rows,
                "--source",
                rows.with_suffix(".source.json"),
                "--threads",
                2,
            )
            right = [json.loads(line)["is_correct"] for line in rows.read_text().splitlines()]
            accuracy[f"epoch_{epoch}"] = round(sum(right) / len(right), 4)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return {
            "questions_per_video": kind,
            "seed": seed,
            "failed": str(error)[-200:],
            "log": (args.work / f"{name}.log").read_text()[-600:],
        }
    steps = (results / "log.jsonl").read_text().count("\n")
    return {
        "questions_per_video": kind,
        "seed": seed,
        "steps": steps,
        "accuracy": accuracy,
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    main()
