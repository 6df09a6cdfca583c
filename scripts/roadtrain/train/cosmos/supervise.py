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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from roadtrain import processes as process_tree
from roadtrain.train.cosmos import heartbeat

MARK = "ROADTRAIN_SUPERVISED"  # in the environment of everything that was started: what a killed launcher left is found


@dataclass(frozen=True)
class Limits:
    """Seconds."""

    silent: float = 50  # without a beat while training
    patience: float = 1800  # without a beat while starting, loading or saving
    leave: float = 20  # that the command may take after its workers have ended
    stop: float = 120  # that the workers may take to save when they are asked to stop


def run(
    command: Sequence[str],
    environment: dict[str, str],
    *,
    mark: str,
    log: Path,
    beats: Path,
    workers: Callable[[], list[int]],
    ask_to_stop: Callable[[], None],
    stopped: Callable[[], bool],
    tick: Callable[[], None],
    failure: str,
    limits: Limits = Limits(),
) -> str:
    """Until the command has ended or must be ended; says in words which. Then nothing that it started is alive.

    `workers`: the processes that do the work. `stopped`: whether somebody wants it to end; then `ask_to_stop` is called
    once, if they are training. `tick` is called every half second. `failure` is what the command says when a worker has
    failed: one may be gone before it was seen. Output goes to `log` and to stdout.
    """
    process_tree.adopt_orphans()
    end_left_over(mark)
    beats.unlink(missing_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a") as file:
        process = subprocess.Popen(
            command,
            env=environment | {MARK: mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            bufsize=1,
        )
        failed = threading.Event()
        pump = threading.Thread(target=_pump, args=(process.stdout, file, failure, failed), daemon=True)
        pump.start()
        try:
            return _watch(process, beats, workers, failed, ask_to_stop, stopped, tick, limits)
        finally:
            process_tree.end_descendants()
            pump.join(timeout=5)
            tick()


def end_left_over(mark: str) -> None:
    """End what a killed launcher of the same `mark` left: it would go on writing."""
    if left := process_tree.marked(MARK, mark):
        print(f"ending {len(left)} processes that a killed launcher left", file=sys.stderr, flush=True)
        process_tree.end(left)


def _pump(lines, file, failure, failed) -> None:
    for line in lines:
        if failure in line:
            failed.set()
        file.write(line)
        file.flush()
        print(line, end="", flush=True)


def _watch(process, beats, workers, failed, ask_to_stop, stopped, tick, limits) -> str:
    began = time.monotonic()
    seen, gone, asked = False, None, None
    while True:
        tick()
        code, now = process.poll(), time.monotonic()
        if code is not None:
            return f"ended with exit code {code}"
        alive, beat = bool(workers()), heartbeat.read(beats)
        seen = seen or alive or failed.is_set() or beat is not None  # one may live too short to be looked at
        gone = None if alive or not seen else gone or now
        if gone and now - gone > limits.leave:
            return "the policy has ended and cosmos-rl has not"
        phase, age = beat or ("starting", now - began)
        if asked is None and stopped():
            if phase in ("starting", "loading"):
                return f"stopped while {phase}"  # nothing to save, and nobody who would understand
            asked = now
            ask_to_stop()
        if asked and now - asked > limits.stop:
            return f"did not stop within {limits.stop:g} s"
        limit = limits.silent if phase == "training" else limits.patience
        if alive and age > limit or not seen and now - began > limits.patience:
            return f"the policy is silent: no sign of life for {age:.0f} s while {phase}"
        time.sleep(0.5)


def last_error(log: Path, lines: int = 400) -> str:
    """The last line of a log that looks like the reason of a failure."""
    if not log.exists():
        return ""
    with open(log, errors="replace") as stream:
        recent = collections.deque(stream, maxlen=lines)
    telling = [
        line.strip() for line in recent if re.search(r"\w*(Error|Exception): \S", line)
    ]  # with a reason after it
    return telling[-1][-300:] if telling else ""
