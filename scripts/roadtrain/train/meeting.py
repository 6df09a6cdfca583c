"""The nodes of a run meet in its folder before it starts: files say who is there, and where training starts.

    <weights>/.meeting/node_<n>.json   a node is there; the number in it is drawn anew at each start
    <weights>/.meeting/start.json      the first node's answer to those who are there: its ports, or that nothing is left to do

The first node may have to wait for a trainer that outlived its Snakemake, or may find every epoch finished; only then do
the others know whether there is anything to join. Files that an earlier start left are told apart by their numbers, so
no clock is compared and nothing has to be cleaned up after a kill.
"""

import json
import secrets
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from roadtrain.files import write_json
from roadtrain.train.nodes import Nodes

FOLDER = ".meeting"
_EVERY = 0.5  # s between looks into the folder
_REMIND = 60.0  # s between lines that say who is waited for


class Meeting:
    """The first node's side: who holds the run's lock calls the others, then tells them what to do."""

    def __init__(self, weights: Path, nodes: Nodes) -> None:
        """Waits until every other node is there, and says each minute which one isn't."""
        self.folder = weights / FOLDER
        for path in self.folder.glob("*.json"):  # who is here already comes again
            path.unlink(missing_ok=True)
        self.numbers: dict[str, str] = {}
        for index, address in enumerate(nodes.addresses[1:], 1):
            look = partial(_read, self.folder / f"node_{index}.json")
            self.numbers[str(index)] = _wait_for(look, f"{weights}: waiting for node {index}, {address}")["number"]

    def start(self, *ports: int) -> None:
        """Training begins: the others join at these ports of the first node."""
        self._answer(ports)

    def end(self) -> None:
        """Nothing is left to do: the others end."""
        self._answer(None)

    def _answer(self, ports: tuple[int, ...] | None) -> None:
        if self.numbers:
            write_json(self.folder / "start.json", {"numbers": self.numbers, "ports": ports})


def join(weights: Path, nodes: Nodes) -> tuple[int, ...] | None:
    """Another node's side: the ports of the first node where training starts, or None when nothing is left to do. Waits
    for the first node and says each minute that it does."""
    mine, number = weights / FOLDER / f"node_{nodes.index}.json", secrets.token_hex(16)

    def answer() -> dict[str, Any] | None:
        if (_read(mine) or {}).get("number") != number:  # not written yet, or the first node came later
            write_json(mine, {"number": number})
        start = _read(mine.parent / "start.json") or {}
        numbers = start.get("numbers")
        return start if isinstance(numbers, dict) and numbers.get(str(nodes.index)) == number else None

    waiting = f"{weights}: waiting for node 0, {nodes.addresses[0]}, to start training"
    ports: list[int] | None = _wait_for(answer, waiting)["ports"]
    return None if ports is None else tuple(ports)


def _wait_for(look: Callable[[], dict[str, Any] | None], waiting: str) -> dict[str, Any]:
    """What a look finds at last."""
    begun = reminded = time.monotonic()
    while not (content := look()):
        time.sleep(_EVERY)
        if time.monotonic() - reminded > _REMIND:
            reminded = time.monotonic()
            print(f"{waiting} ({reminded - begun:.0f} s)", file=sys.stderr, flush=True)
    return content


def _read(path: Path) -> dict[str, Any] | None:
    """A file that may not be there yet, or be on its way out."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
