#!/usr/bin/env python3
"""Training, per question as stock transformers does it against shared-video sequences, in one run.

Builds Qwen3-VL at a published size with random weights, checks that both ways have the same loss and gradients, and
times them: stock transformers a question at a time (bfloat16, forward and backward only), and the local engine's whole
optimizer steps (FSDP2, flex_attention, compiled layers, float32 master weights, clipping, AdamW). Prints a table and
writes JSON, row by row.

    PYTHONPATH=scripts python scripts/dev/bench_train.py --sizes 2B --tokens 2880,7733 --output bench.json
    torchrun --nproc-per-node 2 scripts/dev/bench_train.py --sizes 8B --ways shared --output bench.json
    PYTHONPATH=scripts python scripts/dev/bench_train.py --sizes tiny --tokens 24 --output bench.json           # on a CPU: that it runs

One step has --videos videos with --questions questions each. Rows: `stock` with and without gradient checkpointing,
`shared` (as memory allows), `shared/2` (two videos in a pass), `shared/checkpointing`, `dense` (SDPA, not compiled).
"""

import argparse
import gc
import itertools
import json
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")

import torch  # noqa: E402

from dev import bench_model
from roadtrain import cli
from roadtrain.files import write_json  # noqa: E402
from roadtrain.model import attention, compiled, flops, forward
from roadtrain.model.sequences import build  # noqa: E402
from roadtrain.train import distributed, engine, memory
from roadtrain.train.optimizer import Optimizers  # noqa: E402

WAYS = ("stock/checkpointing", "stock", "shared", "shared/2", "shared/checkpointing", "dense")


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="2B", help="of 2B, 8B, tiny (%(default)s)")
    parser.add_argument("--tokens", default="2880,7733", help="vision tokens of a video (%(default)s)")
    parser.add_argument("--ways", default="all", help=f"of {', '.join(WAYS)} (%(default)s)")
    parser.add_argument("--questions", type=int, default=16, help="about a video (%(default)s)")
    parser.add_argument("--length", type=int, default=80, help="tokens of a question with its answer (%(default)s)")
    parser.add_argument("--videos", type=int, default=16, help="in an optimizer step (%(default)s)")
    parser.add_argument("--steps", type=int, default=3, help="timed, after two to warm up (%(default)s)")
    parser.add_argument("--minutes", type=float, default=60, help="no row begins after so long (%(default)s)")
    parser.add_argument("--no-equivalence", action="store_true", help="don't compare losses and gradients")
    parser.add_argument("--profile", type=Path, help="write what takes the time of a shared step to this file")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    ways = WAYS if args.ways == "all" else tuple(args.ways.split(","))
    if wrong := [way for way in ways if way not in WAYS]:
        parser.error(f"--ways {wrong[0]}: should be of {', '.join(WAYS)}")
    ranks = distributed.join()
    bench = Bench(args, ranks, time.monotonic() + 60 * args.minutes)
    for size, tokens in itertools.product(args.sizes.split(","), map(int, args.tokens.split(","))):
        bench.measure(size, tokens, ways)
    bench.table()
    distributed.leave()


class Bench:
    def __init__(self, args, ranks, deadline: float):
        self.args, self.ranks, self.deadline, self.rows = args, ranks, deadline, []
        device = ranks.device
        self.machine = {
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
            "gpus": ranks.count if device.type == "cuda" else 0,
            "torch": torch.__version__,
            "questions": args.questions,
            "length": args.length,
            "videos": args.videos,
        }

    def measure(self, size: str, tokens: int, ways: tuple[str, ...]) -> None:
        self.arch = flops.of_config(bench_model.config(size).to_dict())
        reference = None
        for way in ways:
            if time.monotonic() > self.deadline:
                self.row(size, tokens, way, failed="no time left")
                continue
            try:
                if way.startswith("stock"):
                    found, reference = self.stock(size, tokens, "/checkpointing" in way, reference)
                else:
                    found = self.shared(size, tokens, way, reference)
                self.row(size, tokens, way, **found)
            except torch.cuda.OutOfMemoryError as error:
                self.row(size, tokens, way, failed=f"out of memory: {str(error).splitlines()[0][:150]}")
            gc.collect()
            if self.ranks.device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            torch._dynamo.reset()

    def stock(self, size: str, tokens: int, checkpointing: bool, reference):
        """Questions one at a time through transformers' own forward and loss, its gradients left to add up."""
        dtype = torch.bfloat16 if self.ranks.device.type == "cuda" else torch.float32
        model = bench_model.random_model(size, self.ranks.device, dtype)
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if reference is None and not self.args.no_equivalence and self.ranks.count == 1:
            reference = self.stock_gradients(model, tokens)
            model.zero_grad(set_to_none=True)
        prefix, segments = bench_model.clip(tokens, 3, self.args.length)
        seconds = []
        for segment in [segments[0], *segments]:
            part = build([(prefix, [segment])], bench_model.VIDEO)
            labels = part.labels()[None].to(self.ranks.device)
            self.synchronize()
            began = time.monotonic()
            model(**bench_model.stock_inputs(model, part), labels=labels).loss.backward()
            self.synchronize()
            seconds.append(time.monotonic() - began)
        one = statistics.median(seconds[1:])  # the first warms up
        work = 3 * self.work(tokens, [self.args.length])
        return {
            "seconds_a_video": one * self.args.questions,
            "questions_a_second": 1 / one,
            "model_tflops": work / one / 1e12,
        }, reference

    def stock_gradients(self, model, tokens: int):
        """(loss, gradients) of four questions of different lengths, one at a time."""
        prefix, segments = bench_model.clip(tokens, 4, self.args.length, ragged=True)
        total = 0.0
        for segment in segments:
            part = build([(prefix, [segment])], bench_model.VIDEO)
            logits = model(
                **bench_model.stock_inputs(model, part), logits_to_keep=part.answer_positions.to(self.ranks.device)
            ).logits[0]
            loss = engine.answer_loss(logits, part) / 4
            loss.backward()
            total += loss.item()
        return total, {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None}

    def shared(self, size: str, tokens: int, way: str, reference):
        args, device = self.args, self.ranks.device
        gpu = device.type == "cuda"
        mini = 2 if way == "shared/2" else 1
        dtype = "bfloat16" if gpu else "float32"
        model = bench_model.random_model(size, device, torch.float32)
        total = torch.cuda.mem_get_info()[1] if gpu else 1e15
        wanted = "on" if "checkpointing" in way else "auto"
        length = (
            sum(len(part) for part in bench_model.clip(tokens, 1, 3)[0].input_ids[None]) + args.questions * args.length
        )
        patches = 4 * tokens
        plan = memory.choose(
            self.arch, total, wanted, ranks=self.ranks.count, tokens=mini * length, patches=mini * patches
        )
        kind = "dense" if way == "dense" else "flex" if gpu else "segments"
        attention.use(model, kind)
        plan.apply(model)
        if kind == "flex":
            compiled.compile_layers(model)
        if self.ranks.sharded:
            distributed.shard(model, self.ranks, dtype, plan.gather_always)
        model.forward = lambda sequence: forward.answer_logits(model, sequence)
        found = {
            "checkpointed": plan.checkpointed,
            "gather_always": plan.gather_always,
            "estimate_gib": plan.bytes / 2**30,
            "attention": kind,
        }
        ready = lambda made: made.padded(compiled.bucket(len(made.input_ids))).pinned(torch.bfloat16) if gpu else made
        if reference is not None:
            found |= self.compare(
                model,
                ready(build([bench_model.clip(tokens, 4, args.length, ragged=True)], bench_model.VIDEO)),
                reference,
            )
        optimizer = Optimizers(model, "AdamW", 1e-6, 0.01)
        clips = [bench_model.clip(tokens, args.questions, args.length, seed=n) for n in range(mini)]
        sequence = ready(build(clips, bench_model.VIDEO))
        passes = -(-args.videos // mini)
        asked = passes * mini * args.questions
        seconds = []
        for step in range(args.steps + 2):
            self.synchronize()
            began = time.monotonic()
            self.step(model, optimizer, [sequence] * passes, plan.gather_always)
            self.synchronize()
            seconds.append(time.monotonic() - began)
        one = statistics.median(seconds[2:])
        if gpu:
            found["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
        if args.profile and way.startswith("shared") and self.ranks.first:
            self.profile(
                lambda: self.step(model, optimizer, [sequence] * 2, plan.gather_always),
                f"{size} {tokens} {way}: a step of two passes",
            )
        work = 3 * self.work(tokens, [args.length] * args.questions) * passes * mini
        return found | {
            "seconds_a_video": one / passes / mini,
            "questions_a_second": asked * self.ranks.count / one,
            "step_seconds": seconds,
            "model_tflops": work / one / 1e12,
        }

    def step(self, model, optimizer, sequences: list, gather_always: bool) -> None:
        questions = sum(sequence.questions for sequence in sequences) * self.ranks.count
        for n, sequence in enumerate(sequences, start=1):
            if self.ranks.sharded:
                distributed.last_pass(model, n == len(sequences), gather_always)
            loss = engine.answer_loss(model(sequence), sequence) / questions
            (loss * self.ranks.count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(1e-6)

    def compare(self, model, sequence, reference) -> dict:
        """Loss and gradients of four questions at once against those of one at a time."""
        if self.ranks.sharded:
            distributed.last_pass(model, True)
        loss = engine.answer_loss(model(sequence), sequence) / sequence.questions
        loss.backward()
        stock_loss, gradients = reference
        dot = ours = theirs = 0.0
        for name, parameter in model.named_parameters():
            if parameter.grad is None:
                continue
            grad = distributed.whole(parameter.grad).float()
            other = gradients[name].to(grad.device).float()
            dot, ours, theirs = dot + (grad * other).sum(), ours + grad.square().sum(), theirs + other.square().sum()
        model.zero_grad(set_to_none=True)
        norms = (ours**0.5).item(), (theirs**0.5).item()
        return {
            "loss_difference": abs(loss.item() - stock_loss) / abs(stock_loss),
            "gradient_cosine": dot.item() / (norms[0] * norms[1]),
            "gradient_norm_ratio": norms[0] / norms[1],
        }

    def profile(self, run, title: str) -> None:
        from torch.profiler import ProfilerActivity
        from torch.profiler import profile as profiler

        with profiler(
            activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA] if self.ranks.device.type == "cuda" else None
        ) as found:
            run()
            self.synchronize()
        key = "self_cuda_time_total" if self.ranks.device.type == "cuda" else "self_cpu_time_total"
        with open(self.args.profile, "a") as stream:
            stream.write(
                f"{title}\n{found.key_averages().table(sort_by=key, row_limit=60, max_name_column_width=110)}\n"
            )

    def work(self, tokens: int, segments: list[int]) -> float:
        """Operations of a forward pass over a video and these questions."""
        pairs, rows, columns = bench_model.GRIDS[tokens]
        prefix = len(bench_model.clip(tokens, 0, 3)[0].input_ids)
        return flops.forward(self.arch, pairs * rows * columns, pairs * (rows * columns) ** 2, prefix, segments)

    def synchronize(self) -> None:
        if self.ranks.device.type == "cuda":
            torch.cuda.synchronize()

    def row(self, size: str, tokens: int, way: str, **found) -> None:
        self.rows.append({"size": size, "vision_tokens": tokens, "way": way} | found)
        if self.ranks.first:
            print(json.dumps(self.rows[-1]), flush=True)
            write_json(self.args.output, {"machine": self.machine, "rows": self.rows})

    def table(self) -> None:
        if not self.ranks.first:
            return
        print(
            f"{self.machine['device']} x {max(1, self.machine['gpus'])}, {self.args.questions} questions of {self.args.length} tokens a video"
        )
        print(
            f"{'size':5} {'tokens':>6} {'way':22} {'ms a video':>11} {'QA/s':>8} {'x stock':>8} {'TFLOP/s':>8} {'GiB':>6}"
        )
        base = {
            (r["size"], r["vision_tokens"]): r
            for r in self.rows
            if r["way"] == "stock/checkpointing" and "failed" not in r
        }
        for r in self.rows:
            if "failed" in r:
                print(f"{r['size']:5} {r['vision_tokens']:6} {r['way']:22} {r['failed']}")
                continue
            other = base.get((r["size"], r["vision_tokens"]))
            times = f"{r['questions_a_second'] / other['questions_a_second']:8.1f}" if other else f"{'':8}"
            print(
                f"{r['size']:5} {r['vision_tokens']:6} {r['way']:22} {1000 * r['seconds_a_video']:11.1f} {r['questions_a_second']:8.2f} {times}"
                f" {r['model_tflops']:8.1f} {r.get('peak_gib', float('nan')):6.1f}"
            )


if __name__ == "__main__":
    main()
