"""Which GPUs a job may use: no two jobs of a machine get the same one, whoever started them.

A GPU is a lock on a file in a folder that the whole machine shares. A lock goes with the process that holds it (and the
children that it hands it to), however that ends: nothing is left to clean up after a crash. Snakemake counts GPUs
(`resources: gpu`), but doesn't say which; and two Snakemakes don't know of each other.
"""

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from roadtrain import locks
from roadtrain.cli import UserError


def lock_folder() -> Path:
    """Where the locks lie: one folder a machine; inside a Slurm job, whose GPUs may be counted from 0 again, its own on
    each of its nodes, which may share the folder for temporary files."""
    names = ("SLURM_JOB_ID", "SLURMD_NODENAME")
    parts = [os.environ[name].replace("/", "_") for name in names if os.environ.get(name)]
    return Path(tempfile.gettempdir(), "-".join(["roadtrain-gpus", *parts]))


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
    folder = _open_folder(lock_folder())
    try:
        choosing = _open_for_all("choosing.lock", folder)  # one process at a time chooses
    except BaseException:
        os.close(folder)
        raise
    try:
        locks.wait_lock(choosing)
        for name in names:
            lock = _open_for_all(f"{name.replace('/', '_')}.lock", folder)  # MIG-<uuid>/1/0
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
        os.close(folder)


def _open_folder(path: Path) -> int:
    """A folder in which every user of the machine may lock, and nobody but its owner remove, whatever the umask of who came
    first. It lies where everybody writes: it must be a folder, no link to one, and files of others must be safe in it.
    Raises UserError."""
    with contextlib.suppress(FileExistsError):
        path.mkdir()
        path.chmod(0o1777)
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}; GPUs are locked by files in this folder: remove what lies there"
        ) from None
    mode = os.fstat(folder).st_mode
    if mode & 0o002 and not mode & stat.S_ISVTX:
        os.close(folder)
        raise UserError(f"{path}: everybody may remove others' files in this folder: chmod 1777 it, or remove it")
    return folder


def _open_for_all(name: str, folder: int) -> int:
    """A file of the folder that every user of the machine may lock."""
    descriptor = locks.open_file(lock_folder() / name, folder)
    with contextlib.suppress(PermissionError):
        os.fchmod(descriptor, 0o666)
    return descriptor
