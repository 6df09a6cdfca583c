"""Which GPUs a job may use: no two jobs of a machine get the same one, whoever started them.

A GPU is a lock on a file in a folder that the whole machine shares. A lock goes with the process that holds it (and the
children that it hands it to), however that ends: nothing is left to clean up after a crash. Snakemake counts GPUs
(`resources: gpu`), but doesn't say which; and two Snakemakes don't know of each other.
"""

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def folder() -> Path:
    """Where the locks lie: one folder a machine; inside a Slurm job, whose GPUs may be counted from 0 again, its own."""
    return Path(tempfile.gettempdir()) / "roadtrain-gpus" / os.environ.get("SLURM_JOB_ID", "")


def visible() -> list[str]:
    """The GPUs that this process may use: those of CUDA_VISIBLE_DEVICES, else every NVIDIA GPU of the machine."""
    said = os.environ.get("CUDA_VISIBLE_DEVICES")
    if said is not None:
        return [name.strip() for name in said.split(",") if name.strip()]
    with contextlib.suppress(OSError):
        return [str(number) for number in range(len(os.listdir("/proc/driver/nvidia/gpus")))]
    return []


def take(count: int, names: list[str], waiting: Callable[[str], None] = print) -> tuple[list[str], list[int]]:
    """Wait for `count` of the GPUs `names` and lock them: (names, open files that hold the locks).

    All or nothing, so that two jobs which want two of two GPUs never hold one each. `waiting` is told once whom it waits for.
    """
    told = False
    while True:
        with _alone():
            free, held = [], []
            for name in names:
                slot = _open(folder() / f"{name.replace('/', '_')}.lock")  # MIG-<uuid>/1/0
                try:
                    fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    held.append(f"{name} (process {os.read(slot, 20).decode(errors='replace').strip() or '?'})")
                    os.close(slot)
                    continue
                free.append((name, slot))
                if len(free) == count:
                    break
            for name, slot in free if len(free) == count else []:
                os.ftruncate(slot, 0)
                os.pwrite(slot, f"{os.getpid()}\n".encode(), 0)
            if len(free) == count:
                return [name for name, _ in free], [slot for _, slot in free]
            for _, slot in free:
                os.close(slot)
        if not told:
            waiting(f"waiting for {count} of {len(names)} GPUs; in use: {', '.join(held)}")
            told = True
        time.sleep(1)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One process at a time chooses."""
    choosing = _open(folder() / "choosing.lock")
    try:
        fcntl.flock(choosing, fcntl.LOCK_EX)
        yield
    finally:
        os.close(choosing)


def _open(path: Path) -> int:
    """A file that every user of the machine may lock, whatever the umask of who came first."""
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, os.O_RDWR)
    for directory in (path.parent.parent, path.parent):
        with contextlib.suppress(FileExistsError):
            directory.mkdir()
            directory.chmod(0o1777)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, 0o666)
    return descriptor
