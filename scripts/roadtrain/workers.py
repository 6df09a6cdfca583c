"""Do many jobs in a few processes, and survive a job that kills its process (a decoder's crash, out of memory)."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any


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


def _in_pool(function: Callable, jobs: dict[int, Any], workers: int, start: Callable | None) -> Iterator:
    context = multiprocessing.get_context("spawn")  # torch's threads don't survive a fork
    pool = ProcessPoolExecutor(workers, context, start)
    try:
        futures: dict[Future, int] = {pool.submit(function, job): number for number, job in jobs.items()}
        for future in as_completed(futures):
            yield futures.pop(future), future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
