"""Run a command that starts a tree of processes, watch the ones that do the work, and leave none of them behind.

The command's exit code says little: cosmos-rl waits for ever for a policy that has died, and ends with 0 after one that
failed. So its policy is watched, and what it left on disk is looked at afterwards by the caller.
"""

import collections
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import psutil

from roadtrain import processes
from roadtrain.train.cosmos import heartbeat

MARK = "ROADTRAIN_SUPERVISED"  # in the environment of everything that is started: what a killed launcher left is found


@dataclass(frozen=True)
class Limits:
    """Seconds."""

    silent: float = 50  # without a beat while training
    patience: float = 1800  # without a beat while starting, loading, compiling or saving
    leave: float = 20  # that the command may take after its workers have ended
    stop: float = 120  # that the workers may take to save when they are asked to stop


class Workload(Protocol):
    """What is known about the command that is run."""

    mark: str  # by which its processes are found after their launcher was killed
    log: Path  # where its output goes, and stdout
    beats: Path  # heartbeat's file
    failure: str  # what the command prints when a worker has failed: one may be gone before it was seen

    def workers(self) -> list[psutil.Process]:
        """The processes that do the work."""

    def stop_requested(self) -> bool:
        """Whether somebody wants it to end."""

    def ask_to_stop(self) -> None:
        """Tell the workers to save and to end; called once, when a stop is requested while they train."""

    def tick(self) -> None:
        """Called every half second, and once when all is over."""


def run(command: Sequence[str], environment: dict[str, str], workload: Workload, limits: Limits = Limits()) -> str:
    """Until the command has ended or must be ended; says in words which. Then nothing that it started is alive."""
    processes.adopt_orphans()
    end_left_over(workload.mark)
    workload.beats.unlink(missing_ok=True)
    workload.log.parent.mkdir(parents=True, exist_ok=True)
    with open(workload.log, "a") as log:
        process = subprocess.Popen(
            command,
            env=environment | {MARK: workload.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            bufsize=1,
        )
        failed = threading.Event()
        arguments = (process.stdout, log, workload.failure, failed)
        pump = threading.Thread(target=_copy_output, args=arguments, daemon=True)
        pump.start()
        try:
            return Watch(process, workload, failed, limits).until_it_ends()
        finally:
            processes.end_descendants()
            pump.join(timeout=5)
            workload.tick()


def end_left_over(mark: str) -> None:
    """End what a killed launcher of the same `mark` left: it would go on writing."""
    if orphans := processes.with_variable(MARK, mark):
        print(f"ending {len(orphans)} processes that a killed launcher left", file=sys.stderr, flush=True)
        processes.end(orphans)


def _copy_output(lines: Iterable[str], log: IO[str], failure: str, failed: threading.Event) -> None:
    for line in lines:
        if failure in line:
            failed.set()
        log.write(line)
        log.flush()
        print(line, end="", flush=True)


class Watch:
    """Looks at a running command until it has ended, or has to be ended."""

    def __init__(
        self, process: subprocess.Popen[str], workload: Workload, failed: threading.Event, limits: Limits
    ) -> None:
        self.process, self.workload, self.failed, self.limits = process, workload, failed, limits
        self.start = time.monotonic()
        self.worked = False  # whether a worker was seen, or has failed
        self.idle_since: float | None = None  # when no worker was alive any more
        self.stopping_since: float | None = None

    def until_it_ends(self) -> str:
        """Why it is over, in words."""
        while True:
            self.workload.tick()
            code = self.process.poll()
            if code is not None:
                return f"ended with exit code {code}"
            if reason := self.reason_to_end():
                return reason
            time.sleep(0.5)

    def reason_to_end(self) -> str | None:
        """Why it must be ended now; None when it may go on."""
        now, limits = time.monotonic(), self.limits
        alive, beat = bool(self.workload.workers()), heartbeat.last_beat(self.workload.beats)
        # A worker may live too short to be looked at.
        self.worked = self.worked or alive or self.failed.is_set() or beat is not None
        self.idle_since = None if alive or not self.worked else self.idle_since or now
        if self.idle_since and now - self.idle_since > limits.leave:
            return "the policy has ended and cosmos-rl has not"
        phase, age = beat or ("starting", now - self.start)
        if self.stopping_since is None and self.workload.stop_requested():
            if phase in ("starting", "loading"):
                return f"stopped while {phase}"  # nothing to save, and nobody who would understand
            self.stopping_since = now
            self.workload.ask_to_stop()
        if self.stopping_since and now - self.stopping_since > limits.stop:
            return f"did not stop within {limits.stop:g} s"
        limit = limits.silent if phase == "training" else limits.patience
        if (alive and age > limit) or (not self.worked and now - self.start > limits.patience):
            return f"the policy is silent: no sign of life for {age:.0f} s while {phase}"
        return None


def last_error(log: Path, lines: int = 400) -> str:
    """The last line of a log that looks like the reason of a failure; empty when there is none."""
    if not log.exists():
        return ""
    with open(log, errors="replace") as stream:
        recent = collections.deque(stream, maxlen=lines)
    errors = [line.strip() for line in recent if re.search(r"\w*(Error|Exception): \S", line)]  # with words after it
    return errors[-1][-300:] if errors else ""
