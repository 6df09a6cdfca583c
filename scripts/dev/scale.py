#!/usr/bin/env python3
"""What a large run costs on 1, 8, 64 and 512 GPUs, and where it stops scaling: from unit costs that were measured.

Two runs are in the program (--run): `post-training`, 60,000 videos and a million questions, and `cameras`, the day of 1,000
cameras, asked and not trained. Unit costs are read from the benchmarks' JSON in docs/figures; what nobody here has measured
is called assumed. Every figure may be another: --set NAME=VALUE, or a YAML file of such lines. Times are of the work
alone: no queue, no start, no second try.

    PYTHONPATH=scripts python scripts/dev/scale.py
    PYTHONPATH=scripts python scripts/dev/scale.py --run cameras --set cameras=200 --set network_gbit=100 --gpus 1 4 16
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dev.scale_figures import DAY, FIGURES, RUNS, own_figures, read_figures, renewed
from roadtrain import cli
from roadtrain.files import write_text
from roadtrain.model.flops import Architecture, architecture
from roadtrain.train import memory
from roadtrain.train.preflight.exchange import GRADIENT_BYTES, link_bytes, seconds_of_nodes

GPUS_A_NODE = 8
TOKENS = (2880, 7733)  # vision tokens of a video in the two published settings
GPU_MEMORY = 80 * 2**30


@dataclass(frozen=True)
class Costs:
    """Of one run on so many GPUs. Seconds are the clock's, with all GPUs at work."""

    gpus: int
    values: dict[str, float]
    arch: Architecture

    @cached_property
    def run(self) -> SimpleNamespace:
        """The figures by their names."""
        return SimpleNamespace(**self.values)

    @property
    def nodes(self) -> int:
        return math.ceil(self.gpus / GPUS_A_NODE)

    @property
    def trained_videos(self) -> float:
        return self.run.videos * (1 - self.run.val_share)

    @property
    def share(self) -> float:
        """Of the measured time of a video, by how many questions it has."""
        return self.run.questions / self.run.videos / self.run.questions_video

    @property
    def checkpoints(self) -> float:
        """Of an ablation that are asked: zero-shot, every epoch, one quantized."""
        return self.run.epochs + 2 if self.run.epochs else 1

    @property
    def steps(self) -> int:
        """Optimizer steps of one ablation."""
        return round(self.run.epochs * self.run.questions * (1 - self.run.val_share) / (self.run.batch * self.gpus))

    @property
    def training(self) -> float:
        """Seconds of all ablations, one after the other, by the GPUs alone."""
        return (
            self.run.ablations * self.run.epochs * self.trained_videos * self.run.train_video * self.share / self.gpus
        )

    @property
    def exchanged(self) -> float:
        """Bytes: weights in bfloat16 and gradients, once a step."""
        trained = memory.Learning.of(self.arch).weights
        return self.run.ablations * self.steps * (2 + GRADIENT_BYTES) * trained

    @property
    def training_range(self) -> tuple[float, float]:
        """Seconds of training at least and at most, by how much of the exchange GPUs hide."""
        if self.nodes == 1:
            return self.training, self.training
        return seconds_of_nodes(self.training, self.exchanged, self.gpus, self.run.network_gbit)

    @property
    def asking(self) -> float:
        """Seconds of all evaluations."""
        return (
            self.run.ablations
            * self.checkpoints
            * self.run.videos
            * self.run.val_share
            * self.run.ask_video
            * self.share
            / self.gpus
        )

    @property
    def decode_video(self) -> float:
        """Core seconds of a video: both settings in one pass, or the smaller one alone."""
        return self.run.seconds * self.run.decode_second * (1 if self.run.settings == 2 else self.run.decode_alone)

    @property
    def gpu_video(self) -> float:
        """GPU seconds of a video, where most of them go: to training, if there is any."""
        return (self.run.train_video if self.run.epochs else self.run.ask_video) * self.share

    @property
    def decode_hours(self) -> float:
        """Core-hours."""
        return self.run.videos * self.decode_video / 3600

    @property
    def decode_cores(self) -> float:
        """Cores a GPU that decode as fast as it trains, or asks."""
        return self.decode_video / self.gpu_video

    @property
    def raw(self) -> float:
        return self.run.videos * self.run.seconds * self.run.video_mbit / 8 * 1e6

    @property
    def cache(self) -> float:
        """Bytes of the settings' frames."""
        return self.run.videos * self.run.frames_bytes * sum(TOKENS[: int(self.run.settings)])

    @property
    def reading(self) -> float:
        """Bytes a second that all GPUs read from the cache."""
        return self.gpus * self.run.frames_bytes * TOKENS[0] / self.gpu_video

    @property
    def kept(self) -> float:
        """Bytes of checkpoints: an export an epoch, and one state, for each ablation."""
        return (
            self.run.ablations * (self.run.epochs * 2 + (memory.STATE if self.run.epochs else 0)) * self.arch.parameters
        )

    @property
    def state_seconds(self) -> float:
        """To write a state and an export: what a kill in an epoch may cost less than."""
        return (memory.STATE + 2) * self.arch.parameters / (self.run.storage_gb * 1e9)

    @property
    def predictions(self) -> float:
        return (
            self.run.ablations * self.checkpoints * self.run.questions * self.run.val_share * self.run.prediction_bytes
        )

    @property
    def scoring(self) -> float:
        """Core seconds."""
        return self.predictions / self.run.prediction_bytes * self.run.score_question

    @property
    def jobs(self) -> float:
        """Of the DAG: an evaluation has a shard a GPU."""
        return self.run.ablations * (self.run.jobs_ablation + self.checkpoints * (self.gpus - 1))

    @property
    def memory_gib(self) -> float:
        """Of a GPU in training, without checkpointing activations, one video in a pass."""
        sizes: dict[str, Any] = {"tokens": TOKENS[0] + 1_280, "patches": 4 * TOKENS[0]}  # 16 questions of 80 tokens
        plan = memory.choose(self.arch, GPU_MEMORY, "auto", ranks=self.gpus, **sizes)
        return plan.bytes / 2**30


ROWS: dict[str, Callable[[Costs], str]] = {
    "nodes of 8 GPUs": lambda c: f"{c.nodes:,}",
    "training, h": lambda c: between(*(one / 3600 for one in c.training_range)) if c.run.epochs else "-",
    "optimizer steps of an ablation": lambda c: f"{c.steps:,}" if c.run.epochs else "-",
    "questions a step": lambda c: f"{c.run.batch * c.gpus:,.0f}" if c.run.epochs else "-",
    "each node sends a step, GB": lambda c: (
        f"{link_bytes(c.exchanged, c.gpus) / c.run.ablations / c.steps / 1e9:.1f}"
        if c.nodes > 1 and c.run.epochs
        else "-"
    ),
    "memory a GPU, GiB": lambda c: f"{c.memory_gib:.0f}" if c.run.epochs else "-",
    "asking, h": lambda c: number(c.asking / 3600),
    "decoding, h on one node": lambda c: number(c.decode_hours / c.run.node_cores),
    "decoding beside the GPUs, cores a GPU": lambda c: number(c.decode_cores),
    "read from the cache, GB/s": lambda c: number(c.reading / 1e9),
    "raw video, TB": lambda c: number(c.raw / 1e12),
    "frame cache, TB": lambda c: number(c.cache / 1e12),
    "checkpoints, GB": lambda c: number(c.kept / 1e9),
    "an epoch's state and export, s": lambda c: number(c.state_seconds) if c.run.epochs else "-",
    "conversations and predictions, GB": lambda c: number(
        (c.run.questions * c.run.conversation_bytes + c.predictions) / 1e9
    ),
    "scoring, core s": lambda c: number(c.scoring),
    "jobs": lambda c: f"{c.jobs:,.0f}",
    "a plan, s": lambda c: number(c.jobs * c.run.plan_job),
}


def limits(costs: list[Costs]) -> list[str]:
    """Where it stops scaling, in words: the first number of GPUs at which something else decides."""
    lines, one = [], costs[0]
    if one.run.epochs:
        most = one.run.step_questions * one.run.videos / one.run.questions
        lines.append(
            f"a step of {one.run.step_questions:.0f} questions is about {most:.0f} videos: on more GPUs than that a step is larger"
        )
        hidden = [c.gpus for c in costs if c.nodes > 1 and c.training_range[0] > c.training]
        lines.append(
            f"from {hidden[0]} GPUs on the network is slower than the GPUs"
            if hidden
            else "the network is never the slower part"
        )
    else:
        needed = math.ceil(one.asking * one.gpus / DAY)
        lines.append(f"a day's video is asked in a day by {needed} GPUs")
        lines.append(f"and decoded in a day by {math.ceil(one.decode_hours / 24)} cores")
    late = [c.gpus for c in costs if c.asking / c.run.ablations / c.checkpoints < c.run.job_start]
    lines.append(
        f"from {late[0]} GPUs on a job that asks a checkpoint starts longer than it asks"
        if late
        else "jobs ask for longer than they start"
    )
    slow = [c.gpus for c in costs if c.reading > c.run.storage_gb * 1e9]
    lines.append(
        f"from {slow[0]} GPUs on the shared file system is slower than the GPUs"
        if slow
        else "the file system is never the slower part"
    )
    behind = [
        c.gpus
        for c in costs
        if c.decode_hours / c.run.node_cores * 3600 > (c.training_range[1] if c.run.epochs else c.asking)
    ]
    lines.append(
        f"from {behind[0]} GPUs on decoding, one job on one node, takes longer than all that GPUs do"
        if behind
        else "decoding is never the longest part"
    )
    return lines


def number(value: float) -> str:
    """With three digits or all whole ones."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def between(least: float, most: float) -> str:
    return number(least) if number(least) == number(most) else f"{number(least)} to {number(most)}"


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", choices=RUNS, default="post-training", help="(%(default)s)")
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 8, 64, 512], help="(1 8 64 512)")
    parser.add_argument("--model", default="nvidia/Cosmos-Reason2-2B", help="unit costs are this one's (%(default)s)")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="figures of your own")
    parser.add_argument("--yaml", type=Path, help="the same, a line each: `name: value`")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="where the benchmarks' JSON lies (docs/figures)")
    parser.add_argument("--page", type=Path, help="renew the two runs in this page instead (docs/scale.md)")
    args = parser.parse_args()
    arch = architecture(args.model)
    if arch is None:
        raise cli.UserError(f"--model {args.model}: neither a model's folder nor one whose sizes are known")
    own = own_figures(args.set, args.yaml)
    blocks: dict[str, str] = {}
    for run in RUNS if args.page else [args.run]:
        values, sources = read_figures(run, args.figures, own)
        blocks |= markdown(run, [Costs(count, values, arch) for count in args.gpus], sources)
    if args.page:
        write_text(args.page, renewed(args.page.read_text(encoding="utf-8"), blocks))
    else:
        print("\n\n".join(blocks.values()))


def markdown(run: str, costs: list[Costs], sources: dict[str, str]) -> dict[str, str]:
    """{name: block}: costs, limits and figures of a run."""
    values = costs[0].values
    lines = [f"{run}: {values['videos']:,.0f} videos, {values['questions']:,.0f} questions", ""]
    lines += [row("GPUs", [f"{one.gpus:,}" for one in costs]), row("---", ["---:"] * len(costs))]
    lines += [row(label, [cell(one) for one in costs]) for label, cell in ROWS.items()]
    figures = ["| figure | value | what it is, where it is from |", "| --- | ---: | --- |"]
    figures += [f"| `{name}` | {values[name]:.4g} | {source} |" for name, source in sources.items()]
    ends = ["Where it stops scaling:", "", *(f"- {line}" for line in limits(costs))]
    parts = {"costs": lines, "limits": ends, "figures": figures}
    return {f"{run}: {part}": "\n".join(texts) for part, texts in parts.items()}


def row(label: str, cells: list[str]) -> str:
    """A line of a table."""
    return f"| {label} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
