#!/usr/bin/env python3
"""Questions a second of an evaluation engine as evaluate_local.py and evaluate_vllm.py run it: frames read, prompts built, answers parsed.

    PYTHONPATH=scripts python scripts/dev/bench_engines.py --engine local --model MODEL --llava val.llava.json --frames val.json --output bench.json
    PYTHONPATH=scripts python scripts/dev/bench_engines.py --engine vllm ..       # starts itself again in vLLM's Python

Rows: free answers and letters, each `end to end` (a whole pass over the clips, beginning and end of the pipeline included) and
`engine alone` (every prompt was built before). A pass over a few clips goes before, then each is timed --repeat times; the median is
the row's. vLLM's caches are emptied before each pass. --gate FILE: load, then wait until that file is there (a GPU of its own).
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from roadtrain import cli
from roadtrain.data.llava import read_questions
from roadtrain.data.question import group_by_clip
from roadtrain.evaluate import local
from roadtrain.evaluate.evaluation import ClipQuestions
from roadtrain.evaluate.vllm import clips as vllm_clips
from roadtrain.evaluate.vllm import process
from roadtrain.evaluate.vllm.flight import InFlight
from roadtrain.files import write_json
from roadtrain.frames.index import FrameIndex
from roadtrain.model.prefetch import Prefetched, Room
from roadtrain.spec.evaluate import Evaluate

WARM_UP = 4  # clips
Pass = Callable[[ClipQuestions], Iterator[Any]]  # replies of clip after clip


@cli.main
def main() -> None:
    args = arguments()
    if args.engine == "vllm":
        process.enter_vllm()
    frames, clips = FrameIndex.load(args.frames), group_by_clip(read_questions(args.llava))
    clips = {clip: questions for clip, questions in list(clips.items())[: args.clips] if clip in frames}
    start = time.monotonic()
    ways = (local_ways if args.engine == "local" else vllm_ways)(args, frames, clips)
    loaded = round(time.monotonic() - start, 1)
    if args.gate:
        Path(f"{args.gate}.waiting").touch()
        while not args.gate.exists():
            time.sleep(0.1)
    rows: list[dict[str, Any]] = []
    questions = sum(map(len, clips.values()))
    few = dict(list(clips.items())[:WARM_UP])
    for answers in ("free", "letters"):
        args.evaluate = Evaluate(answers=answers, max_new_tokens=args.tokens)
        for way, whole_pass in ways.items():
            list(whole_pass(few))
            seconds = [seconds_of(whole_pass(clips)) for _ in range(args.repeat)]
            rows.append(
                {
                    "engine": args.engine,
                    "answers": answers,
                    "way": way,
                    "questions_a_second": round(questions / statistics.median(seconds), 2),
                    "seconds": [round(one, 3) for one in seconds],
                }
            )
            print(json.dumps(rows[-1]), flush=True)
            about = {"clips": len(clips), "questions": questions, "tokens": args.tokens, "seconds_to_load": loaded}
            write_json(args.output, about | {"rows": rows})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["local", "vllm"], required=True)
    parser.add_argument("--model", required=True, help="a checkpoint's directory")
    parser.add_argument("--llava", required=True)
    parser.add_argument("--frames", required=True)
    parser.add_argument("--clips", type=int, default=24, help="at most so many (%(default)s)")
    parser.add_argument("--tokens", type=int, default=16, help="of a free answer (%(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="timed passes (%(default)s)")
    parser.add_argument("--gpus", type=int, default=1, help="0: the CPU (%(default)s)")
    parser.add_argument("--model-max-length", type=int, default=8192, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: %(default)s")
    parser.add_argument("--gate", type=Path, help="a file to wait for when the model is loaded")
    parser.add_argument("--output", type=Path, required=True)
    process.add_kv_cache_option(parser)
    args = parser.parse_args()
    args.system_prompt, args.without_media, args.evaluate = "You are a helpful assistant.", False, Evaluate()
    return args


def seconds_of(replies: Iterator[Any]) -> float:
    """Of a whole pass. Raises ValueError when a clip could not be asked about."""
    start = time.monotonic()
    for reply in replies:
        if isinstance(reply, Exception):
            raise ValueError(f"a clip was not asked about: {reply}") from reply
    return time.monotonic() - start


def local_ways(args: argparse.Namespace, frames: FrameIndex, clips: ClipQuestions) -> dict[str, Pass]:
    """The local engine's passes."""
    manifest: Any = {"path": args.model}
    asker = local.LocalAsker(args, manifest, frames, clips)
    ready = {clip: asker.prompts((clip, questions)) for clip, questions in clips.items()}

    def alone(some: ClipQuestions) -> Iterator[Any]:
        for group in asker.groups(some.items()):
            yield from asker.replies(list(with_settings(args, [ready[clip] for clip, _ in group])))

    return {"end to end": partial(local.replies_in_turn, asker), "engine alone": alone}


def with_settings(args: argparse.Namespace, prompts: Iterable[local.ClipPrompts]) -> Iterator[local.ClipPrompts]:
    """They were built before it was known how long answers may be."""
    from dataclasses import replace

    from roadtrain.evaluate.wording import wording_of

    for one in prompts:
        yield replace(one, wordings=[wording_of(question, args.evaluate) for question in one.questions])


def vllm_ways(args: argparse.Namespace, frames: FrameIndex, clips: ClipQuestions) -> dict[str, Pass]:
    """vLLM's passes."""
    manifest: Any = {"path": args.model}
    asker = vllm_clips.load(args, manifest, clips)

    def forget() -> None:
        asker.llm.reset_prefix_cache()
        asker.llm.llm_engine.reset_mm_cache()
        asker.llm.llm_engine.reset_encoder_cache()

    def end_to_end(some: ClipQuestions) -> Iterator[Any]:
        forget()
        return vllm_clips.replies_in_flight(asker, args, frames, some)

    def alone(some: ClipQuestions) -> Iterator[Any]:
        forget()
        items = list(some.items())
        ready = [vllm_clips.prompts_of(asker, args, frames, (n, *item)) for n, item in enumerate(items)]
        numbers = list(range(len(items)))
        room = Room[int](vllm_clips.ROOM, lambda n: vllm_clips.size_of(frames, items[n][0]))
        prepared = Prefetched(ready.__getitem__, numbers, 1 if args.gpus else 0, room)
        return InFlight(asker, numbers, prepared, most=vllm_clips.MOST if args.gpus else 1).replies()

    print(asker.cache_use.in_words(), file=sys.stderr)
    return {"end to end": end_to_end, "engine alone": alone}


if __name__ == "__main__":
    main()
