#!/usr/bin/env python3
"""The local engine on all GPUs of one host: how much faster than on one, at true sizes with random weights; no network.

    PYTHONPATH=scripts python3 scripts/dev/gpu/many_gpus.py OUT [PHASE ..]       OUT/many_gpus.json, a row as soon as it is known
    PYTHONPATH=scripts python3 scripts/dev/gpu/many_gpus.py OUT --small          the sample's base on a CPU: that it runs

    2B        whole optimizer steps of 256 questions at 2,880 tokens on 1, 2, 4, .. GPUs, losses beside one GPU's
    long      the same at 7,733 tokens
    resume    2B on all GPUs, killed (SIGKILL) after a saved state, then the same command on half of them: the losses go on
    evaluate  the trained 2B asked by a shard a GPU (evaluate_local.py --shard), merged
    8B        full training on 4 and more GPUs (its state doesn't fit fewer)

Runs on fewer GPUs go side by side, each on GPUs of its own (on_gpus.py). cosmos-rl on all GPUs: run.sh .. two two_shared; vLLM's tensor
parallelism: run_vllm.sh .. vllm_two.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from dev.gpu import big_model, trainer_run
from dev.gpu.session import visible_gpus
from roadtrain import processes
from roadtrain.files import write_json
from roadtrain.train.logs import read_log

VIDEOS, STEPS = 16, 6  # of an optimizer step: 256 questions, as published
PHASES = ("2B", "long", "resume", "evaluate", "8B")
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("phases", nargs="*", choices=[[], *PHASES], help="all of them")
    parser.add_argument("--small", action="store_true")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    args.gpus = 1 if args.small else len(visible_gpus())
    args.videos = 1 if args.small else VIDEOS
    rows: list[Row] = []
    for phase in args.phases or PHASES:
        start = time.monotonic()
        try:
            found = list(run_phase(args, phase))
        except (subprocess.CalledProcessError, ValueError) as error:
            found = [{"phase": phase, "failed": str(error)}]
        rows += found
        print(phase, f"{time.monotonic() - start:.0f} s", json.dumps(found), flush=True)
        write_json(args.out / "many_gpus.json", {"gpus": args.gpus, "cpus": os.cpu_count(), "rows": rows})


def run_phase(args: argparse.Namespace, phase: str) -> Iterator[Row]:
    """Rows of a phase. Raises CalledProcessError and ValueError."""
    if phase == "resume":
        yield resume(args)
    elif phase == "evaluate":
        yield evaluate(args)
    else:
        big_model.write_questions({"nframes": 8}, clips_of(args, phase))
        if phase != "long" and not args.small:
            big_model.write_model(phase)
        counts = [n for n in (8, 4, 2, 1) if n <= args.gpus and (phase != "8B" or n >= 4)]
        yield from compared(phase, list(train_all(args, phase, counts)))


def clips_of(args: argparse.Namespace, phase: str) -> big_model.Clips:
    """That a phase trains on."""
    clips = big_model.SMALL if args.small else big_model.LONG if phase == "long" else big_model.SHORT
    return replace(clips, count=args.videos * STEPS)


def train_all(args: argparse.Namespace, phase: str, counts: list[int]) -> Iterator[Row]:
    """A run for each number of GPUs; as many at once as there are GPUs for."""
    waiting = list(counts)
    while waiting:
        together: list[int] = []
        for count in list(waiting):
            if sum(together) + count <= args.gpus:
                together.append(count)
                waiting.remove(count)
        running = [(count, *start(args, phase, count)) for count in together]
        for count, process, weights in running:
            if process.wait():
                yield {"phase": phase, "gpus": count, "failed": tail(weights)}
            else:
                yield {"phase": phase, "gpus": count, "beside": together} | trainer_run.measurements(weights)


def start(
    args: argparse.Namespace, phase: str, count: int, folder: Path | None = None, **changes: str
) -> tuple[subprocess.Popen[bytes], Path]:
    """(a training on so many GPUs, its folder). `folder`: of a run that goes on."""
    weights = folder or trainer_run.new_folder(f"many-{phase}-{count}")
    mini_batch = 2 if phase == "2B" and args.videos // count > 1 else 1
    questions = args.videos * big_model.QUESTIONS
    toml = trainer_run.write_toml(
        weights, gpus=count, questions=questions, mini_batch=mini_batch, clips=clips_of(args, phase), **changes
    )
    command = trainer_run.command(weights, toml)
    reserve = [] if args.small else [sys.executable, "scripts/on_gpus.py", str(count)]
    with open(weights / "output.log", "ab") as log:
        return subprocess.Popen([*reserve, *command], stdout=log, stderr=log), weights


def tail(weights: Path) -> list[str]:
    """The end of what a run printed."""
    return (weights / "output.log").read_text(errors="replace").splitlines()[-15:]


def compared(phase: str, rows: list[Row]) -> list[Row]:
    """Each beside the run on the fewest GPUs: speed a GPU, and how far its losses are."""
    good = [row for row in rows if "failed" not in row]
    if good:
        least = min(good, key=lambda row: row["gpus"])
        for row in good:
            row["times"] = row["questions_a_second"] / least["questions_a_second"]
            pairs = zip(row["losses"], least["losses"], strict=True)
            row["largest_difference_of_loss"] = max(abs(a - b) / abs(b) for a, b in pairs)
    return rows


def resume(args: argparse.Namespace) -> Row:
    """Killed on all GPUs, gone on with half of them. Raises ValueError when the second run fails."""
    process, weights = start(args, "2B", args.gpus, state_every_steps="2")
    state = weights / "state/progress.json"
    while process.poll() is None and not (state.exists() and len(read_log(weights / "train_log.jsonl", 99)) >= 3):
        time.sleep(0.1)
    for one in [*processes.descendants(process.pid), *processes.descendants()]:
        if one.is_running():
            one.send_signal(signal.SIGKILL)
    process.wait()
    killed_after = len(read_log(weights / "train_log.jsonl", 99))
    half = max(1, args.gpus // 2)
    again, _ = start(args, "2B", half, weights, state_every_steps="2")
    if again.wait():
        raise ValueError("\n".join(tail(weights)))
    row = {"phase": "resume", "gpus": [args.gpus, half], "killed_after": killed_after}
    return row | trainer_run.measurements(weights)


def evaluate(args: argparse.Namespace) -> Row:
    """The 2B checkpoint of the run on all GPUs, a shard a GPU. Raises CalledProcessError."""
    manifest = Path(f"weights/gpu/many-2B-{args.gpus}/m/epoch_1.json")
    shards = 2 if args.small else args.gpus
    begin, running = time.monotonic(), []
    for n in range(1, shards + 1):
        output = args.out / f"shard-{n}.jsonl"
        options = {
            "--checkpoint": manifest,
            "--llava": clips_of(args, "2B").folder / "train.llava.json",
            "--frames": clips_of(args, "2B").folder / "train.json",
            "--system-prompt": "You are a helpful assistant.",
            "--predictions": output,
            "--source": output.with_suffix(".source.json"),
            "--shard": f"{n}/{shards}",
        }
        reserve = [] if args.small else [sys.executable, "scripts/on_gpus.py", "1"]
        words = [str(word) for option in options.items() for word in option]
        command = [*reserve, sys.executable, "scripts/evaluate_local.py", *words]
        running.append((output, subprocess.Popen(command, stdout=subprocess.DEVNULL)))
    for _, process in running:
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, "evaluate_local.py")
    seconds = [json.loads(output.with_suffix(".times.json").read_text())["seconds"] for output, _ in running]
    questions = sum(len(output.read_text().splitlines()) for output, _ in running)
    return {
        "phase": "evaluate",
        "gpus": shards,
        "questions": questions,
        "questions_a_second": questions / max(seconds),
        "wall_seconds": time.monotonic() - begin,
    }


if __name__ == "__main__":
    main()
