"""How threads of a program on a CPU wait for each other: asleep, not spinning."""

import os


def sleep_while_waiting() -> None:
    """For a program's first line: libgomp reads this once, when torch is imported. What the user has set stays.

    torch's threads meet hundreds of times a training step. By default the first to arrive keeps its core busy until the last
    one is there; where another job runs on that core, the two wait for each other's turns.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
