"""Held-out accuracy during and after the pre-training: clips never seen, words never seen."""

import random

import torch
import torch.nn.functional as F

from . import lookups, words
from .batches import BUCKETS, ClipBatch, ClipQuestions, Encoder, TextRows, frame_indices
from .forward import Forward, patchify


def send(tensor: torch.Tensor, device) -> torch.Tensor:
    """A small CPU tensor to the device without waiting for the work that is queued there."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def bucket_frames(pool: torch.Tensor, clips: list[int], bucket: tuple[int, int, int], device) -> torch.Tensor:
    """Frames of some clips in a bucket's shape: (B, T, H, W, 3) float 0..255, averaged down on the device."""
    frames, height, width = bucket
    rows, columns = send(torch.tensor(clips), pool.device), send(torch.tensor(frame_indices(frames)), pool.device)
    x = pool[rows[:, None], columns].to(device)
    x = x.flatten(0, 1).permute(0, 3, 1, 2).float()
    if x.shape[2:] != (height, width):
        x = F.interpolate(x, (height, width), mode="area")
    return x.permute(0, 2, 3, 1).reshape(len(clips), frames, height, width, 3)


def moved_frames(
    pool: torch.Tensor, clips: list[int], mirror: list[bool], bucket: tuple[int, int, int]
) -> torch.Tensor:
    """As bucket_frames, but each clip mirrored as told, moved and zoomed a little: no picture comes twice."""
    frames, height, width = bucket
    count, device = len(clips), pool.device
    x = pool[send(torch.tensor(clips), device)[:, None], send(torch.tensor(frame_indices(frames)), device)]
    x = x.permute(0, 1, 4, 2, 3).flatten(1, 2).to(torch.float16 if device.type == "cuda" else torch.float32)
    zoom = torch.rand(count, 2, device=device) * 0.1 + 0.95
    turn = 1 - 2 * send(torch.tensor(mirror, dtype=torch.float32), device)
    theta = torch.zeros(count, 2, 3, device=device)
    theta[:, 0, 0], theta[:, 1, 1] = zoom[:, 0] * turn, zoom[:, 1]
    theta[:, :, 2] = torch.rand(count, 2, device=device) * 0.1 - 0.05  # 2.5 % of the picture either way
    grid = F.affine_grid(theta, [count, 1, height, width], align_corners=False).to(x.dtype)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    return x.reshape(count, frames, 3, height, width).permute(0, 1, 3, 4, 2).float()


def letters(forward: Forward, batch: ClipBatch, pool: torch.Tensor) -> list[bool]:
    """For every letter question of a batch, whether the most probable token is the right letter."""
    layout = forward.layout(batch.prefix, batch.bucket, *batch.slots.shape[1:])
    frames = bucket_frames(pool, batch.clips, batch.bucket, forward.device)
    hidden = forward.clips(layout, patchify(frames), batch.slots.to(forward.device))
    guess = forward.logits(hidden, torch.tensor(batch.letter_at, device=forward.device)).argmax(-1).cpu()
    return (guess == torch.tensor(batch.letter)).tolist()


@torch.no_grad()
def clip_accuracy(
    forward: Forward, questions: ClipQuestions, pool: torch.Tensor, seed: int = 5, buckets=(BUCKETS[0], BUCKETS[4])
) -> dict[str, float]:
    """Accuracy by attribute on all clips of a pool, four options, the recipe's sentence; key "all" is the mean."""
    rng, right = random.Random(seed), {}
    for start in range(0, len(pool), 80):
        clips = list(range(start, min(start + 80, len(pool))))
        batch = questions.batch(rng, buckets[start // 80 % len(buckets)], clips, 12, 0.8)
        for name, hit in zip(batch.name, letters(forward, batch, pool), strict=False):
            right.setdefault(name, []).append(hit)
    total = [hit for hits in right.values() for hit in hits]
    return {"all": sum(total) / len(total), **{n: sum(hits) / len(hits) for n, hits in sorted(right.items())}}


@torch.no_grad()
def lookup_accuracy(
    forward: Forward, encode: Encoder, vocabulary: list[str], count: int = 300, seed: int = 6
) -> tuple[float, float]:
    """(look-ups, facts): share of right letters among `count` single questions with four options each."""
    rng, rows = random.Random(seed), TextRows(encode)
    hits = {"lookup": [], "fact": []}
    for kind in hits:
        tokens, at, target = [], [], []
        for _ in range(count):
            options = words.random_options(rng, vocabulary, 4)
            correct = rng.randrange(4)
            question = f"Which is {options[correct]}?"
            if kind == "fact":
                things, other = rng.sample(vocabulary, 2), options[(correct + 1) % 4]
                question = (
                    f"The {things[0]} is {options[correct]}. The {things[1]} is {other}. \n What is the {things[0]}?"
                )
            ids, marks = rows.conversation([(question + lookups.options_text(options), "ABCD"[correct])])
            if marks:
                tokens.append(ids), at.append(marks[0][0] - 1), target.append(marks[0][1][0])
        length = max(map(len, tokens))
        padded = torch.tensor([ids + [encode.pad] * (length - len(ids)) for ids in tokens], device=forward.device)
        flat = torch.tensor([row * length + a for row, a in enumerate(at)], device=forward.device)
        guess = forward.logits(forward.rows(padded), flat).argmax(-1).cpu()
        hits[kind] = (guess == torch.tensor(target)).float().mean().item()
    return hits["lookup"], hits["fact"]
