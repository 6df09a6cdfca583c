#!/usr/bin/env python3
"""The local engine on all GPUs of one host: how much faster than on one, at true sizes with random weights; no network.

    scripts/dev/gpu/many_gpus.sh FOLDER OUT [--minutes M] [PHASE ..]      on the machine with GPUs; FOLDER: prepare.sh's
    PYTHONPATH=scripts python scripts/dev/gpu/many_gpus.py OUT --small    the sample's base on a CPU: that it runs

    2B        optimizer steps of 256 questions at 2,880 tokens on 1, 2, 4, .. GPUs, losses beside those of the fewest
    resume    the 2B run on all GPUs, killed (SIGKILL) after a saved state; the same training on half of them goes on
    evaluate  the checkpoint that it ends with, asked by a shard a GPU (evaluate_local.py --shard)
    long      steps at 7,733 tokens
    8B        full training on 2 and more GPUs (141 GB each; 80 GB: 4)

OUT/many_gpus.json has a row as soon as it is known, OUT/many_gpus.log the end of what each run printed. Runs on fewer GPUs go side
by side, each on GPUs of its own (on_gpus.py), and are ended after the steps that are measured; what begins too late to end in M minutes is
skipped. cosmos-rl on all GPUs: run.sh .. two_shared two_pairs; vLLM's tensor parallelism: run_vllm.sh .. vllm_two.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from dev.gpu import big_model, trainer_run
from dev.gpu.session import visible_gpus
from roadtrain import processes
from roadtrain.files import write_json
from roadtrain.train.logs import read_log

VIDEOS = 16  # of an optimizer step: 256 questions, as published
STEPS = {"2B": 6, "long": 5, "8B": 5}  # that are measured, of an epoch of one more
STATE_AFTER = 4  # steps: what `resume` goes on from
LEAST = {"2B": 1, "long": 1, "8B": 2}  # GPUs
PHASES = ("2B", "resume", "evaluate", "long", "8B")
SHORTEST = 60  # seconds: a run that would have fewer isn't started
Row = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A training run on so many GPUs."""

    phase: str
    gpus: int

    @property
    def name(self) -> str:
        """Of its part of the log."""
        return f"{self.phase} on {self.gpus}"

    def clips(self, args: argparse.Namespace) -> big_model.Clips:
        """That it trains on."""
        clips = big_model.SMALL if args.small else big_model.LONG if self.phase == "long" else big_model.SHORT
        steps = STEPS["2B" if self.phase == "resume" else self.phase] + 1
        return replace(clips, count=args.videos * steps, size="8B" if self.phase == "8B" else "2B")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("phases", nargs="*", choices=[[], *PHASES], help="all of them")
    parser.add_argument("--minutes", type=float, default=9.5, help="everything has ended after so long (%(default)s)")
    parser.add_argument("--small", action="store_true")
    args = parser.parse_intermixed_args()  # options between phases
    args.end = time.monotonic() + 60 * args.minutes - 10
    args.out.mkdir(parents=True, exist_ok=True)
    names = [] if args.small else visible_gpus()
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names)  # on_gpus.py chooses among them
    args.gpus = len(names) or 1
    args.videos = 1 if args.small else VIDEOS
    args.phases = args.phases or list(PHASES)
    report = Report(args)
    processes.adopt_orphans()
    try:
        for phase in PHASES:
            if phase in args.phases:
                run_phase(args, phase, report)
    finally:
        processes.end_descendants(grace=3)


class Report:
    """OUT/many_gpus.json and OUT/many_gpus.log."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.out, self.start = args.out, time.monotonic()
        self.about: Row = {"gpus": args.gpus, "cpus": os.cpu_count(), "videos_a_step": args.videos}
        self.rows: list[Row] = []

    def add(self, row: Row) -> None:
        """A row, and every other beside the one that it is compared with."""
        self.rows.append(row)
        print(f"{time.monotonic() - self.start:.0f} s", json.dumps(row), flush=True)
        compare(self.rows)
        write_json(self.out / "many_gpus.json", self.about | {"rows": self.rows})

    def keep(self, name: str, log: Path) -> None:
        """The end of what a run printed."""
        with open(self.out / "many_gpus.log", "a") as stream:
            lines = log.read_text(errors="replace").splitlines() if log.exists() else []
            stream.write("\n".join([f"=== {name}", *(line.split("\r")[-1] for line in lines[-40:]), ""]))


def run_phase(args: argparse.Namespace, phase: str, report: Report) -> None:
    """Rows of a phase, failures too."""
    if phase == "evaluate":
        report.add(evaluate(args))
        return
    if phase == "resume":
        jobs = [Job("resume", max(1, args.gpus // 2))]
        if args.gpus == 1 or "2B" not in args.phases:  # else it ran beside the others
            train(args, jobs, report)
        return
    first = Job(phase, args.gpus)
    clips = first.clips(args)
    big_model.write_questions({"nframes": 8}, clips)
    if clips.model != big_model.BASE and not clips.model.exists():
        write = f"from dev.gpu import big_model; big_model.write_model({clips.size!r})"  # a process: GPU memory is free again
        subprocess.run([sys.executable, "-c", write], check=True)
    jobs = [Job(phase, n) for n in (4, 2, 1) if LEAST[phase] <= n < args.gpus]
    train(args, [first], report)
    if phase == "2B" and "resume" in args.phases and args.gpus > 1:
        jobs.insert(0, Job("resume", args.gpus // 2))
    for group in groups(args.gpus, jobs):
        train(args, group, report)


def groups(gpus: int, jobs: list[Job]) -> Iterator[list[Job]]:
    """Jobs that there are GPUs for at once; in order, but that a smaller one fills what is left."""
    waiting = list(jobs)
    while waiting:
        group: list[Job] = []
        for job in list(waiting):
            if sum(one.gpus for one in group) + job.gpus <= gpus:
                group.append(job)
                waiting.remove(job)
        yield group


def train(args: argparse.Namespace, group: list[Job], report: Report) -> None:
    """Runs side by side, each until its steps are there; a row each."""
    begin = time.monotonic()
    if args.end - begin < SHORTEST and not args.small:
        for job in group:
            report.add({"phase": job.phase, "gpus": job.gpus, "failed": "no time left"})
        return
    running = {job: Run(args, job) for job in group}
    while running:
        for job, run in list(running.items()):
            if run.has_ended():
                del running[job]
                row = run.row() | {"seconds_in_all": round(time.monotonic() - begin)}
                report.add(row | {"beside": [f"{o.phase} on {o.gpus}" for o in group if o != job]})
                report.keep(job.name, run.log)
        time.sleep(0.1)


class Run:
    """train_local.py on GPUs of its own, as a rule starts it."""

    def __init__(self, args: argparse.Namespace, job: Job) -> None:
        self.args, self.job = args, job
        self.goes_on = job.phase == "resume"
        # A run on all GPUs is killed; where there is one, it resumes on that.
        self.weights = folder_of_2b(args) if self.goes_on else trainer_run.new_folder(f"many/{job.phase}-{job.gpus}")
        saves = self.weights == folder_of_2b(args)
        toml = trainer_run.write_toml(
            self.weights,
            gpus=job.gpus,
            questions=args.videos * big_model.QUESTIONS,
            mini_batch=2 if job.phase in ("2B", "resume") and args.videos // job.gpus > 1 else 1,
            clips=job.clips(args),
            state_every_steps=str(STATE_AFTER if saves else 0),
        )
        reserve = [] if args.small else [sys.executable, "scripts/on_gpus.py", str(job.gpus)]
        self.log = self.weights / f"{job.phase}.log"
        with open(self.log, "wb") as log:
            command = [*reserve, *trainer_run.command(self.weights, toml)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def steps(self) -> list[Row]:
        """Lines of its log."""
        return [json.loads(line) for line in read_log(self.weights / "train_log.jsonl", trainer_run.ALL_STEPS)]

    def has_ended(self) -> bool:
        """By itself, or because all steps are there that are wanted of it, or because time is over."""
        if self.process.poll() is not None:
            return True
        if time.monotonic() < self.args.end and (self.goes_on or len(self.steps()) < STEPS[self.job.phase]):
            return False
        for one in [*processes.descendants(self.process.pid), psutil.Process(self.process.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)
        self.process.wait()
        return True

    def row(self) -> Row:
        """What it measured, or the end of what it printed."""
        row: Row = {"phase": self.job.phase, "gpus": self.job.gpus}
        text = self.log.read_text(errors="replace")
        row["plan"] = next(
            (line.split(": ", 1)[1] for line in text.splitlines() if "gradient checkpointing of" in line), ""
        )
        try:
            if self.goes_on and self.process.returncode:
                raise ValueError(f"exit code {self.process.returncode}")
            row |= trainer_run.measurements(
                self.weights, trainer_run.ALL_STEPS if self.goes_on else STEPS[self.job.phase]
            )
        except (OSError, ValueError) as error:
            return row | {"failed": str(error), "end_of_its_log": text.splitlines()[-15:]}
        if self.goes_on:  # of two numbers of GPUs
            del row["questions_a_second"]
        return row


def folder_of_2b(args: argparse.Namespace) -> Path:
    """Of the run on all GPUs."""
    return Path("weights/gpu/many", f"2B-{args.gpus}")


def compare(rows: list[Row]) -> None:
    """Each beside the run on the fewest GPUs: speed, and how far its losses are; a resumed one beside the killed one."""
    good = [row for row in rows if "losses" in row]
    for row in good:
        if row["phase"] == "resume":
            other = max((one for one in good if one["phase"] == "2B"), key=lambda one: one["gpus"])
            # Steps before the saved state are the killed run's own: nothing was trained twice.
            row["went_on"] = row["step_seconds"][:STATE_AFTER] == other["step_seconds"][:STATE_AFTER]
        else:
            other = min((one for one in good if one["phase"] == row["phase"]), key=lambda one: one["gpus"])
            row["times"] = row["questions_a_second"] / other["questions_a_second"]
            row["efficiency"] = row["times"] * other["gpus"] / row["gpus"]
        pairs = zip(row["losses"], other["losses"], strict=False)
        row["largest_difference_of_loss"] = max(abs(a - b) / abs(b) for a, b in pairs)


def evaluate(args: argparse.Namespace) -> Row:
    """The checkpoint that `resume` ended with, a shard a GPU."""
    clips, shards = Job("2B", 1).clips(args), 2 if args.small else args.gpus
    row: Row = {"phase": "evaluate", "gpus": shards}
    manifest = folder_of_2b(args) / "m/epoch_1.json"
    if not manifest.exists() or args.end - time.monotonic() < SHORTEST / 2:
        return row | {"failed": "no time left" if manifest.exists() else f"no {manifest}: phase resume"}
    begin, running, folder = time.monotonic(), [], trainer_run.new_folder("many/evaluate")
    for n in range(1, shards + 1):
        output = folder / f"shard-{n}.jsonl"
        options = {
            "--checkpoint": manifest,
            "--llava": clips.folder / "train.llava.json",
            "--frames": clips.folder / "train.json",
            "--system-prompt": "You are a helpful assistant.",
            "--predictions": output,
            "--source": output.with_suffix(".source.json"),
            "--shard": f"{n}/{shards}",
        }
        reserve = [] if args.small else [sys.executable, "scripts/on_gpus.py", "1"]
        words = [str(word) for option in options.items() for word in option]
        command = [*reserve, sys.executable, "scripts/evaluate_local.py", *words]
        with open(output.with_suffix(".log"), "wb") as log:
            running.append((output, subprocess.Popen(command, stdout=log, stderr=log)))
    for output, process in running:
        try:
            code = process.wait(max(0, args.end - time.monotonic()))
        except subprocess.TimeoutExpired:
            return row | {"failed": "no time left"}
        if code:
            return row | {"failed": output.with_suffix(".log").read_text(errors="replace")[-1500:]}
    times = [json.loads(output.with_suffix(".times.json").read_text())["seconds"] for output, _ in running]
    questions = [len(output.read_text().splitlines()) for output, _ in running]
    row |= {"questions": questions, "seconds": times, "questions_a_second": sum(questions) / max(times)}
    return row | {"wall_seconds": round(time.monotonic() - begin, 1)}


if __name__ == "__main__":
    main()
