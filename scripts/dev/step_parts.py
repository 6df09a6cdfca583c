#!/usr/bin/env python3
"""What an optimizer step on a CPU is spent on, for several ways to train, side by side.

Each TOML (rendered by render_toml.py; they may differ in what is trained and in the frames) is a way, in the local engine's
own trainer, a thread. Step n of every way comes before step n + 1 of any, so that all see the same state of the machine,
and CPU seconds are counted, not the clock's. `data` is reading, tokenizing and, where they are kept, features; `backward` is that
of all parts; `rest` is clipping and logs. The first steps, in which things are read and made once, are left out.

    PYTHONPATH=scripts python scripts/dev/step_parts.py full=a/sft.toml frozen=b/sft.toml --steps 60 --output parts.json
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from statistics import median
from typing import Any

from dev import machine
from roadtrain import cli
from roadtrain.files import markdown_table, write_json
from roadtrain.model import vision
from roadtrain.model.checkpoints import checkpoint_hash
from roadtrain.model.loading import locate
from roadtrain.train import batches, run_folder
from roadtrain.train.questions import read_frame_index
from roadtrain.train.toml_config import read_train_run
from roadtrain.train.trainer import Trainer

PARTS = ("data", "tower", "projector", "language", "backward", "optimizer", "rest")
WARM_UP = 5  # steps


class Stopwatch:
    """CPU seconds of this process by part; what a part calls that is a part itself counts for that one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Its time."""
        self._charge()
        self._open.append(name)
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def wrapped(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its calls timed as a part."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return function(*args, **kwargs)

        return timed

    def _charge(self) -> None:
        now = time.process_time()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="+", metavar="NAME=TOML")
    parser.add_argument("--steps", type=int, default=60, help="timed ones (%(default)s)")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    watch = Stopwatch()
    vision.hidden_states = watch.wrapped("tower", vision.hidden_states)
    vision.project = watch.wrapped("projector", vision.project)
    with tempfile.TemporaryDirectory() as folder:
        ways = {}
        for word in args.ways:
            name, _, toml = word.partition("=")
            ways[name] = steps_of(toml, Path(folder) / name, watch)
        rows: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
        for _ in range(WARM_UP + args.steps):
            for name, steps in ways.items():
                watch.seconds.clear()
                with watch.part("rest"):
                    tokens, tower_tokens = next(steps)
                rows[name].append(dict(watch.seconds) | {"tokens": tokens, "vision_tokens": tower_tokens})
    timed = {name: summary(of_way[WARM_UP:]) for name, of_way in rows.items()}
    write_json(args.output, {"machine": machine.cpu(), "steps": args.steps, "ways": timed})
    print(table(timed))


def steps_of(toml: str, root: Path, watch: Stopwatch) -> Iterator[tuple[int, int]]:
    """A trainer's steps, one at a time: tokens of the sequence, and how many of them are vision's."""
    run = read_train_run(toml)
    frames, base = read_frame_index(run), locate(run.model)
    root.mkdir()
    origin = run_folder.fingerprint(toml, run.llava, run.frames_index, base=checkpoint_hash(base))
    trainer = Trainer(run, frames, base, root, origin, threads=1)
    step = trainer.optimizer_step
    sequence_of = watch.wrapped("data", trainer.passes.sequence)
    timed: Any
    for part, timed, name in (
        ("language", step.model, "forward"),  # less tower and projector
        ("backward", step, "_backward"),  # less the forward pass
        ("optimizer", trainer.optimizer, "step"),
    ):
        setattr(timed, name, watch.wrapped(part, getattr(timed, name)))
    number = 0
    for epoch in range(1, 1000):
        for batch in trainer.batches(epoch):
            passes = batches.passes(batch, run.mini_batch)
            sequences = [sequence_of(groups) for groups in passes]
            number += 1
            questions = sum(len(group.entries) for group in batch)
            step(sequences, [1 / questions] * len(passes), run.learning_rate, number)
            video = trainer.model.config.video_token_id
            yield (
                sum(len(one.input_ids) for one in sequences),
                sum(int((one.input_ids == video).sum()) for one in sequences),
            )


def summary(steps: list[dict[str, float]]) -> dict[str, float]:
    """Milliseconds of a step by part, of the whole step, and tokens: medians."""
    parts = {part: 1000 * median(step.get(part, 0.0) for step in steps) for part in PARTS}
    whole = 1000 * median(sum(step.get(part, 0.0) for part in PARTS) for step in steps)
    counts = {key: median(step[key] for step in steps) for key in ("tokens", "vision_tokens")}
    return {key: round(value, 2) for key, value in (parts | {"step": whole} | counts).items()}


def table(ways: dict[str, dict[str, float]]) -> str:
    """In Markdown; the last column: how many times as fast as the first way."""
    first = next(iter(ways.values()))["step"]
    head = ["way", "vision tokens", "tokens", *(f"{part} (ms)" for part in PARTS), "step (ms)", "times as fast"]
    rows = [
        [
            name,
            f"{way['vision_tokens']:.0f}",
            f"{way['tokens']:.0f}",
            *(f"{way[part]:.1f}" for part in (*PARTS, "step")),
            f"{first / way['step']:.2f}",
        ]
        for name, way in ways.items()
    ]
    return markdown_table(head, rows, numeric=[False] + [True] * (len(head) - 1))


if __name__ == "__main__":
    main()
