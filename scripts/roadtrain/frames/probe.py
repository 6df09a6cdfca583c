"""Is a video there, can it be read, and what is it like? By PyAV: the container's header, its index, one frame."""

import math
import os
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

from roadtrain.frames.sampling import frame_range
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

    @property
    def duration(self) -> float:
        return self.frames / self.fps

    @property
    def resolution(self) -> str:
        return f"{self.width}x{self.height}"


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

    kind: str  # missing, empty, unreadable, truncated, too-short
    reason: str


CHECKS = ("full", "exists", "none")


def probe(path: str, check: str = "full", kind: Kind = "video") -> Video | Still | Bad | None:
    """What a file is like. `exists` and `none` look less closely: None when nothing is known against it.

    Two frames make one vision step, so a video needs two.
    """
    if check == "none":
        return None
    try:
        size = os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return Bad("missing", "no such file")
    except OSError as error:
        return Bad("unreadable", error.strerror or str(error))
    if not os.path.isfile(path):
        return Bad("unreadable", "not a file")
    if size == 0:
        return Bad("empty", "zero bytes")
    if check == "exists":
        return None
    return _open(path, size) if kind == "video" else _open_image(path, size)


def _open(path: str, size: int) -> Video | Bad:
    import av  # here: planning and listing never need it
    import av.logging

    av.logging.set_level(av.logging.PANIC)
    try:
        with av.open(path) as container:
            if not container.streams.video:
                return Bad("unreadable", "no video stream")
            stream = container.streams.video[0]
            stream.thread_count = 1
            index = stream.index_entries
            entries = [(entry.timestamp, entry.pos + entry.size) for entry in index] if len(index) > 1 else []
            if entries and max(end for _, end in entries) > size:
                return Bad("truncated", f"ends after {size} bytes, before its last frame")
            frame = next(container.decode(stream), None)
            if frame is None:
                return Bad("unreadable", "no frame can be decoded")
            frames = stream.frames or len(entries)
            fps = float(stream.average_rate or stream.guessed_rate or 0)
            if not frames and stream.duration and stream.time_base:
                frames = round(float(stream.duration * stream.time_base) * fps)
            if not frames and container.duration:
                frames = round(container.duration / 1e6 * fps)
            codec, unit = stream.codec_context.name, float(stream.time_base or 0)
    except (av.FFmpegError, OSError, ValueError) as error:
        return Bad("unreadable", getattr(error, "strerror", None) or str(error))
    if frames < 2 or fps <= 0 or not math.isfinite(fps):
        return Bad("too-short", f"{frames} frame{'s' * (frames != 1)}; two make one vision step")
    # An index in decoding order is as even as the display order when no frame is missing.
    gaps = [(after[0] - before[0]) * unit for before, after in pairwise(entries)]
    variable = bool(gaps) and max(gaps) - min(gaps) > max(0.1 / fps, 2 * unit)
    return Video(frame.width, frame.height, frames, round(fps, 6), codec, variable, _fingerprint(path, size))


def _fingerprint(path: str, size: int, ends: int = 1 << 16) -> int:
    with open(path, "rb") as stream:
        text = stream.read(ends)
        stream.seek(max(size - ends, 0))
        text += stream.read(ends)
    return int.from_bytes(blake2b(str(size).encode() + text, digest_size=8).digest(), "little")


def _open_image(path: str, size: int) -> Still | Bad:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            return Still(image.width, image.height, (image.format or "").lower(), _fingerprint(path, size))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        reason = "not a picture that Pillow knows" if isinstance(error, UnidentifiedImageError) else str(error)
        return Bad("unreadable", reason)


def window_fault(video: Video, start: float | None, end: float | None) -> str | None:
    """Why no two frames lie in a window, or None."""
    if start is None and end is None:
        return None
    try:
        frame_range(video.frames, video.fps, start, end)
    except ValueError as error:
        return str(error)
    return None
