"""The pre-training's loop: losses, schedule, steps, and what it says while it goes on."""

import functools
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from dev.tiny import guide, progress
from dev.tiny.batches import BUCKETS, ClipBatch, RowBatch
from dev.tiny.curriculum import Batches, languages_in_use
from dev.tiny.forward import Forward, patchify
from dev.tiny.muon import MuonAdamW
from dev.tiny.pool import Pool


def schedule(step: int, passed: float) -> float:
    """Factor on the learning rates: warm-up, 40 % flat, then a cosine to zero."""
    warm = min(1.0, (step + 1) / 200)
    return warm * (1.0 if passed < 0.4 else 0.5 + 0.5 * math.cos(math.pi * (passed - 0.4) / 0.6))


def losses_of(
    forward: Forward,
    clips: ClipBatch,
    rows: RowBatch | None,
    frames: torch.Tensor,
    head: guide.Guide | None = None,
    reach: bool = True,
) -> torch.Tensor:
    """(clips, text, guide): mean cross-entropy at the answers and of the guide. rows and head may be None.
    reach: the guide's gradient goes on into the vision tower."""
    device = forward.device
    send = functools.partial(progress.send, device=device)
    layout = forward.layout(clips.prefix, clips.bucket, *clips.slots.shape[1:])
    patches = patchify(frames)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        clip_logits = forward.logits(forward.clips(layout, patches, send(clips.slots)), send(clips.at))
        grid = (clips.bucket[0] // 2, clips.bucket[1] // 32, clips.bucket[2] // 32)
        guide_logits = None if head is None else head(forward.tokens if reach else forward.tokens.detach(), grid)
        row_logits = None if rows is None else forward.logits(forward.rows(send(rows.ids)), send(rows.at))
    first = F.cross_entropy(clip_logits, send(clips.target))
    second = first * 0 if rows is None else F.cross_entropy(row_logits, send(rows.target))
    third = first * 0 if head is None else guide.guide_loss(guide_logits, clips.attributes)
    return torch.stack([first, second, third])


def warm_up(forward: Forward, batches: Batches, optimizer: MuonAdamW) -> str:
    """Compile every shape, on blank frames, while clips are being drawn. Returns how long a step then takes."""
    rng, durations = random.Random(0), {}
    for bucket in (BUCKETS[0], BUCKETS[2], BUCKETS[0]):
        for captions in (False, True):
            clips, rows = batches.draw(rng, 0.5, bucket, captions)
            blank = torch.zeros(len(clips.clips), *bucket, 3, device=forward.device)
            torch.cuda.synchronize()
            began = time.time()
            losses_of(forward, clips, rows, blank).sum().backward()
            issued = time.time()
            torch.cuda.synchronize()
            durations["captions" if captions else "letters"] = (
                f"{1e3 * (issued - began):.0f}/{1e3 * (time.time() - began):.0f} ms"
            )
            optimizer.zero_grad()
    return f"(issued/done) {durations}"


@dataclass
class Pretraining:
    """What the loop works with. `passed.value`: the share of the training that has passed, shared by processes."""

    forward: Forward
    head: guide.Guide
    optimizer: MuonAdamW
    loader: Iterator[tuple[ClipBatch, RowBatch]]
    pool: Pool
    options: Any
    passed: Any
    evaluate: Callable[[], str]
    save: Callable[[], None]
    log: Callable[[str], None]

    def run(self) -> None:
        """A batch of clips and one of text rows a step; once look-ups are learned, text every third step."""
        self.guides = torch.optim.AdamW(self.head.parameters(), lr=2e-3, betas=(0.9, 0.95), weight_decay=0.02)
        self.started = time.time()
        self._begin_report()
        step = 0
        while self.passed.value < 1:
            before = time.time()
            clips, rows = next(self.loader)
            self.waited += time.time() - before
            text = (self.passed.value < 0.5 and self.options.start is None) or step % 3 == 0
            self._step(step, clips, rows if text else None)
            step += 1
            seconds = time.time() - self.started
            self.passed.value = (
                step / self.options.steps if self.options.steps else seconds / (60 * self.options.minutes)
            )
            if step % self.options.report == 0 or self.passed.value >= 1:
                self._report(step)
                self.save()
                self._begin_report()

    def _step(self, step: int, clips: ClipBatch, rows: RowBatch | None) -> None:
        places = [i % self.pool.capacity for i in clips.clips]
        frames = progress.moved_frames(self.pool.clips, places, clips.mirrored, clips.bucket)
        reach = self.passed.value >= self.options.guide_from
        losses = losses_of(self.forward, clips, rows, frames, self.head, reach)
        self.optimizer.zero_grad()
        self.guides.zero_grad()
        fade = min(1.0, max(0.0, (0.9 - self.passed.value) / 0.4))
        (losses[0] + 0.5 * losses[1] + fade * losses[2]).backward()
        torch.nn.utils.clip_grad_norm_(self.optimizer.parameters, 1.0, foreach=True)
        self.optimizer.step(schedule(step, self.passed.value))
        self.guides.step()
        kind = 1 if clips.letter else 0
        self.sums[3] += losses[2].detach()
        self.sums[kind] += losses[0].detach()
        self.sums[2] += losses[1].detach()
        self.counts[kind] += 1
        self.counts[2] += rows is not None

    def _begin_report(self) -> None:
        self.sums = torch.zeros(4, device=self.forward.device)
        self.counts = [0, 0, 0]  # captions, letters, text; the guide's is the sum of the first two
        self.since, self.waited = time.time(), 0.0

    def _report(self, step: int) -> None:
        steps = self.counts[0] + self.counts[1]
        captions, letters, text, guided = (
            value / max(1, n) for value, n in zip(self.sums.tolist(), (*self.counts, steps), strict=False)
        )
        now = time.time()
        self.log(
            f"step {step} {now - self.started:.0f} s {steps / (now - self.since):.1f} steps/s waited {self.waited:.1f} s"
            f" clips {self.pool.ready} language {languages_in_use(self.passed.value, self.options)[-1]}"
            f" loss captions {captions:.3f} letters {letters:.3f} text {text:.3f} guide {guided:.3f}"
            f" | {self.evaluate()}"
        )
