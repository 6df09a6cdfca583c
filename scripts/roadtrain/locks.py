"""Snakemake's own folder (.snakemake): locks of killed runs, and metadata that DVC linked to its cache."""

import contextlib
import fcntl
import os
import shutil
from pathlib import Path
from typing import IO


def hold(folder: str | Path = ".snakemake") -> IO | None:
    """Say that a Snakemake is alive here for as long as the returned file is open, and remove the locks that a killed
    one left. Snakemake's locks are files that nobody removes after SIGKILL; this one goes with its process.

    None where the file system knows no locks: then Snakemake's own message explains `--unlock`.
    """
    folder = Path(folder)
    try:
        folder.mkdir(exist_ok=True)
        alive = open(folder / "alive", "a")
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)  # granted only when no other Snakemake is alive
            for left in (folder / "locks").glob("*.lock"):
                left.unlink(missing_ok=True)
        except BlockingIOError:
            pass
        fcntl.flock(alive, fcntl.LOCK_SH)
    except OSError:
        return None
    return alive


def own(folder: str | Path = ".snakemake/metadata") -> int:
    """Replace links into DVC's cache by copies; returns how many. Snakemake rewrites these files in place: with
    `cache.type` hardlink or symlink it would write into the cache (root), or fail (anybody else)."""
    count = 0
    for path in Path(folder).rglob("*"):
        if path.is_symlink() or (path.is_file() and (path.stat().st_nlink > 1 or not os.access(path, os.W_OK))):
            beside = path.with_name(f".{path.name}.part")
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(path, beside)
                beside.chmod(0o644)
                os.replace(beside, path)
                count += 1
    return count
