#!/usr/bin/env python3
"""Does it matter how many questions about one video share an optimizer step? The sample on a GPU, at equal questions.

    PYTHONPATH=scripts python scripts/dev/gpu/batch_statistics.py --toml sft.toml --out OUT
    sft.toml: render_toml.py's of the sample's nframes8

Per question, four, eight or all questions of a video in a sequence: the same questions, 20 in every step, the same epochs,
the same rates; three seeds of each. Steps of `all` hold 2 videos, steps of `per-question` up to 20. The scenes are drawn here,
without H.264. Trains with scripts/train_local.py, asks with scripts/evaluate_local.py; OUT/batch_statistics.json grows with every run.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any

from dev.gpu.runs import lines
from roadtrain.train.toml_config import parse_train_run, replace_values

ROOT = Path(__file__).parents[3]
# Questions of a video in a sequence: (sequences, questions_per_video, mini_batch).
KINDS = {
    "per-question": ("per-question", 0, 20),
    "4": ("shared-video", 4, 5),
    "8": ("shared-video", 8, 3),
    "all": ("shared-video", 0, 2),
}
PROMPT = "You are a helpful assistant."
HEIGHT, WIDTH, FRAMES = 96, 160, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toml", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("/tmp/batch_statistics"))
    parser.add_argument("--scenarios", type=int, default=330)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=300, help="a run that isn't through by then counts as missing")
    args = parser.parse_args()
    start = time.monotonic()
    args.work.mkdir(parents=True, exist_ok=True)
    text = args.toml.read_text()
    make_data(args.work, args.scenarios, parse_train_run(tomllib.loads(text), str(args.toml)).vision)
    print(f"drew the scenes, {time.monotonic() - start:.0f} s", flush=True)
    runs = [
        TrainingRun(args.work, kind, seed, args.epochs, text, start + args.seconds)
        for seed, kind in itertools.product(range(args.seeds), KINDS)
    ]
    reports: list[dict[str, Any]] = []
    with ThreadPoolExecutor(args.at_once) as pool:
        for report in pool.map(TrainingRun.report, runs):
            reports.append(report)
            print(json.dumps(report), flush=True)
            (args.out / "batch_statistics.json").write_text(json.dumps(reports, indent=1))


# ------------------------------------------------------------------------------------------- scenes and questions
def draw(job: tuple[str, int, Any]) -> tuple[Any, ...]:
    """(split, number, scene) -> (split, number, its questions, its frames as the cache would have them but for the video's
    compression, their numbers, frames of the video, its seconds)."""
    import cv2
    import numpy as np

    from roadtrain.sample import render

    split, number, scene = job
    cv2.setNumThreads(1)
    video = list(render.frames(scene, scene.camera("Camera1_0.mp4")))
    picks = np.linspace(0, len(video) - 1, FRAMES).round().astype(int)
    frames = np.stack([cv2.resize(video[i], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for i in picks])
    frames = frames.transpose(0, 3, 1, 2).copy()
    return split, number, scene.mcqs(), frames, picks.tolist(), len(video), scene.seconds


def make_data(work: Path, scenarios: int, vision: dict[str, Any]) -> None:
    """Questions, frames and their index of both splits. `vision`: the TOML's setting, which the index has to repeat."""
    import torch
    from safetensors.torch import save_file

    from roadtrain.data.llava import write_entries
    from roadtrain.files import write_json
    from roadtrain.sample import scenes, tree

    sample = scenes.scenes(tree.SampleSpec(seed=0, train=scenarios, val=60))
    jobs = [("train" if n < scenarios else "val", n, scene) for n, scene in enumerate(sample)]
    rows: dict[str, list[dict[str, Any]]] = {"train": [], "val": []}
    entries: dict[str, list[dict[str, Any]]] = {"train": [], "val": []}
    with get_context("spawn").Pool(12) as workers:
        for split, number, mcqs, frames, picks, count, seconds in workers.imap(draw, jobs, chunksize=4):
            file = work / f"{number}.safetensors"
            save_file({"frames": torch.from_numpy(frames)}, file)
            rows[split].append(index_row(number, file, picks, count, count / seconds))
            entries[split] += [question(number, k, mcq) for k, mcq in enumerate(mcqs)]
    for split in rows:
        write_entries(work / f"{split}.llava.json", entries[split])
        index = {"vision": vision, "reader": "decord", "clips": rows[split], "left_out": []}
        write_json(work / f"{split}.json", index)


def index_row(number: int, file: Path, picks: list[int], count: int, fps: float) -> dict[str, Any]:
    """A clip's line of the frame index."""
    return {
        "video": f"{number}.mp4",
        "start": None,
        "end": None,
        "file": str(file),
        "frames": FRAMES,
        "height": HEIGHT,
        "width": WIDTH,
        "fps": fps,
        "frames_indices": picks,
        "total_num_frames": count,
        "vision_tokens": FRAMES // 2 * (HEIGHT // 32) * (WIDTH // 32),
    }


def question(number: int, k: int, mcq: dict[str, str]) -> dict[str, Any]:
    """An entry of the conversations."""
    from roadtrain.data.llava import entry_json, multiple_choice

    options = {letter: mcq[letter] for letter in "abcd" if letter in mcq}
    return entry_json(
        id=f"{number}_{k}",
        scenario=str(number),
        video=f"{number}.mp4",
        type="environment",
        phase="full_video",
        human=multiple_choice(mcq["question"], options),
        answer=mcq["correct"].upper(),
    )


# --------------------------------------------------------------------------------------------------- one training
@dataclass(frozen=True)
class TrainingRun:
    """One kind of sequences with one seed."""

    work: Path
    kind: str
    seed: int
    epochs: int
    toml: str  # the sample's
    deadline: float  # of time.monotonic()

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.kind}_{self.seed}"

    def report(self) -> dict[str, Any]:
        """Steps, seconds, and the accuracy after half of the epochs and after all."""
        start, log_file = time.monotonic(), self.work / f"{self.name}.log"
        results = self.work / f"r_{self.name}"
        identity = {"questions_per_video": self.kind, "seed": self.seed}
        try:
            with open(log_file, "w") as log:
                self.train(log, results)
                accuracy = {f"epoch_{n}": self.accuracy(log, results, n) for n in (self.epochs // 2, self.epochs)}
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            return identity | {"failed": str(error)[-200:], "log": log_file.read_text()[-600:]}
        steps = len(lines(results / "log.jsonl"))
        return identity | {"steps": steps, "accuracy": accuracy, "seconds": round(time.monotonic() - start, 1)}

    def train(self, log: IO[str], results: Path) -> None:
        """With the local engine on one GPU."""
        sequences, questions_per_video, mini_batch = KINDS[self.kind]
        values = {
            "annotation_path": f'"{self.work}/train.llava.json"',
            "frames_index": f'"{self.work}/train.json"',
            "kind": f'"{sequences}"',
            "questions_per_video": questions_per_video,
            "gpus": 1,
            "epoch": self.epochs,
            "seed": self.seed,
            "train_batch_per_replica": 20,
            "mini_batch": mini_batch,
            "model_name_or_path": f'"{ROOT}/specs/sample/base"',
        }
        toml = self.work / f"{self.name}.toml"
        toml.write_text(replace_values(self.toml, {key: str(value) for key, value in values.items()}, toml))
        weights = self.work / f"w_{self.name}"
        options = {"--toml": toml, "--weights": weights, "--manifests": results, "--log": results / "log.jsonl"}
        self.run(log, "scripts/train_local.py", options)

    def accuracy(self, log: IO[str], results: Path, epoch: int) -> float:
        """Of one epoch's checkpoint on the validation questions."""
        predictions = results / f"epoch_{epoch}.jsonl"
        options = {
            "--checkpoint": results / f"epoch_{epoch}.json",
            "--llava": self.work / "val.llava.json",
            "--frames": self.work / "val.json",
            "--system-prompt": PROMPT,
            "--predictions": predictions,
            "--source": predictions.with_suffix(".source.json"),
        }
        self.run(log, "scripts/evaluate_local.py", options)
        correct = [row["is_correct"] for row in lines(predictions)]
        return round(float(sum(correct)) / len(correct), 4)

    def run(self, log: IO[str], program: str, options: Mapping[str, object]) -> None:
        """Raises CalledProcessError, or TimeoutExpired at the deadline."""
        words = [str(word) for option in options.items() for word in option]
        subprocess.run(
            [sys.executable, program, *words, "--threads", "2"],
            cwd=ROOT,
            # Compiling would take longer than the run, and twelve processes would all do it.
            env=os.environ | {"TORCH_COMPILE_DISABLE": "1", "OMP_NUM_THREADS": "1"},
            stdout=log,
            stderr=log,
            check=True,
            timeout=max(1, self.deadline - time.monotonic()),
        )


if __name__ == "__main__":
    main()
