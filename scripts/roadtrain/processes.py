"""Everything that a program started, however it detached itself: found, watched and ended. Linux only.

cosmos-rl starts shells, a controller, torchrun and a redis that makes itself a daemon; when one of them dies the others
stay. This process becomes the one that the kernel gives their orphans to, so that all of them stay its descendants.
"""

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


def adopt_orphans() -> None:
    """From now on descendants whose parent dies become children of this process, not of init."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def descendants(root: int | None = None) -> list[int]:
    """Living processes below `root` (this process), parents first. Zombies don't count."""
    children: dict[int, list[int]] = {}
    dead = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (stat := _stat(int(entry))):
            state, parent = stat
            children.setdefault(parent, []).append(int(entry))
            if state in "ZX":
                dead.add(int(entry))
    found, waiting = [], [root or os.getpid()]
    while waiting:
        below = children.get(waiting.pop(0), [])
        found += below
        waiting += below
    return [pid for pid in found if pid not in dead]


def _stat(pid: int) -> tuple[str, int] | None:
    """(state, parent) of a process; its name may hold blanks and brackets."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)


def environment(pid: int) -> dict[str, str]:
    """What a process was started with; empty when it is gone or somebody else's."""
    try:
        items = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return dict(item.decode(errors="replace").partition("=")[::2] for item in items if b"=" in item)


def marked(name: str, value: str) -> list[int]:
    """Processes of this user that were started with `name=value` in their environment, this one left out."""
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [
        pid for pid in pids if pid != os.getpid() and environment(pid).get(name) == value and _stat(pid)[0] not in "ZX"
    ]


def end(pids: list[int], grace: float = 10.0) -> list[int]:
    """Ask processes to end, and kill those that are there after `grace` seconds. Returns those that had to be killed."""
    for pid in pids:
        _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while (alive := _living(pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in alive:
        _signal(pid, signal.SIGKILL)
    while _living(alive) and time.monotonic() < deadline + 5:
        time.sleep(0.02)
    return alive


def end_descendants(grace: float = 10.0) -> None:
    """End all that this process started, and what those start meanwhile."""
    while pids := descendants():
        end(pids, grace)
        grace = 1.0


def _living(pids: list[int]) -> list[int]:
    alive = []
    for pid in pids:
        stat = _stat(pid)
        if stat and stat[0] == "Z" and stat[1] == os.getpid():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        elif stat and stat[0] not in "ZX":
            alive.append(pid)
    return alive


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
