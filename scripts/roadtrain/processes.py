"""Everything that a program started, however it detached itself: found, watched and ended. Linux only.

cosmos-rl starts shells, a controller, torchrun and a redis that makes itself a daemon; when one of them dies the others
stay. This process becomes the one that the kernel gives their orphans to, so that all of them stay its descendants.
"""

import contextlib
import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence

import psutil

PR_SET_CHILD_SUBREAPER = 36  # prctl(2); psutil has no call for it


def adopt_orphans() -> None:
    """From now on descendants whose parent dies become children of this process, not of init. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def terminate_in_thread() -> None:
    """Run this process's handler of SIGTERM in a thread of its own from now on. Called in the main thread.

    A handler runs in the main thread, wherever that is: one that takes a lock waits for ever when the main thread
    holds it. In another thread it waits until the lock is free. Does nothing when no Python handler is set.
    """
    handler = signal.getsignal(signal.SIGTERM)
    if callable(handler):
        signal.signal(signal.SIGTERM, lambda *event: threading.Thread(target=handler, args=event, daemon=True).start())


def descendants(root: int | None = None) -> list[psutil.Process]:
    """Living processes below `root` (this process), parents first. Zombies don't count."""
    try:
        return [process for process in psutil.Process(root).children(recursive=True) if is_alive(process)]
    except psutil.NoSuchProcess:
        return []


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs: it is neither gone nor a zombie, and its number was not given to another process."""
    try:
        return process.is_running() and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def environment_of(process: psutil.Process) -> dict[str, str]:
    """What a process was started with; empty when it is gone or somebody else's."""
    try:
        return dict(process.environ())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return {}


def with_variable(name: str, value: str) -> list[psutil.Process]:
    """Living processes of this user that were started with `name=value` in their environment, this one left out."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and environment_of(process).get(name) == value and is_alive(process)
    ]


def end(processes: Sequence[psutil.Process], grace: float = 10.0) -> list[psutil.Process]:
    """Ask processes to end, and kill those that are there after `grace` seconds. Returns those that had to be killed."""
    _each(processes, psutil.Process.terminate)
    stubborn = _wait_for(processes, grace)
    _each(stubborn, psutil.Process.kill)
    _wait_for(stubborn, 5.0)
    return stubborn


def end_descendants(grace: float = 10.0) -> None:
    """End all that this process started, and what those start meanwhile."""
    while below := descendants():
        end(below, grace)
        grace = 1.0


def _each(processes: Sequence[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            send(process)


def _wait_for(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that live after so many seconds. Zombies of our own are reaped; a parent among them may never reap its."""
    deadline = time.monotonic() + seconds
    while True:
        _, there = psutil.wait_procs(processes, timeout=0)
        alive = [process for process in there if is_alive(process)]
        if not alive or time.monotonic() >= deadline:
            return alive
        time.sleep(0.05)
