#!/usr/bin/env python3
"""Evaluation, a question at a time as stock transformers does it against all questions of a video at once, in one run.

Builds Qwen3-VL at a published size with random weights, asks the questions of a video both ways, compares the answers and
the logits they were chosen by, prints a table and writes JSON, row by row. An answer has two tokens: a letter and the end.

    PYTHONPATH=scripts python scripts/dev/bench_evaluate.py --sizes 2B --tokens 2880,7733 --output bench.json
    PYTHONPATH=scripts python scripts/dev/bench_evaluate.py --sizes tiny --tokens 24 --output bench.json        # on a CPU: that it runs

Rows: `stock` (generate, a question at a time), `shared` (the local evaluator's greedy answers), `shared/letters` (an
option's letter only: nothing to decode after the first token).
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from dev import bench_model, timing
from roadtrain import cli
from roadtrain.evaluate.generation import generate_answers, prepare_model
from roadtrain.files import write_json
from roadtrain.model.prompts import Prefix, Segment
from roadtrain.model.sequences import build

ANSWER = 2  # tokens
Ask = Callable[[Prefix, list[Segment]], Any]


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="2B", help="of 2B, 8B, tiny (%(default)s)")
    parser.add_argument("--tokens", default="2880,7733", help="vision tokens of a video (%(default)s)")
    parser.add_argument("--questions", type=int, default=16, help="about a video (%(default)s)")
    parser.add_argument("--length", type=int, default=80, help="tokens of a question (%(default)s)")
    parser.add_argument("--videos", type=int, default=4, help="timed, after one to warm up (%(default)s)")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    machine = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        "torch": torch.__version__,
        "questions": args.questions,
        "length": args.length,
        "videos": args.videos,
    }
    rows = []
    print(f"{'size':5} {'tokens':>6} {'way':15} {'ms a video':>11} {'QA/s':>8} {'x stock':>8} {'GiB':>6}")
    for size, tokens in itertools.product(args.sizes.split(","), map(int, args.tokens.split(","))):
        base = None
        for row in measure(args, device, size, tokens):
            base = base or row
            peak = f"{row['peak_gib']:6.1f}" if "peak_gib" in row else ""
            faster = row["questions_a_second"] / base["questions_a_second"]
            print(
                f"{size:5} {tokens:6} {row['way']:15} {1000 * row['seconds_a_video']:11.1f} {row['questions_a_second']:8.2f} {faster:8.1f} {peak}",
                flush=True,
            )
            rows.append({"size": size, "vision_tokens": tokens, "x_stock": faster} | row)
            write_json(args.output, {"machine": machine, "rows": rows})
    print(json.dumps(rows))


class Timer:
    """Asks videos one after the other, and keeps seconds and answers."""

    def __init__(self, args: argparse.Namespace, device: torch.device):
        self.args, self.device = args, device
        self.answers: dict[str, list[Any]] = {}  # of each way, a video's

    def row(self, way: str, ask: Ask, clips: list[tuple[Prefix, list[Segment]]], questions: int) -> dict[str, Any]:
        """The median of all videos but the first, which warms up."""
        on_gpu = self.device.type == "cuda"
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        seconds = []
        self.answers[way] = []
        for prefix, segments in clips:
            timing.synchronize(self.device)
            start = time.monotonic()
            self.answers[way].append(ask(prefix, segments[:questions]))
            seconds.append(time.monotonic() - start)
        question = statistics.median(seconds[1:]) / questions
        peak = {"peak_gib": torch.cuda.max_memory_allocated() / 2**30} if on_gpu else {}
        return {
            "way": way,
            "seconds_a_video": question * self.args.questions,
            "questions_a_second": 1 / question,
        } | peak


def measure(args: argparse.Namespace, device: torch.device, size: str, tokens: int) -> Iterator[dict[str, Any]]:
    """A row for each way."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    clips = [bench_model.clip(tokens, args.questions, args.length, seed=n) for n in range(args.videos + 1)]
    timer = Timer(args, device)
    model = bench_model.random_model(size, device, dtype).eval()
    model.config.use_cache = True
    with torch.inference_mode():
        few = 4  # of a video's questions one at a time: they take alike

        def stock(prefix: Prefix, segments: list[Segment]) -> list[list[int]]:
            return [generate(model, prefix, segment) for segment in segments]

        yield timer.row("stock", stock, clips[:3], few)
        prepare_model(model)
        if device.type == "cuda":  # as evaluate_local.py prefetches them
            clips = [(prefix.pinned(dtype), segments) for prefix, segments in clips]
        ask = partial(generate_answers, model, stop_tokens=set(), max_new_tokens=ANSWER)

        def shared(prefix: Prefix, segments: list[Segment]) -> list[list[int]]:
            return [answer.tokens for answer in ask(prefix, segments)]

        row = timer.row("shared", shared, clips, args.questions)
        pairs = zip(
            timer.answers["stock"], timer.answers["shared"], strict=False
        )  # of as many videos as stock was asked about
        same = [tokens_of_stock == together[k] for alone, together in pairs for k, tokens_of_stock in enumerate(alone)]
        yield row | {"same_answers_as_stock": sum(same) / len(same), "compared": len(same)}
        letters = partial(ask, letters=[[32, 33, 34, 35]] * args.questions, only_letters=True)  # Qwen's A to D
        yield timer.row("shared/letters", letters, clips, args.questions)


def generate(model: Any, prefix: Prefix, segment: Segment) -> list[int]:
    """One question through transformers' own generate."""
    sequence = build([(prefix, [segment])], bench_model.VIDEO, answers=False)
    inputs = bench_model.stock_inputs(model, sequence)
    tokens = model.generate(**inputs, max_new_tokens=ANSWER, do_sample=False, eos_token_id=0, pad_token_id=0)
    return tokens[0, len(sequence.input_ids) :].tolist()


if __name__ == "__main__":
    main()
