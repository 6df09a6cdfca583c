"""Snakemake on a Slurm of the tests (slurm_node.py, slurm_hosts.py): started, watched, and what its training left."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from support import slurm_hosts
from support.slurm_node import LONG
from support.workflow import copy_project, must_run, write_spec

# A check that finds no job ended makes the plugin wait ten seconds longer before the next: the first one is soon.
PROFILE = ["--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2"]
LOG = "weights/small/nframes8/train_log.jsonl"
TRAINERS = ("train_local.py", "train_cosmos_rl.py", "cosmos_rl/launcher", "cosmos_sft.py", "redis-server")


def prepare(work: Path, spec: dict) -> Path:
    """A copy of the project with everything that training needs, made on this machine."""
    copy_project(work)
    write_spec(work, spec)
    must_run(work, "--until", "preflight", "decode_frames", "describe_base", timeout=LONG)
    return work


def start(work: Path, target: str = "train", *options: str, **variables: str) -> subprocess.Popen:
    """Snakemake in the background, in a session of its own; what it says is in snakemake.out."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *PROFILE, *options, target]
    with open(work / "snakemake.out", "w") as out:
        return subprocess.Popen(
            [*command, "--configfile", "spec.yaml"],
            cwd=work,
            env=os.environ | variables,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A shell's job in the background ignores Ctrl-C, and so would what it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def steps(work: Path) -> list[int]:
    """The steps that the training log has."""
    log = work / LOG
    return [json.loads(line)["step"] for line in log.read_text().splitlines()] if log.exists() else []


def losses(log: Path) -> list[float]:
    """The loss of each step."""
    return [json.loads(line)["loss"] for line in log.read_text().splitlines()]


def jobs(rule: str, state: str = "all") -> list[dict[str, str]]:
    """A rule's jobs that Slurm remembers, in the order of submission."""
    columns = {"id": "%i", "state": "%T", "nodes": "%D", "list": "%N", "start": "%S", "comment": "%k"}
    lines = output(
        "squeue", f"--states={state}", "--noheader", "--sort=i", "--format", "|".join(columns.values())
    ).splitlines()
    queue = [dict(zip(columns, line.split("|"), strict=True)) for line in lines]
    return [job for job in queue if job["comment"].startswith(f"rule_{rule}")]


def wait_for_training(
    work: Path, run: subprocess.Popen, count: int = 0, after: dict[str, str] | None = None
) -> dict[str, str]:
    """Slurm's job that trains, started later than `after`, once so many steps are logged. Slurm may have started it again."""
    before = after["start"] if after else ""
    found: list[dict[str, str]] = []

    def there() -> bool:
        found[:] = [job for job in jobs("train", "RUNNING") if job["start"] > before]
        return bool(found) and len(steps(work)) >= count

    wait_until(there, work, run)
    return found[-1]


def wait_until(true: Callable[[], bool], work: Path, run: subprocess.Popen | None = None) -> None:
    """Until something is true; AssertionError when the run ends before, or it never is."""
    deadline = time.monotonic() + LONG
    while not true():
        assert (run is None or run.poll() is None) and time.monotonic() < deadline, told(work)
        time.sleep(0.2)


def ended_well(work: Path, run: subprocess.Popen, epochs: int) -> None:
    """The run ends with every step trained once, the last epoch's checkpoint, and no process of a trainer on any node."""
    assert run.wait(timeout=LONG) == 0, told(work)
    assert steps(work) == list(range(1, len(steps(work)) + 1))
    assert (work / f"results/small/nframes8/checkpoints/epoch_{epochs}.json").is_file()
    wait_until(lambda: trainers() == [], work)


def trainers() -> list[str]:
    """The commands of trainers on all nodes."""
    commands = [command for number in (1, 2, 3) for command in slurm_hosts.running(number)]
    return [command for command in commands if any(name in command for name in TRAINERS)]


@contextlib.contextmanager
def paused_training(work: Path) -> Iterator[None]:
    """The training of this folder stands still, and goes on afterwards: what else happens has the time that it takes."""
    trainers = [pid for pid in psutil.pids() if _trains(pid, work)]
    assert trainers, told(work)
    for pid in trainers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in trainers:
            os.kill(pid, signal.SIGCONT)


def _trains(pid: int, work: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.cwd() == str(work) and any(name in " ".join(process.cmdline()) for name in TRAINERS)
    except psutil.Error:  # it has ended
        return False


def told(work: Path) -> str:
    """The ends of what Snakemake and the training said."""
    log = work / "logs/small/train/nframes8.log"
    return (work / "snakemake.out").read_text()[-4000:] + (log.read_text()[-4000:] if log.exists() else "")


def output(*command: str) -> str:
    """What one of Slurm's programs prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
