"""Whose turn it is on GPUs that several measurements share: they are built side by side where memory allows, and timed alone.

A measurement first waits for room, then builds its model and compiles its first step, waits until it may be timed, and ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

ROOM = 120  # GiB of a GPU, for all that is built on it


class State(Enum):
    """How far a measurement is."""

    WAITING = 1  # for room
    BUILDING = 2
    READY = 3  # to be timed
    TIMED = 4


@dataclass(frozen=True)
class Turn:
    """A measurement that runs."""

    gpus: frozenset[str]
    gib: int  # on each of its GPUs
    state: State


def with_room(turns: Mapping[str, Turn]) -> list[str]:
    """Those that may build now, in the order of `turns`: none beside one that is timed on the same GPU, and none before an
    earlier one that shares a GPU with it."""
    used: dict[str, int] = {}
    for turn in turns.values():
        if turn.state is not State.WAITING:
            for gpu in turn.gpus:
                used[gpu] = used.get(gpu, 0) + turn.gib
    found: list[str] = []
    closed = {gpu for turn in turns.values() if turn.state is State.TIMED for gpu in turn.gpus}
    for name, turn in turns.items():
        if turn.state is not State.WAITING:
            continue
        # What needs more than there ever is has the GPU alone.
        if closed & turn.gpus or any(used.get(gpu, 0) and used[gpu] + turn.gib > ROOM for gpu in turn.gpus):
            closed |= turn.gpus
            continue
        found.append(name)
        for gpu in turn.gpus:
            used[gpu] = used.get(gpu, 0) + turn.gib
    return found


def with_the_gpu(turns: Mapping[str, Turn]) -> list[str]:
    """Those that may be timed now, in the order of `turns`: nobody else builds or is timed on their GPUs."""
    busy = {gpu for turn in turns.values() if turn.state in (State.BUILDING, State.TIMED) for gpu in turn.gpus}
    found = []
    for name, turn in turns.items():
        if turn.state is State.READY and not busy & turn.gpus:
            found.append(name)
            busy |= turn.gpus
    return found
