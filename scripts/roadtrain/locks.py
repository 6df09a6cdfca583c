"""Locks on files (flock): who waits for whom. A lock goes with the processes that hold its file open, however they end.

with locks.alone_in(weights): ..      one training run, or one quantization, works in a folder; others wait
with locks.alone(path): ..            one process at a time; others wait
locks.open_file(path)                 a file that may serve as a lock: no link, no pipe
locks.try_lock(descriptor)            a lock among several: the GPUs of a machine (gpus.py)
locks.hold_snakemake()                a Snakemake is alive in this project
"""

import contextlib
import errno
import fcntl
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from roadtrain.cli import UserError

LONGEST = 20  # bytes of a lock file: a process's number


@contextlib.contextmanager
def alone(path: str | Path, waiting: Callable[[str], None] | None = None, needed: bool = True) -> Iterator[int]:
    """Hold the lock of the file `path`, which is made; yields its descriptor. Another process has to wait.

    With `waiting` the file holds the number of the process that has it, which `waiting` is told before it waits. Where
    the file system knows no locks, OSError is raised, or, when the lock isn't `needed`, it goes on without.
    """
    lock = open_file(path)
    try:
        with contextlib.nullcontext() if needed else contextlib.suppress(OSError):
            if not try_lock(lock):
                if waiting is not None:
                    waiting(holder(lock))
                wait_lock(lock)
            if waiting is not None:
                note_holder(lock)
        yield lock
    finally:
        os.close(lock)


def open_file(path: str | Path, folder: int | None = None) -> int:
    """The descriptor of a lock file, which is made. `folder`: its folder, when that is open already and was looked at.

    Lock files lie in folders that others may write to, and get the holder's number written into them: a link that
    somebody planted there would have another file overwritten. So only a regular file with one name is taken.
    Raises UserError for anything else, OSError where it can't be opened.
    """
    name = path if folder is None else os.path.basename(path)
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: opening a named pipe would wait
    try:
        try:
            # Without O_CREAT first: Linux (protected_regular) refuses it for others' files in a sticky folder.
            lock = os.open(name, flags, dir_fd=folder)
        except FileNotFoundError:
            lock = os.open(name, flags | os.O_CREAT, 0o666, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):  # a link, a socket, a folder
            raise _not_a_lock(path) from None
        raise
    status = os.fstat(lock)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_size > LONGEST:
        os.close(lock)
        raise _not_a_lock(path)
    return lock


def _not_a_lock(path: str | Path) -> UserError:
    return UserError(
        f"{path}: a lock file must be a regular file with one name and a number in it, and this is something else: remove it"
    )


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
    return os.pread(descriptor, LONGEST, 0).decode(errors="replace").strip() or "?"


def hold_snakemake(folder: str | Path = ".snakemake") -> int | None:
    """Say that a Snakemake is alive here for as long as the returned descriptor is open, and remove the locks that a killed
    one left. Snakemake's locks are files that nobody removes after SIGKILL; this one goes with its process.

    None where the file system knows no locks: then Snakemake's own message explains `--unlock`.
    """
    folder = Path(folder)
    try:
        folder.mkdir(exist_ok=True)
        alive = open_file(folder / "alive")
        if try_lock(alive):  # granted only when no other Snakemake is alive
            for abandoned in (folder / "locks").glob("*.lock"):
                abandoned.unlink(missing_ok=True)
        fcntl.flock(alive, fcntl.LOCK_SH)  # others may be alive, too
    except OSError:
        return None
    return alive
