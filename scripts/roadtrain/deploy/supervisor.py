"""The process between a program and the server that it starts: whatever becomes of the program, the server ends, with all that it started.

A vLLM server that is told to end while it starts goes on, and one that is killed leaves its engine behind, which holds the GPU: only
somebody who lives on can end them. Run as a script: PARENT'S-PID GRACE ARGUMENT..; the arguments are those of a Python.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # as a script it has no package above it
    sys.path.insert(0, str(Path(__file__).parents[2]))

from roadtrain import processes

TICK = 0.2  # between two looks


def supervise(parent: int, grace: float, command: Sequence[str]) -> int:
    """Run the command until it ends, or its parent does, or this process is told to end; what is left then has `grace` seconds. Returns its
    exit code."""
    processes.adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    process = subprocess.Popen([sys.executable, *command])
    try:
        while process.poll() is None and os.getppid() == parent:
            time.sleep(TICK)
        return process.poll() or 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # told twice, it goes on ending the others
        processes.end_descendants(grace)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C reaches the server as well
        sys.exit(supervise(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
