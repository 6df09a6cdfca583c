"""Locks on files (flock): who waits for whom. A lock goes with the processes that hold its file open, however they end.

with locks.alone_in(weights): ..      one training run, or one quantization, works in a folder; others wait
with locks.alone(path): ..            one process at a time; others wait
locks.try_lock(descriptor)            a lock among several: the GPUs of a machine (gpus.py)
locks.hold_snakemake()                a Snakemake is alive in this project
"""

import contextlib
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def alone(path: str | Path, waiting: Callable[[str], None] | None = None, needed: bool = True) -> Iterator[int]:
    """Hold the lock of the file `path`, which is made; yields its descriptor. Another process has to wait.

    With `waiting` the file holds the number of the process that has it, which `waiting` is told before it waits. Where
    the file system knows no locks, OSError is raised, or, when the lock isn't `needed`, it goes on without.
    """
    with open(path, "a+") as stream:
        lock = stream.fileno()
        with contextlib.nullcontext() if needed else contextlib.suppress(OSError):
            if not try_lock(lock):
                if waiting is not None:
                    waiting(holder(lock))
                wait_lock(lock)
            if waiting is not None:
                note_holder(lock)
        yield lock


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[int]:
    """Hold the lock of a folder, which is made; yields its descriptor. A killed Snakemake can leave its trainer running:
    wait until that has ended, then go on from what it left."""
    folder.mkdir(parents=True, exist_ok=True)

    def waiting(process: str) -> None:
        print(f"{folder}: process {process} is training here; waiting for it", file=sys.stderr, flush=True)

    with alone(folder / ".lock", waiting) as descriptor:
        yield descriptor


def try_lock(descriptor: int) -> bool:
    """Lock an open file if nobody has it locked. Raises OSError where the file system knows no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def wait_lock(descriptor: int) -> None:
    """Lock an open file when those who have it locked are through."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def note_holder(descriptor: int) -> None:
    """Write this process's number into a file that it has locked, for those who wait."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def holder(descriptor: int) -> str:
    """The number of the process that noted itself, `?` when none has."""
    return os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "?"


def hold_snakemake(folder: str | Path = ".snakemake") -> int | None:
    """Say that a Snakemake is alive here for as long as the returned descriptor is open, and remove the locks that a killed
    one left. Snakemake's locks are files that nobody removes after SIGKILL; this one goes with its process.

    None where the file system knows no locks: then Snakemake's own message explains `--unlock`.
    """
    folder = Path(folder)
    try:
        folder.mkdir(exist_ok=True)
        alive = os.open(folder / "alive", os.O_RDWR | os.O_CREAT, 0o666)
        if try_lock(alive):  # granted only when no other Snakemake is alive
            for abandoned in (folder / "locks").glob("*.lock"):
                abandoned.unlink(missing_ok=True)
        fcntl.flock(alive, fcntl.LOCK_SH)  # others may be alive, too
    except OSError:
        return None
    return alive
