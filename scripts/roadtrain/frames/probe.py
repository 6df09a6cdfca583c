"""Is a video there, can it be read, and what is it like? By the reader that decodes it: its header and index, or all of its
packets where an index doesn't hold them all; one frame."""

import math
import os
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any

from roadtrain.frames.containers import (
    LATE,
    PICTURE_FORMATS,
    Unreadable,
    broken_off,
    decoder_log,
    faults,
    file_fault,
    open_video,
    picture_fault,
    video_stream,
)
from roadtrain.frames.containers import words as words_of
from roadtrain.frames.sampling import frame_range, shape_fault, unevenness
from roadtrain.media import Kind


@dataclass(frozen=True, slots=True)
class Video:
    """What the header says. Durations in seconds."""

    width: int
    height: int
    frames: int
    fps: float  # average
    codec: str
    variable: bool  # frames are not evenly spaced: frame numbers don't give times
    fingerprint: int = 0  # of the size and both ends of the file: the same for the same file
    begin: float = 0.0  # seconds on a player's clock when the first picture is shown

    @property
    def duration(self) -> float:
        return self.frames / self.fps

    @property
    def resolution(self) -> str:
        return f"{self.width}x{self.height}"

    def window(self, start: float | None, end: float | None) -> tuple[float | None, float | None]:
        """A window on the player's clock, from the first picture on."""
        return (start if start is None else start - self.begin, end if end is None else end - self.begin)


@dataclass(frozen=True, slots=True)
class Still:
    """What a picture's header says."""

    width: int
    height: int
    codec: str  # Pillow's name of the format
    fingerprint: int
    variable = False

    @property
    def resolution(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class Bad:
    """Why a video can't be used."""

    kind: str  # missing, refused, empty, unreadable, truncated, too-short, too-narrow
    reason: str


CHECKS = ("full", "exists", "none")


def probe(path: str, check: str = "full", kind: Kind = "video") -> Video | Still | Bad | None:
    """What a file is like. `exists` and `none` look less closely: None when nothing is known against it.

    Two frames make one vision step, so a video needs two.
    """
    if check == "none":
        return None
    if fault := file_fault(path):
        missing = fault == "no such file"
        return Bad("missing" if missing else "unreadable", fault.removeprefix("unreadable: "))
    size = os.stat(path).st_size
    if size == 0:
        return Bad("empty", "zero bytes")
    if check == "exists":
        return None
    medium = _open(path, size) if kind == "video" else _open_image(path, size)
    fault = None if isinstance(medium, Bad) else shape_fault(medium.height, medium.width)
    return Bad("too-narrow", fault) if fault else medium


def _open(path: str, size: int) -> Video | Bad:
    try:
        with open_video(path) as container, decoder_log():
            stream = video_stream(container)
            if fault := broken_off(container, stream):
                return Bad("truncated", fault)
            frame = _first_picture(container, stream)
            if frame is None:
                return Bad("unreadable", "no frame can be decoded")
            width, height, codec = frame.width, frame.height, stream.codec_context.name
            if round(frame.rotation / 90) % 2:
                width, height = height, width
            rate = _by_index(container, stream, [(entry.timestamp, entry.is_discard) for entry in stream.index_entries])
        frames, fps, variable, begin = rate or _by_packets(path)
    except Unreadable as error:
        kind, _, words = str(error).partition(": ")
        if kind in ("unreadable", "truncated", "damaged"):
            return Bad("truncated" if kind == "truncated" else "unreadable", words)
        return Bad("too-short" if "vision step" in str(error) else "unreadable", str(error))
    except MemoryError:
        raise
    except faults() as error:
        return Bad("unreadable", words_of(error))
    if frames < 2 or fps <= 0 or not math.isfinite(fps):
        return Bad("too-short", f"{frames} frame{'s' * (frames != 1)}; two make one vision step")
    return Video(width, height, frames, fps, codec, variable, _fingerprint(path, size), begin)


def _first_picture(container: Any, stream: Any) -> Any:
    from roadtrain.workers import report_progress  # 15 ms that counting alone has no use for

    for packet in container.demux(stream):
        report_progress()
        if frames := packet.decode():
            return frames[0]
    return None


def _by_index(container: Any, stream: Any, index: list[tuple[int, bool]]) -> tuple[int, float, bool, float] | None:
    """What the packets would say, where an index holds them all, evenly spaced, and hides none: the file is not read."""
    if not container.format.name.startswith("mov") or not stream.average_rate or len(index) < 2:
        return None
    rate, tick = stream.average_rate, float(stream.time_base)
    start, frame = index[0][0], 1 / float(rate)
    beside = max(abs((time - start) * tick - n * frame) for n, (time, _) in enumerate(index))
    uneven = beside > unevenness(float(rate), tick) or any(after[0] <= before[0] for before, after in pairwise(index))
    if len(index) != stream.frames or any(hidden for _, hidden in index) or uneven or stream.start_time is None:
        return None
    begin = stream.start_time * tick - (container.start_time or 0) / 1e6
    return len(index), float(rate), False, begin if begin >= LATE else 0.0


def _by_packets(path: str) -> tuple[int, float, bool, float]:
    from roadtrain.frames.reading import VideoFile  # here: numpy takes longer to load than a header to read

    timeline = VideoFile(path).timeline
    return timeline.frames, timeline.fps, timeline.variable, timeline.begin


def _fingerprint(path: str, size: int, ends: int = 1 << 16) -> int:
    with open(path, "rb") as stream:
        text = stream.read(ends)
        stream.seek(max(size - ends, 0))
        text += stream.read(ends)
    return int.from_bytes(blake2b(str(size).encode() + text, digest_size=8).digest(), "little")


def _open_image(path: str, size: int) -> Still | Bad:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=PICTURE_FORMATS) as image:
            if fault := picture_fault(image):
                return Bad("unreadable", fault)
            image.load()
            return Still(image.width, image.height, (image.format or "").lower(), _fingerprint(path, size))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        reason = (
            "not a picture of a format that is read (docs/videos.md lists them)"
            if isinstance(error, UnidentifiedImageError)
            else str(error)
        )
        return Bad("unreadable", reason)


def window_fault(video: Video, start: float | None, end: float | None) -> str | None:
    """Why no two frames lie in a window, or None."""
    if start is None and end is None:
        return None
    try:
        frame_range(video.frames, video.fps, *video.window(start, end))
    except ValueError as error:
        return str(error)
    return None
