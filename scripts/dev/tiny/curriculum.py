"""What a step of the pre-training learns from, and how that changes while it goes on: easy material first."""

import random
import time
from collections.abc import Iterator
from typing import Any

import torch

from dev.tiny import words
from dev.tiny.batches import BUCKETS, ClipBatch, ClipQuestions, RowBatch, TextRows
from dev.tiny.pool import Pool

SHARE_EARLY = 0.12  # of letter questions while captions lead


class Batches(torch.utils.data.IterableDataset):
    """Endless (ClipBatch, RowBatch) pairs; easier ones at the start of the training. `passed.value`: the share of it
    that has passed, shared by processes."""

    def __init__(self, questions: ClipQuestions, rows: TextRows, options: Any, passed: Any, pool: Pool):
        self.questions, self.rows, self.options, self.passed, self.pool = questions, rows, options, passed, pool

    def __iter__(self) -> Iterator[tuple[ClipBatch, RowBatch]]:
        torch.set_num_threads(1)
        worker = torch.utils.data.get_worker_info()
        rng = random.Random(1000 * (self.options.seed + 1) + (worker.id if worker else 0))
        while self.pool.ready < clips_at_first(self.options):
            time.sleep(0.05)
        while True:
            yield self.draw(rng, self.passed.value, rng.choice(BUCKETS))

    def draw(
        self, rng: random.Random, passed: float, bucket: tuple[int, int, int], captions: bool | None = None
    ) -> tuple[ClipBatch, RowBatch]:
        """First captions and look-ups of few single words, then letters, phrases, all words."""
        options = self.options
        passed_text = passed
        if options.start is not None:  # a second stage knows its look-ups and sees
            passed_text, passed = 1.0, 0.3 + 0.7 * passed
        vocabulary = words.TRAINED[: 200 if passed_text < 0.05 else 1000 if passed_text < 0.12 else None]
        if captions is None:
            captions = rng.random() < (1 - SHARE_EARLY if passed < 0.3 else 0.8 - passed if passed < 0.55 else 0.2)
        first, end = self.pool.window()
        clips = [rng.randrange(first, max(end, 1)) for _ in range(options.clip_batch * (2 if captions else 1))]
        self.questions.languages = languages_in_use(self.passed.value, options)
        if captions:
            batch = self.questions.captions(rng, bucket, clips)
        else:
            batch = self.questions.batch(rng, bucket, clips, options.slots, 0.7)
        simple, dense = passed_text < 0.05, 0.8 if passed_text < 0.12 else 0.5
        return batch, self.rows.batch(rng, options.text_batch, vocabulary, simple, dense)


def clips_at_first(options: Any) -> int:
    """Clips that the training begins with."""
    return min(options.clips // 8, 4000)


def languages_in_use(passed: float, options: Any) -> list[int]:
    """One alone for a fifth of the training, then others, each for a time; the last ones stay.
    Another seed, other languages."""
    last = round(options.languages * min(1.0, max(0.0, (passed - 0.2) / 0.6)))
    return [1000 * options.seed + k for k in range(max(0, last - options.speaking + 1), last + 1)]
