#!/usr/bin/env python3
"""How base models take to the sample: zero-shot accuracy and SFT on scenes of an unused seed, in memory.

No files of the pipeline, so that it runs beside the pre-training on a GPU: drawn frames without H.264, the pipeline's
optimizer and order of questions. The pipeline's own numbers are the ones that count; these choose only between bases
and between settings. Several trainings at a time share the GPU.

    PYTHONPATH=scripts python scripts/dev/probe_base.py --draw /tmp/scenes.pt                                   draw the scenes, once
    PYTHONPATH=scripts python scripts/dev/probe_base.py --scenes /tmp/scenes.pt specs/sample/base --seeds 3     a line for each training
"""

import argparse
import os
import random
import sys
import time
from dataclasses import replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from dev.tiny.batches import SLOT, Encoder, timestamps
from dev.tiny.forward import Forward, patchify
from roadtrain import torchvision_cpu
from roadtrain.sample import render, scenes, tree
from roadtrain.train.optimizer import Optimizers, learning_rate

SEED = 771_003  # of the probe's scenes: used nowhere else
SETTINGS = ("nframes8", "fps2")


def shape_of(setting: str, scene) -> tuple[int, int, int]:
    """(frames, height, width) that a video setting of specs/sample.yaml makes of a scene's video."""
    if setting == "nframes8":
        return 8, 96, 160
    frames = int(scene.seconds * 2) // 2 * 2
    return (8, 96, 192) if frames == 8 else (frames, 96, 160)


def draw(scene: scenes.Scene) -> list[np.ndarray]:
    """One scene's video in every setting: uint8 (T, H, W, 3)."""
    import cv2

    cv2.setNumThreads(1)
    clips = []
    everything = list(render.frames(scene, scene.camera("Camera1_0.mp4")))
    for setting in SETTINGS:
        count, height, width = shape_of(setting, scene)
        picks = np.linspace(0, len(everything) - 1, count).round().astype(int)
        clips.append(
            np.stack([cv2.resize(everything[i], (width, height), interpolation=cv2.INTER_AREA) for i in picks])
        )
    return clips


def draw_all(path: Path, train: int, val: int, processes: int) -> None:
    """The videos of a sample in every setting as NumPy's file; its scenes follow from the seed and the two numbers."""
    with get_context("spawn").Pool(processes) as workers:
        videos = workers.map(draw, scenes.scenes(tree.SampleSpec(seed=SEED, train=train, val=val)), chunksize=4)
    clips = {
        f"{video}.{setting}": clip for video, all_of_it in enumerate(videos) for setting, clip in enumerate(all_of_it)
    }
    with open(path, "wb") as stream:
        np.savez(stream, counts=np.array([train, val]), **clips)


def read_scenes(path: str) -> dict[str, list]:
    """{split: [(scene, frames by setting)]} of what draw_all wrote."""
    with np.load(path, allow_pickle=False) as kept:
        train, val = kept["counts"].tolist()
        todo = scenes.scenes(tree.SampleSpec(seed=SEED, train=train, val=val))
        pairs = [(scene, [kept[f"{n}.{k}"] for k in range(len(SETTINGS))]) for n, scene in enumerate(todo)]
    return {"train": pairs[:train], "val": pairs[train:]}


class Videos:
    """Videos of one setting with their questions as token slots."""

    def __init__(self, encode: Encoder, setting: str, pairs: list):
        self.encode, self.items = encode, []
        for scene, clips in pairs:
            frames = clips[SETTINGS.index(setting)]
            slots = []
            for question in scene.mcqs():
                options = [question[letter] for letter in "abcd" if letter in question]
                ids = encode(question["question"]) + encode.choices(options) + encode.tail + encode.reply
                slots.append(ids + [encode(question["correct"].upper())[0], encode.end[0]])
            self.items.append((frames, timestamps(len(frames), scene.seconds), slots))

    def run(self, forward: Forward, item):
        """(logits, targets) at the answer's letter and its end, in turn, of every question of a video."""
        frames, stamps, questions = item
        count = len(questions)
        slots = torch.full((1, count, SLOT), self.encode.pad)
        for k, ids in enumerate(questions):
            slots[0, k, : len(ids)] = torch.tensor(ids)
        prefix = self.encode.video(stamps, frames.shape[1] * frames.shape[2] // 1024)
        layout = forward.layout(prefix, frames.shape[:3], count, SLOT)
        hidden = forward.clips(
            layout, patchify(torch.from_numpy(frames)[None].to(forward.device)), slots.to(forward.device)
        )
        at = torch.tensor([k * SLOT + len(ids) - 3 + e for k, ids in enumerate(questions) for e in (0, 1)])
        target = torch.tensor([ids[-2 + e] for ids in questions for e in (0, 1)])
        return forward.logits(hidden, at.to(forward.device)), target.to(forward.device)


@torch.no_grad()
def accuracy(forward: Forward, videos: Videos) -> tuple[float, dict[str, float]]:
    """(mean, by question): the most probable token is the right letter."""
    rows = []
    for item in videos.items:
        logits, target = videos.run(forward, item)
        rows.append((logits.argmax(-1) == target)[::2])
    right = torch.stack(rows).float().cpu()
    return right.mean().item(), {
        name: round(v, 2) for name, v in zip(scenes.QUESTIONS, right.mean(0).tolist(), strict=False)
    }


def sft(model, train: Videos, options, rate: float, epochs: int, seed: int, look) -> float:
    """One video a step, as specs/sample.yaml; calls `look(epoch)` after each but the last epoch; returns the mean loss
    of the last 20 steps."""
    rng, forward = random.Random(seed), Forward(model)
    optimizer = Optimizers(model, "Muon", rate, options.weight_decay, embedding_rate=rate * options.embedding_scale)
    plan = [item for _ in range(epochs) for item in rng.sample(train.items, len(train.items))]
    last = []
    for step, item in enumerate(plan):
        logits, target = train.run(forward, item)
        loss = F.cross_entropy(logits, target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(learning_rate(step, peak=rate, schedule="cosine", warmup=options.warmup, total=len(plan)))
        if step >= len(plan) - 20:
            last.append(loss.item())
        elif (step + 1) % len(train.items) == 0:
            look((step + 1) // len(train.items))
    return sum(last) / len(last)


def train_and_probe(job: tuple) -> None:
    """One training and its line."""
    base, setting, scenarios, rate, epochs, seed, options = job
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # transformers reads it when it is imported
    torchvision_cpu.ensure()
    from transformers import AutoModelForImageTextToText, AutoProcessor

    torch.set_num_threads(1)
    started = time.time()
    for name, question in scenes.QUESTIONS.items():
        scenes.QUESTIONS[name] = replace(question, offered=options.offered or question.offered)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encode = Encoder(AutoProcessor.from_pretrained(base, trust_remote_code=False).tokenizer)
    pairs = read_scenes(options.scenes)
    train, val = Videos(encode, setting, pairs["train"][:scenarios]), Videos(encode, setting, pairs["val"])
    model = AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32, trust_remote_code=False).to(device)
    name = (
        f"{base} {setting} {scenarios} scenarios x {epochs} epochs, rate {rate}, offered {options.offered}, seed {seed}"
    )

    def look(epoch: int, loss: float = float("nan")) -> None:
        mean, by_question = accuracy(Forward(model), val)
        print(
            f"{name}: epoch {epoch} {mean:.3f} loss {loss:.3f} {time.time() - started:.0f} s {by_question}", flush=True
        )

    look(epochs, sft(model, train, options, rate, epochs, seed, look) if epochs else float("nan"))


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bases", nargs="*", type=Path, help="directories of base models")
    parser.add_argument("--draw", type=Path, help="draw the scenes into this file and stop")
    parser.add_argument("--train", type=int, default=400, help="scenes to draw (%(default)s)")
    parser.add_argument("--val", type=int, default=100, help="scenes to draw (%(default)s)")
    parser.add_argument("--scenes", type=Path, help="the file to use")
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--scenarios", nargs="*", type=int, default=[400], help="of those drawn (%(default)s)")
    parser.add_argument("--rates", nargs="*", type=float, default=[1e-3])
    parser.add_argument("--epochs", nargs="*", type=int, default=[2], help="0: zero-shot (%(default)s)")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument(
        "--offered", type=int, default=0, help="options of a question at most (default: as the sample does)"
    )
    parser.add_argument(
        "--embedding-scale", type=float, default=3.0, help="of the rate, for the token embeddings (%(default)s)"
    )
    parser.add_argument("--warmup", type=int, default=60)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at a time (%(default)s)")
    options = parser.parse_args(argv)
    if options.draw:
        draw_all(options.draw, options.train, options.val, options.processes)
        return 0
    jobs = [
        (*job, options)
        for job in product(
            options.bases, options.settings, options.scenarios, options.rates, options.epochs, range(options.seeds)
        )
    ]
    with get_context("spawn").Pool(min(options.processes, len(jobs)), maxtasksperchild=1) as workers:
        for _ in workers.imap_unordered(train_and_probe, jobs, chunksize=1):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
