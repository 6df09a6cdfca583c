"""Which GPUs a job may use: no two jobs of a machine get the same one, whoever started them.

A GPU is a lock on a file in a folder that the whole machine shares. A lock goes with the process that holds it (and the
children that it hands it to), however that ends: nothing is left to clean up after a crash. Snakemake counts GPUs
(`resources: gpu`), but doesn't say which; and two Snakemakes don't know of each other.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from roadtrain import locks


def lock_folder() -> Path:
    """Where the locks lie: one folder a machine; inside a Slurm job, whose GPUs may be counted from 0 again, its own."""
    return Path(tempfile.gettempdir()) / "roadtrain-gpus" / os.environ.get("SLURM_JOB_ID", "")


def visible() -> list[str]:
    """The GPUs that this process may use: those of CUDA_VISIBLE_DEVICES, else every NVIDIA GPU of the machine."""
    names = os.environ.get("CUDA_VISIBLE_DEVICES")
    if names is not None:
        return [name.strip() for name in names.split(",") if name.strip()]
    with contextlib.suppress(OSError):
        return [str(number) for number in range(len(os.listdir("/proc/driver/nvidia/gpus")))]
    return []


def reserve(count: int, names: list[str], waiting: Callable[[str], None] = print) -> dict[str, int]:
    """Wait for `count` of the GPUs `names` and lock them: {name: open file that holds its lock}.

    All or nothing, so that two jobs which want two of two GPUs never hold one each. `waiting` is told once whom it waits for.
    """
    announced = False
    while True:
        reserved, busy = _try_reserve(count, names)
        if reserved:
            return reserved
        if not announced:
            waiting(f"waiting for {count} of {len(names)} GPUs; in use: {', '.join(busy)}")
            announced = True
        time.sleep(1)


def _try_reserve(count: int, names: list[str]) -> tuple[dict[str, int], list[str]]:
    """({name: lock} of `count` GPUs, or of none; who has the others that were looked at)."""
    free: dict[str, int] = {}
    busy: list[str] = []
    choosing = _open_for_all(lock_folder() / "choosing.lock")  # one process at a time chooses
    try:
        locks.wait_lock(choosing)
        for name in names:
            lock = _open_for_all(lock_folder() / f"{name.replace('/', '_')}.lock")  # MIG-<uuid>/1/0
            if locks.try_lock(lock):
                free[name] = lock
            else:
                busy.append(f"{name} (process {locks.holder(lock)})")
                os.close(lock)
            if len(free) == count:
                for lock in free.values():
                    locks.note_holder(lock)
                return free, busy
        for lock in free.values():
            os.close(lock)
        return {}, busy
    finally:
        os.close(choosing)


def _open_for_all(path: Path) -> int:
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
