"""How a launcher knows that a training process is alive and what it is doing: a file that the node's first rank touches.

A process that hangs in a collective keeps its threads, its log and its GPU busy; what stops is the main loop, and that is
what beats here. The file's text is the phase (loading, compiling, training, saving), its time of change the last beat.
"""

import os
import time
from pathlib import Path

VARIABLE = "ROADTRAIN_HEARTBEAT"  # the file; unset: nobody watches


def begin_phase(phase: str) -> None:
    """Say what begins: loading, compiling, training or saving."""
    if path := _path():
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(phase)
        os.replace(beside, path)


def beat() -> None:
    """Say that the main loop goes on."""
    if (path := _path()) and path.exists():
        os.utime(path)


def _path() -> Path | None:
    """None where nobody watches, and on every rank but a node's first: a rank that stands still stops all of them."""
    return Path(os.environ[VARIABLE]) if VARIABLE in os.environ and os.environ.get("LOCAL_RANK") == "0" else None


def last_beat(path: str | Path) -> tuple[str, float] | None:
    """(phase, seconds since the last beat), None before the first."""
    try:
        return Path(path).read_text(), time.time() - Path(path).stat().st_mtime
    except FileNotFoundError:
        return None
