#!/usr/bin/env python3
"""Kill the workflow at random instants, start it again, and look whether anything was lost or made twice.

A finished run (--reference, a folder with the project, spec.yaml and results) says what must come out. In a copy of
it everything is made from nothing; again and again Snakemake, a job's program, its shell, one of its workers or all of them
are killed (SIGKILL) or asked to end (SIGTERM; SIGINT to the whole group as Ctrl-C does), and the same plain command is started
at once, with orphans still running. Each start must go on without a word from a human, and show within --patience that
it does: otherwise it hangs. When one reaches the end, every file that doesn't hold a measured time must have the
reference's bytes, and nothing may be left to do; then it starts from nothing again. Exit code 1 at the first thing that is
wrong. Linux only.

Instants: a random time after the start or the first job, or, so that short jobs are hit too, a random time within the
life of a job; a program that was hit less often is chosen more often.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from dev.kill_watch import Life, Steps, Wrong, last_lines, program, semaphores, shells
from roadtrain import cli, processes
from roadtrain.files import read_json, write_json

KINDS = ("snakemake", "job", "job by SIGTERM", "worker", "shell", "both", "SIGTERM", "SIGINT")
OUTPUTS = ("results", "weights", "data", "cache", "logs", "benchmarks", ".snakemake")
# Files that hold measured times, or quote them. Everything else must be equal byte for byte.
MEASURED = re.compile(
    r"checkpoints/epoch_\d+\.json|quantized/\w+\.json|\.times\.json|paper/(t4_|f4_|paper)|report\.html"
)
STUCK = ("LockException", "IncompleteFilesException", "cannot be locked")  # what needs a human


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", required=True, type=Path, help="a project folder in which spec.yaml was run")
    parser.add_argument("--work", required=True, type=Path, help="folder for the copy (deleted first)")
    parser.add_argument("--kills", type=int, default=50, help="how many (%(default)s)")
    parser.add_argument("--minutes", type=float, default=60, help="stop after this time in any case (%(default)s)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=20,
        help="longest time between a start, or its first job, and a kill (%(default)s)",
    )
    parser.add_argument("--each", type=int, default=5, help="kills during a program's jobs in one run (%(default)s)")
    parser.add_argument(
        "--forget",
        nargs="*",
        default=[],
        help="begin with the reference's files but for these patterns, so that late stages have their turn (from nothing)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=300,
        help="seconds without a line, a new or an ended process: a hang (%(default)s)",
    )
    parser.add_argument("--target", nargs="*", default=[], help="targets of the workflow (all)")
    parser.add_argument("--cores", type=int, default=2, help="Snakemake's --cores (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of instants and kinds (%(default)s)")
    parser.add_argument("--output", type=Path, help="JSON: what was killed when")
    args = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored, by children too
    processes.adopt_orphans()  # what a killed Snakemake leaves behind stays findable
    test = KillTest(args)
    try:
        test.run()
    except Wrong as error:
        raise SystemExit(f"kill_test.py: after {len(test.kills)} kills, the last {test.kills[-1:]}: {error}") from None
    finally:
        processes.end_descendants()
        if args.output:
            write_json(args.output, test.summary())
    print(json.dumps(test.summary(), indent=2))


class KillTest:
    """Runs of the workflow in a copy of the project, killed until they are through."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args, self.rng = args, random.Random(args.seed)
        self.kills: list[dict[str, Any]] = []
        self.longest: dict[str, float] = {}  # seconds that a job of a program was seen alive
        self.runs, self.trained, self.needed = 0, 0, 0  # optimizer steps: made in all, and in undisturbed runs
        self.deadline = time.monotonic() + args.minutes * 60
        self.slowest = 0.0  # seconds without a sign of life
        self.temporary = args.work.with_name(f"{args.work.name}.tmp")  # so that what is left there is ours
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(parents=True)
        self.semaphores = set(semaphores())
        shutil.rmtree(args.work, ignore_errors=True)
        ignore = shutil.ignore_patterns(*OUTPUTS, ".git", ".venv*", ".dvc")
        shutil.copytree(
            args.reference,
            args.work,
            symlinks=True,
            ignore=lambda d, names: ignore(d, names) if Path(d) == args.reference else (),
        )

    def run(self) -> None:
        """Until there were enough kills, or time is up."""
        while len(self.kills) < self.args.kills and time.monotonic() < self.deadline:
            self.from_nothing()

    def from_nothing(self) -> None:
        """One run of the workflow, killed until it is through: all of it, or what --forget names."""
        for name in OUTPUTS:
            shutil.rmtree(self.args.work / name, ignore_errors=True)
            if self.args.forget and (self.args.reference / name).exists():
                shutil.copytree(self.args.reference / name, self.args.work / name, symlinks=True)
        for path in [path for pattern in self.args.forget for path in self.args.work.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        steps = Steps(self.args.work)
        while not self.start(steps):
            pass
        processes.end_descendants(grace=120)  # orphans that still write must not change anything either
        self.trained, self.needed, self.runs = self.trained + steps.trained, self.needed + steps.logged(), self.runs + 1
        self.compare()

    def start(self, steps: Steps) -> bool:
        """Start Snakemake, kill it or a job of it after a random time. True when it reached the end."""
        with open(self.args.work / "snakemake.out", "w+") as out:
            run = subprocess.Popen(
                self.command(),
                cwd=self.args.work,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {"TMPDIR": str(self.temporary)},
            )
            killed, born, life = 0, dict[psutil.Process, float](), Life(run, Path(out.name))
            while run.poll() is None:  # it may go on after a kill: a job is tried again, a signal came too early
                killed += self.kill_once(run, steps, born, life)
            out.seek(0)
            output = out.read()
        if any(word in output for word in STUCK) or (run.returncode and not killed):
            raise Wrong(last_lines(output))
        return run.returncode == 0

    def kill_once(self, run: subprocess.Popen, steps: Steps, born: dict[psutil.Process, float], life: Life) -> bool:
        """Wait for an instant and kill; False when Snakemake ended before."""
        enough = len(self.kills) >= self.args.kills or time.monotonic() > self.deadline
        wait = float("inf") if enough else self.rng.uniform(0, self.args.seconds)
        # Most instants count from the first job on: a Snakemake that only starts has little to lose.
        at = time.monotonic() + wait if self.rng.random() < 0.2 else None
        while run.poll() is None:
            if at is not None and time.monotonic() >= at:
                if not self.is_enough_of(run):
                    break
                at = None
            steps.look()
            self.slowest = max(self.slowest, silence := life.silence())
            if silence > self.args.patience:
                raise Wrong(f"a hang: no sign of life for {silence:.0f} s; there are {life.words()}")
            if not enough and (jobs := self.jobs(run)):
                at = min(at or time.monotonic() + wait, self.aim(jobs, born))
            time.sleep(0.05)
        return run.poll() is None and self.kill(run)

    def jobs(self, run: subprocess.Popen) -> dict[psutil.Process, str]:
        """{process: the job's program} of a running Snakemake."""
        programs = {process: program(process) for process in processes.descendants(run.pid)}
        return {process: name for process, name in programs.items() if name}

    def is_enough_of(self, run: subprocess.Popen) -> bool:
        """Whether what runs now was hit so often that others shall have their turn: a long job would never end."""
        names, hits = set(self.jobs(run).values()) or {"between jobs"}, self.hits()
        return all(hits[name] >= self.args.each * (self.runs + 1) for name in names)

    def aim(self, jobs: dict[psutil.Process, str], born: dict[psutil.Process, float]) -> float:
        """When to kill because a job began: at a random time of its life, as long as its program lived so far."""
        now, at = time.monotonic(), float("inf")
        for job, name in jobs.items():
            if job not in born:
                born[job] = now
                if self.rng.random() < 1 / (1 + self.hits()[name]):
                    at = min(at, now + self.rng.uniform(0, self.longest.get(name, 0.5)))
            self.longest[name] = max(self.longest.get(name, 0.0), now - born[job])
        return at

    def hits(self) -> collections.Counter[str]:
        """{program: kills while it ran}."""
        return collections.Counter(name for kill in self.kills for name in kill["during"])

    def command(self, *more: str) -> list[str]:
        """Snakemake's."""
        command = [sys.executable, "-m", "snakemake", "--cores", str(self.args.cores), *self.args.target, *more]
        return [*command, "--configfile", "spec.yaml"]

    def kill(self, run: subprocess.Popen) -> bool:
        """Snakemake, a job's program, its shell or a worker of it, or all of them."""
        below, jobs = processes.descendants(run.pid), self.jobs(run)
        victims = {
            "job": list(jobs),
            "job by SIGTERM": list(jobs),
            "worker": [process for job in jobs for process in processes.descendants(job.pid)],
            "shell": [process for job in jobs for process in shells(job)],
        }
        kind = self.rng.choice([kind for kind in KINDS if victims.get(kind, True)])
        self.kills.append({"kind": kind, "during": sorted(set(jobs.values())) or ["between jobs"]})
        print(f"{len(self.kills)}: {kind} during {', '.join(self.kills[-1]['during'])}", flush=True)
        if kind in victims:
            victim = self.rng.choice(sorted(victims[kind], key=lambda process: process.pid))
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGTERM if "SIGTERM" in kind else signal.SIGKILL)
        elif kind == "SIGTERM":
            run.terminate()
        elif kind == "SIGINT":
            os.killpg(run.pid, signal.SIGINT)
        else:
            run.kill()
            for process in below if kind == "both" else []:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        return True

    def compare(self) -> None:
        """Raises Wrong when something is left to do, or a file differs from the reference's."""
        work, reference = self.args.work, self.args.reference
        dry_run = subprocess.run(self.command("--dry-run"), cwd=work, capture_output=True, text=True)
        output = dry_run.stdout + dry_run.stderr
        if "Nothing to be done" not in output:
            raise Wrong(f"something is left to do: {last_lines(output)}")
        for path in sorted(p for p in (work / "results").rglob("*") if p.is_file() and not p.name.startswith(".")):
            name = path.relative_to(work)
            if not MEASURED.search(name.as_posix()) and path.read_bytes() != (reference / name).read_bytes():
                raise Wrong(f"{name} differs from the undisturbed run's")
        for path in sorted((work / "results").glob("*/*/*/*.json")):  # manifests: the weights, without the times
            name = path.relative_to(work)
            if "sha256" in (manifest := read_json(path)) and manifest["files"] != read_json(reference / name)["files"]:
                raise Wrong(f"{name}: other weights than in the undisturbed run")

    def summary(self) -> dict[str, Any]:
        """What was killed how often, and what it cost."""
        return {
            "kills": len(self.kills),
            "complete_runs": self.runs,
            "by_kind": dict(collections.Counter(k["kind"] for k in self.kills)),
            "by_program": dict(self.hits().most_common()),
            "steps_trained": self.trained,
            "steps_needed": self.needed,
            "longest_silence": round(self.slowest),
            "left_behind": self.left_behind(),
        }

    def left_behind(self) -> dict[str, int]:
        """{what: how many} that kills left and nothing has cleaned."""
        parts = [path for name in OUTPUTS for path in (self.args.work / name).rglob(".*.part")]
        temporary = list(self.temporary.iterdir())
        return {
            "parts": len(parts),
            "temporary": len(temporary),
            "semaphores": len(set(semaphores()) - self.semaphores),
        }


if __name__ == "__main__":
    main()
