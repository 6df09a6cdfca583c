#!/usr/bin/env python3
"""How a base model takes to the sample: zero-shot accuracy and a quick SFT on scenes of an unused seed, in memory.

No files, no pipeline, so that it runs beside the pre-training on a GPU. The pipeline's own numbers are the ones
that count; these choose nothing but the base.
"""
import argparse
import math
import os
import random
import sys
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

from roadtrain import torchvision_cpu  # noqa: E402

torchvision_cpu.ensure()
from roadtrain.sample import render, scenes, tree  # noqa: E402
from roadtrain.tiny.batches import Encoder, timestamps  # noqa: E402
from roadtrain.tiny.forward import Forward, patchify  # noqa: E402

SEED = 771_003              # of the probe's scenes: used nowhere else
TRAIN, VAL = 240, 60      # scenarios
SLOT = 72                   # tokens of the longest question with its answer (70), padded
SETTINGS = {"nframes8": (96, 160), "fps2": (64, 128)}


def frames_of(setting: str, scene) -> int:
    """How many frames a video setting takes: 8, or two a second, an even number."""
    return 8 if setting == "nframes8" else int(scene.seconds * 2) // 2 * 2


def draw(job) -> np.ndarray:
    """One video in a setting's shape: uint8 (T, H, W, 3)."""
    import cv2
    cv2.setNumThreads(1)
    setting, scene, camera = job
    height, width = SETTINGS[setting]
    everything = list(render.frames(scene, scene.camera(camera)))
    picks = np.linspace(0, len(everything) - 1, frames_of(setting, scene)).round().astype(int)
    return np.stack([cv2.resize(everything[i], (width, height), interpolation=cv2.INTER_AREA) for i in picks])


class Videos:
    """The videos of one split in one setting, with their questions as token slots."""

    def __init__(self, encode: Encoder, setting: str, split: str, cameras: int, pool):
        self.setting, self.items = setting, []
        spec = tree.SampleSpec(seed=SEED, train=TRAIN if split == "train" else 0, val=VAL if split == "val" else 0)
        chosen = [(setting, scene, f"Camera{c}_0.mp4") for i, scene in enumerate(scenes.scenes(spec))
                  for c in range(1, 1 + (cameras if i % 2 == 0 else 1))]
        for (_, scene, _), frames in zip(chosen, pool(draw, chosen)):
            slots, letters = [], []
            for question in scene.mcqs():
                options = [question[letter] for letter in "abcd" if letter in question]
                ids = encode(question["question"]) + encode.choices(options) + encode.tail + encode.reply
                letters.append(encode(question["correct"].upper())[0])
                slots.append(ids + [letters[-1], encode.end[0]])
            self.items.append((frames, timestamps(len(frames), scene.seconds), slots, letters))
        self.encode = encode

    def batches(self, size: int, rng: random.Random | None):
        """Batches of `size` videos with equally many frames, in random order if rng is given."""
        groups: dict[int, list] = {}
        for item in self.items:
            groups.setdefault(len(item[0]), []).append(item)
        made = []
        for group in groups.values():
            if rng:
                rng.shuffle(group)
            made += [group[i:i + size] for i in range(0, len(group), size)]
        if rng:
            rng.shuffle(made)
        return made

    def run(self, forward: Forward, batch):
        """(logits, targets) at the answer's letter and its end, in turn, of every question of a batch."""
        frames = torch.from_numpy(np.stack([item[0] for item in batch])).to(forward.device)
        count, pad = len(batch[0][2]), self.encode.pad
        slots = torch.tensor([[ids + [pad] * (SLOT - len(ids)) for ids in item[2]] for item in batch])
        height, width = frames.shape[2:4]
        hidden = []
        prefix = self.encode.video(batch[0][1], height * width // 1024)     # one clip's stamps stand for the batch's
        layout = forward.layout(prefix, tuple(frames.shape[1:4]), count, SLOT)
        hidden = forward.clips(layout, patchify(frames), slots.to(forward.device))
        at = torch.tensor([(b * count + k) * SLOT + len(ids) - 3 + e for b, item in enumerate(batch)
                           for k, ids in enumerate(item[2]) for e in (0, 1)], device=forward.device)
        target = torch.tensor([ids[-2 + e] for item in batch for ids in item[2] for e in (0, 1)])
        return forward.logits(hidden, at), target.to(forward.device)


@torch.no_grad()
def accuracy(forward: Forward, videos: Videos) -> tuple[float, dict[str, float]]:
    """(mean, by question): the most probable token is the right letter."""
    rows = []
    for batch in videos.batches(20, None):
        logits, target = videos.run(forward, batch)
        rows.append((logits.argmax(-1) == target)[::2].reshape(len(batch), -1).cpu())
    right = torch.cat(rows).float()
    return right.mean().item(), dict(zip(scenes.QUESTIONS, right.mean(0).tolist()))


def sft(model, train: Videos, size: int, rate: float, epochs: int, seed: int) -> float:
    """AdamW with warm-up and cosine; returns the mean loss of the last 20 steps."""
    rng, forward = random.Random(seed), Forward(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    plan = [batch for _ in range(epochs) for batch in train.batches(size, rng)]
    losses = []
    for step, batch in enumerate(plan):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 10) * (0.5 + 0.5 * math.cos(math.pi * step / len(plan)))
        logits, target = train.run(forward, batch)
        loss = F.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return sum(losses[-20:]) / len(losses[-20:])


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path, help="the base model's directory")
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--rates", nargs="*", type=float, default=[5e-4, 1e-3, 2e-3])
    parser.add_argument("--sizes", nargs="*", type=int, default=[4], help="videos in an optimizer step")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args(argv)

    from multiprocessing import get_context

    from transformers import AutoModelForImageTextToText, AutoProcessor
    processor = AutoProcessor.from_pretrained(given.base)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with get_context("spawn").Pool(os.cpu_count()) as workers:
        encode = Encoder(processor.tokenizer)
        sets = {s: [Videos(encode, s, *part, workers.map) for part in (("train", 2), ("val", 1))]
                for s in given.settings}
    load = lambda: AutoModelForImageTextToText.from_pretrained(given.base, dtype=torch.float32).to(device)
    for setting, (train, val) in sets.items():
        mean, by_question = accuracy(Forward(load()), val)
        print(f"{setting}: {len(train.items)} train, {len(val.items)} val videos; zero-shot {mean:.3f}",
              {name: round(value, 2) for name, value in by_question.items()}, flush=True)
        for size in given.sizes:
            for rate in given.rates:
                for seed in range(given.seeds):
                    started, model = time.time(), load()
                    loss = sft(model, train, size, rate, given.epochs, seed)
                    mean, by_question = accuracy(Forward(model), val)
                    print(f"{setting} SFT {len(train.items) * given.epochs} presentations, batch {size}, rate {rate}, "
                          f"seed {seed}: {mean:.3f} loss {loss:.3f} {time.time() - started:.0f} s",
                          {name: round(value, 2) for name, value in by_question.items()}, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
