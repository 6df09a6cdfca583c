"""Do many jobs in a few processes that have a clock and a limit of memory: native code may hang, crash or eat a machine.

with Workers(2, limits=JobLimits(seconds=60)) as workers:          # processes start when the first job comes, once
    for job, result in workers.run(function, jobs): ..

A job says that it gets on (`report_progress`). One that is silent for too long is killed with its process, by name, and
the others go on. A process ends with its parent, however that ends: an orphan would hold the pipe to the program's log
open, and who reads the log (Snakemake) would wait for ever.
"""

import contextlib
import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Literal, Self

from roadtrain.cli import UserError

PR_SET_PDEATHSIG = 1  # prctl(2): the signal that a process gets when its parent dies
START = 600  # seconds in which a process begins: it loads libraries, on a busy disk
TICK = 0.5  # seconds between two looks at the clocks
_parent: Connection | None = None  # in a worker: who is told of progress
_last_report = 0.0


@dataclass(frozen=True)
class JobLimits:
    """What a job may take. None: as much as it likes."""

    seconds: float | None = None  # without a sign of progress
    memory: int | None = None  # bytes, beside what the process has when it begins


@dataclass(frozen=True)
class WorkerDied:
    """The result of a job whose process was killed, or died, also when the job was tried again."""

    reason: str


def report_progress() -> None:
    """What a long job calls again and again; it costs nothing. Outside of a worker it does nothing."""
    global _last_report
    if _parent is not None and time.monotonic() - _last_report > TICK:
        _last_report = time.monotonic()
        _parent.send(("progress", None))


class Workers:
    """`count` processes, 0: this process alone, without limits. `start` runs first in each process. `method`: spawn,
    since threads (torch's) don't survive a fork; fork begins at once, with what is imported, in programs without threads."""

    def __init__(
        self,
        count: int,
        start: Callable[[], None] | None = None,
        limits: JobLimits | None = None,
        method: Literal["spawn", "fork"] = "spawn",
    ) -> None:
        self.count, self._start, self._limits, self._method = count, start, limits or JobLimits(), method
        self._processes: list[_Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
        self._processes.clear()

    def run(self, function: Callable[[Any], Any], jobs: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        """(job, result) as they get done. An exception of a job is raised here; OSError when no process can start."""
        if not self.count:
            for job in jobs:
                yield job, function(job)
            return
        waiting = deque(_Task(job) for job in jobs)
        looked = time.monotonic()
        while waiting or any(process.task for process in self._processes):
            self._hand_out(function, waiting)
            wait([end for process in self._processes for end in process.ends], TICK)
            now = time.monotonic()
            if now - looked > 10 * TICK:  # this process slept, and the workers may have slept with it
                for process in self._processes:
                    process.heard = now
            looked = now
            for process in list(self._processes):
                for task, result in process.look(self._limits):
                    if result is _AGAIN:
                        waiting.append(task)
                    else:
                        yield task.job, result
                if process.gone:
                    self._processes.remove(process)

    def _hand_out(self, function: Callable, waiting: "deque[_Task]") -> None:
        for process in self._processes:
            if waiting and process.task is None:
                process.give(waiting.popleft(), function)
        while waiting and len(self._processes) < self.count:
            process = _Process(self._start, self._limits, self._method)
            self._processes.append(process)
            process.give(waiting.popleft(), function)


def run_jobs(
    function: Callable[[Any], Any],
    jobs: Sequence[Any],
    workers: int,
    start: Callable[[], None] | None = None,
    limits: JobLimits | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Workers.run in processes of its own."""
    with Workers(workers, start, limits) as pool:
        yield from pool.run(function, jobs)


@contextlib.contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that begin at once, with what is imported here (fork): for programs without threads.

    What wasn't begun is dropped when the block ends by an exception. Raises UserError when a process dies.
    """
    context = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(workers, context, _enter, (os.getpid(),))
    try:
        yield pool
    except BrokenProcessPool:
        raise UserError("a worker process died: killed, or no memory left; fewer --workers need less") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass
class _Task:
    job: Any
    tries: int = 0


_AGAIN = object()


class _Process:
    """A process and the job that it has."""

    def __init__(self, start: Callable[[], None] | None, limits: JobLimits, method: Literal["spawn", "fork"]) -> None:
        context: Any = multiprocessing.get_context(method)
        self._connection, theirs = context.Pipe()
        arguments = (theirs, start, limits.memory, os.getpid())
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self.task: _Task | None = None
        self.ready = self.gone = False
        self.heard = time.monotonic()

    @property
    def ends(self) -> list[Any]:
        return [self._connection, self._process.sentinel]

    def give(self, task: _Task, function: Callable) -> None:
        self.task, self.heard = task, time.monotonic()
        with contextlib.suppress(OSError):  # it is dead: `look` sees that
            self._connection.send((function, task.job))

    def kill(self) -> None:
        self.gone = True
        self._process.kill()
        self._process.join()
        self._connection.close()

    def look(self, limits: JobLimits) -> list[tuple[_Task, Any]]:
        """The task that is done, if one is, with its result. Raises what the job raised."""
        while message := self._message():
            kind, value = message
            self.ready, self.heard = True, time.monotonic()
            if kind == "raised":
                raise value
            if kind == "done":
                return self._finish(value)
        if not self._process.is_alive():
            return self._died()
        if not self.ready and time.monotonic() - self.heard > START:
            self.kill()
            raise OSError(f"a worker process did not begin within {START} s")
        if self.task and self.ready and limits.seconds and time.monotonic() - self.heard > limits.seconds:
            self.kill()
            return self._finish(WorkerDied(f"the decoder did not answer for {limits.seconds:g} s"))
        return []

    def _message(self) -> tuple[str, Any] | None:
        """What the process says next, if it does. What a job raised, an OSError too, is no fault of the connection."""
        with contextlib.suppress(EOFError, OSError):
            if self._connection.poll():
                message: tuple[str, Any] = self._connection.recv()
                return message
        return None

    def _died(self) -> list[tuple[_Task, Any]]:
        self.kill()
        code = self._process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        if not self.ready:
            raise OSError(f"a worker process ended {how} before it had begun")
        if self.task and self.task.tries == 0:  # the kernel may have killed the wrong one
            self.task.tries += 1
            return self._finish(_AGAIN)
        return self._finish(WorkerDied(f"the decoder crashed on it or ran out of memory: its process ended {how}"))

    def _finish(self, result: Any) -> list[tuple[_Task, Any]]:
        task, self.task = self.task, None
        return [(task, result)] if task else []


def _serve(connection: Connection, start: Callable[[], None] | None, memory: int | None, parent: int) -> None:
    """What a worker does all its life."""
    global _parent
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it ends this one
    _enter(parent)
    if start:
        start()
    limit_memory(memory)
    _parent = connection
    connection.send(("ready", None))
    with contextlib.suppress(EOFError, OSError):  # the parent has no more jobs
        while True:
            function, job = connection.recv()
            try:
                message = ("done", function(job))
            except MemoryError:
                message = ("done", WorkerDied(_too_large(memory)))
            except Exception as error:
                too_large = "allocate memory" in str(error)  # PyTorch's words
                message = ("done", WorkerDied(_too_large(memory))) if too_large else ("raised", error)
            connection.send(message)


def _too_large(memory: int | None) -> str:
    return f"it takes more than the {(memory or 0) / 1e9:g} GB of memory that a decoder may have"


def limit_memory(more: int | None) -> None:
    """Bound what this process may take beside what it has. Linux only: elsewhere nothing is bounded."""
    if more is None or not sys.platform.startswith("linux"):
        return
    import resource

    with open("/proc/self/statm") as stream:
        data = int(stream.read().split()[5]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = data + more if hard == resource.RLIM_INFINITY else min(data + more, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _enter(parent: int) -> None:
    """What every process here does first. What a fork has of its parent is never collected: a decoder's threads stayed behind,
    and its end would wait for them. And it ends with its parent."""
    gc.freeze()
    _die_with(parent)


def _die_with(parent: int) -> None:
    """By the kernel where it can; else by a thread, which needs native code to let Python run."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    process = multiprocessing.parent_process()
    if process is not None:

        def end() -> None:
            process.join()
            os._exit(1)

        threading.Thread(target=end, daemon=True).start()
