#!/usr/bin/env python3
"""Training, per question as stock transformers does it against shared-video sequences, in one run.

Builds Qwen3-VL at a published size with random weights, checks that both ways have the same loss and gradients, and
times them: stock transformers a question at a time (bfloat16, forward and backward only), and the local engine's own
optimizer steps (roadtrain.train.step: FSDP2, flex_attention, compiled layers, float32 master weights, clipping, AdamW).
Prints a table and writes JSON, row by row.

    PYTHONPATH=scripts python scripts/dev/bench_train.py --sizes 2B --tokens 2880,7733 --output bench.json
    torchrun --nproc-per-node 2 scripts/dev/bench_train.py --sizes 8B --ways shared --output bench.json
    PYTHONPATH=scripts python scripts/dev/bench_train.py --sizes tiny --tokens 24 --output bench.json           # on a CPU: that it runs

One step has --videos videos with --questions questions each. Ways, as dev/bench_ways.py explains them: `shared` (as memory
allows), `shared/2` (two videos in a pass), `shared/checkpointing`, `lora+cached/4`, ..
"""

import argparse
import gc
import itertools
import json
import os
import statistics
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")

import torch

from dev import bench_model, timing
from dev.bench_ways import WAYS, Way
from roadtrain import cli
from roadtrain.files import write_json
from roadtrain.model import flops
from roadtrain.model.forward import AnswerModel
from roadtrain.model.loss import answer_loss
from roadtrain.model.parts import trainable
from roadtrain.model.sequences import TokenSequence, build
from roadtrain.train import memory
from roadtrain.train.distributed import Ranks, announce_pass, full_tensor, join_ranks, leave_ranks
from roadtrain.train.execution import Execution
from roadtrain.train.optimizer import Optimizers
from roadtrain.train.step import OptimizerStep

RATE = 1e-6  # learning rate: the weights hardly move

Reference = tuple[float, dict[str, torch.Tensor]]  # loss and gradients of stock transformers


@cli.main
def main() -> None:
    args = arguments()
    ways = [Way.parse(name) for name in (WAYS if args.ways == "all" else args.ways.split(","))]
    ranks = join_ranks()
    bench = Bench(args, ranks, time.monotonic() + 60 * args.minutes)
    for size, tokens in itertools.product(args.sizes.split(","), map(int, args.tokens.split(","))):
        bench.measure(size, tokens, ways)
    if ranks.first:
        print_table(bench.machine, bench.rows)
    leave_ranks()


def arguments() -> argparse.Namespace:
    """The command line; a way that doesn't exist is an error before anything is loaded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="2B", help="of 2B, 8B, tiny (%(default)s)")
    parser.add_argument("--tokens", default="2880,7733", help="vision tokens of a video (%(default)s)")
    parser.add_argument("--ways", default="all", help=f"as {', '.join(WAYS)} (%(default)s: these)")
    parser.add_argument("--questions", type=int, default=16, help="about a video (%(default)s)")
    parser.add_argument("--length", type=int, default=80, help="tokens of a question with its answer (%(default)s)")
    parser.add_argument("--videos", type=int, default=16, help="in an optimizer step (%(default)s)")
    parser.add_argument("--steps", type=int, default=3, help="timed, after two to warm up (%(default)s)")
    parser.add_argument("--minutes", type=float, default=60, help="no row begins after so long (%(default)s)")
    parser.add_argument("--no-equivalence", action="store_true", help="don't compare losses and gradients")
    parser.add_argument("--profile", type=Path, help="write what takes the time of a shared step to this file")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    try:
        for name in args.ways.split(",") if args.ways != "all" else ():
            Way.parse(name)
    except ValueError as error:
        parser.error(f"--ways {error}")
    return args


class Bench:
    """Rows of the table, one a size, a number of vision tokens and a way to train."""

    def __init__(self, args: argparse.Namespace, ranks: Ranks, deadline: float):
        self.args, self.ranks, self.deadline = args, ranks, deadline
        self.rows: list[dict[str, Any]] = []
        self.on_gpu = ranks.device.type == "cuda"
        self.machine = {
            "device": torch.cuda.get_device_name() if self.on_gpu else "CPU",
            "gpus": ranks.count if self.on_gpu else 0,
            "torch": torch.__version__,
            "questions": args.questions,
            "length": args.length,
            "videos": args.videos,
        }

    def measure(self, size: str, tokens: int, ways: list[Way]) -> None:
        """A row for each way; one that memory doesn't suffice for says so."""
        self.arch = flops.of_config(bench_model.config(size).to_dict())
        reference = None
        for way in ways:
            if time.monotonic() > self.deadline:
                self.add_row(size, tokens, way.name, failed="no time left")
                continue
            try:
                if way.kind == "stock":
                    result, reference = self.stock(size, tokens, way.checkpointing, reference)
                else:
                    result = self.shared(size, tokens, way, reference)
                self.add_row(size, tokens, way.name, **result)
            except torch.cuda.OutOfMemoryError as error:
                self.add_row(size, tokens, way.name, failed=f"out of memory: {str(error).splitlines()[0][:150]}")
            gc.collect()
            if self.on_gpu:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            torch._dynamo.reset()

    def stock(
        self, size: str, tokens: int, checkpointing: bool, reference: Reference | None
    ) -> tuple[dict[str, float], Reference | None]:
        """Questions one at a time through transformers' own forward and loss, its gradients left to add up."""
        model = bench_model.random_model(size, self.ranks.device, torch.bfloat16 if self.on_gpu else torch.float32)
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if reference is None and not self.args.no_equivalence and self.ranks.count == 1:
            reference = self.stock_gradients(model, tokens)
            model.zero_grad(set_to_none=True)
        prefix, segments = bench_model.clip(tokens, 3, self.args.length)
        seconds = []
        for segment in [segments[0], *segments]:
            sequence = build([(prefix, [segment])], bench_model.VIDEO)
            labels = sequence.labels()[None].to(self.ranks.device)
            backward = partial(_backward, model, sequence, labels)
            seconds.append(timing.seconds_of(backward, self.ranks.device))
        question = statistics.median(seconds[1:])  # the first warms up
        return {
            "seconds_a_video": question * self.args.questions,
            "questions_a_second": 1 / question,
            "model_tflops": self.work(tokens, [self.args.length]) / question / 1e12,
        }, reference

    def stock_gradients(self, model: Any, tokens: int) -> Reference:
        """Of four questions of different lengths, one at a time."""
        prefix, segments = bench_model.clip(tokens, 4, self.args.length, ragged=True)
        total = 0.0
        for segment in segments:
            sequence = build([(prefix, [segment])], bench_model.VIDEO)
            places = sequence.answer_positions.to(self.ranks.device)
            logits = model(**bench_model.stock_inputs(model, sequence), logits_to_keep=places).logits[0]
            loss = answer_loss(logits, sequence.targets, sequence.target_questions) / 4
            loss.backward()
            total += loss.item()
        return total, {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None}

    def shared(self, size: str, tokens: int, way: Way, reference: Reference | None) -> dict[str, Any]:
        """The trainer's own step, with a pass of one video or several."""
        args, videos = self.args, way.videos
        execution = Execution.fastest(self.ranks, "bfloat16" if self.on_gpu else "float32")
        if way.kind == "dense":
            execution = replace(execution, attention="dense")
        qwen = way.model(size, self.ranks.device, self.on_gpu)
        clips = [bench_model.clip(tokens, args.questions, args.length, seed=n) for n in range(videos)]
        sequence = way.sequence(qwen, clips, execution)
        learning = way.learning(self.arch, qwen)
        plan = self.memory_plan(tokens, videos, "on" if way.checkpointing else "auto", learning)
        model = execution.prepare_model(qwen, plan)
        if self.on_gpu:  # of training, not of drawing the weights
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        result: dict[str, Any] = {
            "checkpointed": plan.checkpointed,
            "gather_always": plan.gather_always,
            "estimate_gib": plan.bytes / 2**30,
            "attention": execution.attention,
            "trained_weights": sum(weight.numel() for weight in trainable(model.qwen).values()),
        }
        if reference is not None and not way.adapters:
            result |= self.compare(model, execution, tokens, reference)
        optimizer = Optimizers(model.qwen, "AdamW", RATE, 0.01)
        step = OptimizerStep(model, optimizer, execution, max_grad_norm=1.0, gather_always=plan.gather_always)
        passes = -(-args.videos // videos)
        questions = passes * videos * args.questions * self.ranks.count
        weights = [1 / questions] * passes
        steps = [partial(step, [sequence] * passes, weights, RATE, number) for number in range(1, args.steps + 3)]
        seconds = [timing.seconds_of(run, self.ranks.device) for run in steps]
        whole_step = statistics.median(seconds[2:])
        if self.on_gpu:
            result["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
        if args.profile and way.kind != "dense" and self.ranks.first:
            two_passes = partial(step, [sequence] * 2, weights[:1] * 2, RATE, args.steps + 3)
            timing.append_profile(
                args.profile, f"{size} {tokens} {way.name}: a step of two passes", two_passes, self.ranks.device
            )
        work = self.work(tokens, [args.length] * args.questions, *way.times) * passes * videos
        return result | {
            "seconds_a_video": whole_step / passes / videos,
            "questions_a_second": questions / whole_step,
            "step_seconds": seconds,
            "model_tflops": work / whole_step / 1e12,
        }

    def memory_plan(self, tokens: int, videos: int, checkpointing: str, learning: memory.Learning) -> memory.MemoryPlan:
        """As the trainer's, of passes of so many videos."""
        length = len(bench_model.clip(tokens, 1, 3)[0].input_ids) + self.args.questions * self.args.length
        return memory.choose(
            self.arch,
            torch.cuda.mem_get_info()[1] if self.on_gpu else 1e15,
            checkpointing,
            ranks=self.ranks.count,
            tokens=videos * length,
            patches=videos * 4 * tokens,
            learning=learning,
        )

    def compare(self, model: AnswerModel, execution: Execution, tokens: int, reference: Reference) -> dict[str, float]:
        """Loss and gradients of four questions at once against those of one at a time."""
        clip = bench_model.clip(tokens, 4, self.args.length, ragged=True)
        sequence = execution.prepare_sequence(build([clip], bench_model.VIDEO))
        if execution.sharded:
            announce_pass(model, True)
        loss = answer_loss(model(sequence), sequence.targets, sequence.target_questions) / sequence.questions
        loss.backward()
        stock_loss, stock_gradients = reference
        dot = shared_square = stock_square = torch.zeros((), device=loss.device)
        for name, parameter in model.qwen.named_parameters():
            if parameter.grad is None:
                continue
            shared = full_tensor(parameter.grad).float()
            stock = stock_gradients[name].to(shared.device).float()
            dot = dot + (shared * stock).sum()
            shared_square, stock_square = shared_square + shared.square().sum(), stock_square + stock.square().sum()
        model.zero_grad(set_to_none=True)
        norms = (shared_square**0.5).item(), (stock_square**0.5).item()
        return {
            "loss_difference": abs(loss.item() - stock_loss) / abs(stock_loss),
            "gradient_cosine": dot.item() / (norms[0] * norms[1]),
            "gradient_norm_ratio": norms[0] / norms[1],
        }

    def work(self, tokens: int, segments: list[int], vision: int = 3, text: int = 3) -> float:
        """Operations of a pass over a video and these questions, forward and backward (Way.times)."""
        pairs, rows, columns = bench_model.GRIDS[tokens]
        prefix = len(bench_model.clip(tokens, 0, 3)[0].input_ids)
        tower = flops.vision_forward(self.arch, pairs * rows * columns, pairs * (rows * columns) ** 2)
        return vision * tower + text * flops.text_forward(self.arch, prefix, segments)

    def add_row(self, size: str, tokens: int, way: str, **result: Any) -> None:
        """Print it and write all rows so far."""
        self.rows.append({"size": size, "vision_tokens": tokens, "way": way} | result)
        if self.ranks.first:
            print(json.dumps(self.rows[-1]), flush=True)
            write_json(self.args.output, {"machine": self.machine, "rows": self.rows})


def _backward(model: Any, sequence: TokenSequence, labels: torch.Tensor) -> None:
    model(**bench_model.stock_inputs(model, sequence), labels=labels).loss.backward()


def print_table(machine: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Rows beside each other, each size's compared with its stock/checkpointing."""
    gpus = max(1, machine["gpus"])
    print(f"{machine['device']} x {gpus}, {machine['questions']} questions of {machine['length']} tokens a video")
    print(
        f"{'size':5} {'tokens':>6} {'way':22} {'ms a video':>11} {'QA/s':>8} {'x stock':>8} {'TFLOP/s':>8} {'GiB':>6}"
    )
    stock = {
        (row["size"], row["vision_tokens"]): row["questions_a_second"]
        for row in rows
        if row["way"] == "stock/checkpointing" and "failed" not in row
    }
    for row in rows:
        name = f"{row['size']:5} {row['vision_tokens']:6} {row['way']:22}"
        if "failed" in row:
            print(f"{name} {row['failed']}")
            continue
        base = stock.get((row["size"], row["vision_tokens"]))
        times = f"{row['questions_a_second'] / base:8.1f}" if base else f"{'':8}"
        print(
            f"{name} {1000 * row['seconds_a_video']:11.1f} {row['questions_a_second']:8.2f} {times}"
            f" {row['model_tflops']:8.1f} {row.get('peak_gib', float('nan')):6.1f}"
        )


if __name__ == "__main__":
    main()
