"""Do many jobs in a few processes, and survive a job that kills its process (a decoder's crash, out of memory).

No worker outlives its program: an orphan would hold the pipe to the program's log open, and who reads the log (Snakemake)
would wait for ever.
"""

import contextlib
import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from roadtrain.cli import UserError


class WorkerDied:
    """The result of a job whose process died, also when it was alone."""


def run_jobs(
    function: Callable[[Any], Any], jobs: Sequence[Any], workers: int, start: Callable[[], None] | None = None
) -> Iterator[tuple[Any, Any]]:
    """(job, result) as they get done. `workers` 0: in this process. `start` runs first in each process.

    An exception of a job is raised here. When a process dies, what wasn't done is done again, one process a job; only
    the job that dies again gets WorkerDied.
    """
    if not workers:
        for job in jobs:
            yield job, function(job)
        return
    waiting = dict(enumerate(jobs))
    try:
        for number, result in _in_pool(function, dict(waiting), min(workers, len(jobs)), start):
            yield waiting.pop(number), result
    except BrokenProcessPool:
        for number, job in waiting.items():
            try:
                ((_, result),) = _in_pool(function, {number: job}, 1, start)
            except BrokenProcessPool:
                result = WorkerDied()
            yield job, result


@contextlib.contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that begin at once, with what is imported here (fork): for programs without threads.

    What wasn't begun is dropped when the block ends by an exception. Raises UserError when a process dies.
    """
    pool = _start_pool(workers, "fork", None)
    try:
        yield pool
    except BrokenProcessPool:
        raise UserError("a worker process died: killed, or no memory left; fewer --workers need less") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_pool(workers: int, method: str, start: Callable[[], None] | None) -> ProcessPoolExecutor:
    """Processes that die with this one, also when it is killed. `start` runs first in each."""
    context = multiprocessing.get_context(method)
    return ProcessPoolExecutor(workers, context, _start_worker, (os.getpid(), start))


PR_SET_PDEATHSIG = 1  # prctl(2): the signal that a process gets when its parent is gone


def _start_worker(parent: int, start: Callable[[], None] | None) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it was gone before the call
        os._exit(1)
    if start is not None:
        start()


def _in_pool(function: Callable, jobs: dict[int, Any], workers: int, start: Callable | None) -> Iterator:
    pool = _start_pool(workers, "spawn", start)  # torch's threads don't survive a fork
    try:
        futures: dict[Future, int] = {pool.submit(function, job): number for number, job in jobs.items()}
        for future in as_completed(futures):
            yield futures.pop(future), future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
