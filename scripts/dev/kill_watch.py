"""What kill_test.py sees of a run: signs of life, training steps, processes, what kills left behind."""

import contextlib
import subprocess
import time
from pathlib import Path

import psutil

from roadtrain import processes
from roadtrain.files import read_json


class Wrong(Exception):
    """A promise was broken."""


class Life:
    """Whether a started Snakemake gets on: lines, and processes that come and go."""

    def __init__(self, run: subprocess.Popen, output: Path) -> None:
        self.run, self.output = run, output
        self.sign: tuple[int, frozenset[int]] = (0, frozenset())
        self.since = time.monotonic()

    def silence(self) -> float:
        """Seconds since the last sign."""
        sign = self.output.stat().st_size, frozenset(process.pid for process in processes.descendants(self.run.pid))
        if sign != self.sign:
            self.sign, self.since = sign, time.monotonic()
        return time.monotonic() - self.since

    def words(self) -> str:
        """The processes that are there."""
        lines = []
        for process in [psutil.Process(self.run.pid), *processes.descendants(self.run.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                lines.append(f"{process.pid} {process.status()}: {' '.join(process.cmdline())[:150]}")
        return "; ".join(lines) + last_lines(self.output.read_text())


class Steps:
    """Watches the training logs: counts optimizer steps, and sees when a finished epoch is trained again."""

    def __init__(self, work: Path) -> None:
        self.work, self.trained = work, 0
        self.lines: dict[Path, int] = {}

    def look(self) -> None:
        """Read the logs. Raises Wrong when steps of a finished epoch are missing."""
        for log in self.work.glob("weights/*/*/train_log.jsonl"):
            try:
                saved = [read_json(path)["step"] for path in log.parent.glob("epoch_*.json")]
                lines = log.read_bytes().count(b"\n")
            except (OSError, ValueError):
                continue
            if saved and lines < max(saved):
                raise Wrong(f"{log}: {lines} steps, although an epoch with step {max(saved)} was finished")
            self.trained += max(0, lines - self.lines.get(log, 0))
            self.lines[log] = lines

    def logged(self) -> int:
        """Steps that the logs have: what an undisturbed run needs."""
        return sum(log.read_bytes().count(b"\n") for log in self.work.glob("weights/*/*/train_log.jsonl"))


def program(process: psutil.Process) -> str | None:
    """The job's program that a process runs: python scripts/<name>.py"""
    try:
        words = process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return Path(words[1]).stem if len(words) > 1 and words[1].startswith("scripts/") else None


def shells(job: psutil.Process) -> list[psutil.Process]:
    """The shell that runs a job's program and the log's writer (tee)."""
    with contextlib.suppress(psutil.NoSuchProcess):
        shell = job.parent()
        if shell and shell.name() in ("bash", "sh"):  # no other parent: an orphan's may be this program
            return [shell, *(child for child in shell.children() if child.name() == "tee")]
    return []


def semaphores() -> list[str]:
    """Names of Python's semaphores on this machine."""
    return [path.name for path in Path("/dev/shm").glob("sem.mp-*")]


def last_lines(output: str) -> str:
    """The end of what a program printed, progress bars as lines."""
    return "\n" + "\n".join(output.replace("\r", "\n").splitlines()[-40:])
