"""Looking at media with a clock and a limit of memory: a header can hang native code, or fill memory, as a whole video can.

with Prober(Looking("full")) as prober:
    prober.probe("clips", "day1/a.mp4", "video")

The process that looks starts with the first file that has to be opened, once. It is forked: programs that convert and plan
have loaded little, and no threads, when they begin.
"""

import importlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from roadtrain.frames.containers import file_fault, place_fault
from roadtrain.frames.probe import Bad, Still, Video, probe
from roadtrain.media import Kind

if TYPE_CHECKING:
    from roadtrain.workers import Workers


@dataclass(frozen=True, slots=True)
class Looking:
    """How media are looked at."""

    check: str = "full"  # see roadtrain.frames.probe
    follow_links: bool = False  # also out of the media folder
    seconds: float | None = 60  # without progress, after which a file is given up; None: no clock
    memory: int | None = 4_000_000_000  # bytes that opening a file may take


class Prober:
    """Looks at one file after the other."""

    def __init__(self, looking: Looking) -> None:
        self.looking = looking
        self._workers: Workers | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._workers is not None:
            self._workers.__exit__()
            self._workers = None

    def probe(self, folder: str, name: str, kind: Kind) -> Video | Still | Bad | None:
        """What a medium below `folder` is like: Bad with the true reason when it hangs, crashes or fills memory."""
        looking, path = self.looking, path_below(folder, name)
        if looking.check == "none":
            return None
        if fault := place_fault(folder, name, looking.follow_links):
            return Bad("refused", fault)
        if looking.check != "full" or file_fault(path) or os.path.getsize(path) == 0:
            return probe(path, looking.check, kind)  # opens nothing
        from roadtrain.workers import JobLimits, WorkerDied, Workers  # 15 ms that counting alone has no use for

        if self._workers is None:
            self._workers = Workers(1, _load_decoder, JobLimits(looking.seconds, looking.memory), method="fork")
        ((_, result),) = self._workers.run(_open, [(path, kind)])
        return Bad("unreadable", result.reason) if isinstance(result, WorkerDied) else result


def path_below(folder: str, name: str) -> str:
    """Of a medium. With a slash in front of every colon: FFmpeg takes day:1/a.mp4 for an address."""
    return f"{folder}/{name}" if folder.startswith("/") else f"./{folder}/{name}"


def _load_decoder() -> None:
    """Before the clock runs: a busy disk may take seconds for it."""
    importlib.import_module("av")


def _open(job: tuple[str, Kind]) -> Any:
    path, kind = job
    return probe(path, "full", kind)
