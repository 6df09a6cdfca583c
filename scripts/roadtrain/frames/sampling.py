"""How many frames, which ones, how large, how many vision tokens: qwen-vl-utils' arithmetic in plain Python.

The same numbers as qwen_vl_utils 0.0.14 (vision_process.py: smart_nframes, calculate_video_frame_range,
smart_resize, fetch_video) without importing torch, so that planning starts in milliseconds. Settings are the keys
of a video element: nframes | fps (min_frames, max_frames), min_pixels, max_pixels, total_pixels.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PATCH = 16  # pixels a side of a patch of Qwen3-VL's vision tower
MERGE = 2  # patches a side that become one vision token
FACTOR = PATCH * MERGE  # both sides of a resized frame are multiples of this
TEMPORAL = 2  # frames in one vision step
# Defaults of qwen-vl-utils, in pixels of one frame.
MIN_PIXELS = 128 * FACTOR**2
MAX_PIXELS = 768 * FACTOR**2
TOTAL_PIXELS = 128000 * FACTOR**2 * 0.9
MIN_FRAMES, MAX_FRAMES, FPS = 4, 768, 2.0
MAX_RATIO = 200
# Of a picture, which is one frame and may be larger.
PICTURE_MIN_PIXELS, PICTURE_MAX_PIXELS = 4 * FACTOR**2, 16384 * FACTOR**2


Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Sampling:
    """What the model sees of a video."""

    indices: tuple[int, ...]  # frame numbers in the file
    height: int
    width: int
    total_frames: int  # in the file, or in the window

    @property
    def vision_tokens(self) -> int:
        return len(self.indices) // TEMPORAL * vision_tokens(self.height, self.width)


@dataclass(frozen=True)
class Picture:
    """What the model sees of a picture."""

    height: int
    width: int

    @property
    def vision_tokens(self) -> int:
        return vision_tokens(self.height, self.width)


def vision_tokens(height: int, width: int) -> int:
    """Of one frame pair, or of one picture."""
    return (height // FACTOR) * (width // FACTOR)


def sample(
    settings: Settings,
    *,
    total_frames: int,
    fps: float,
    height: int,
    width: int,
    start: float | None = None,
    end: float | None = None,
) -> Sampling:
    """Frames and size for one video of `total_frames` at `fps`, `height` x `width` pixels, between seconds
    `start` and `end`. Raises ValueError when the video (or the window) is too short or too oblong."""
    indices, count = frame_numbers(settings, total_frames=total_frames, fps=fps, start=start, end=end)
    return Sampling(indices, *frame_size(settings, len(indices), height, width), count)


def frame_numbers(
    settings: Settings, *, total_frames: int, fps: float, start: float | None = None, end: float | None = None
) -> tuple[tuple[int, ...], int]:
    """(numbers of the frames that are seen, frames in the file or in the window)."""
    first, last, count = frame_range(total_frames, fps, start, end)
    return tuple(linspace(first, last, frame_count(settings, count, fps))), count


def frame_range(total_frames: int, fps: float, start: float | None, end: float | None) -> tuple[int, int, int]:
    """(first, last, count) of the frames between two times in seconds, as calculate_video_frame_range of qwen-vl-utils.
    Raises ValueError when there are no two."""
    if total_frames <= 0 or fps <= 0:
        raise ValueError(f"{total_frames} frames at {fps} a second: nothing to see")
    if start is None and end is None:
        return 0, total_frames - 1, total_frames
    duration = total_frames / fps
    first = 0 if start is None else math.ceil(max(0.0, min(start, duration)) * fps)
    last = total_frames - 1
    if end is not None:
        last = min(math.floor(max(0.0, min(end, duration)) * fps), total_frames - 1)
    if first >= last:
        until = duration if end is None else end
        raise ValueError(f"the window {start or 0:g} to {until:g} s holds less than two frames of {duration:.2f} s")
    return first, last, last - first + 1


def frame_count(settings: Settings, total_frames: int, fps: float) -> int:
    """An even number of frames, at most total_frames."""
    if "nframes" in settings:
        nframes: int = round(settings["nframes"] / TEMPORAL) * TEMPORAL
    else:
        least = math.ceil(settings.get("min_frames", MIN_FRAMES) / TEMPORAL) * TEMPORAL
        most = math.floor(settings.get("max_frames", min(MAX_FRAMES, total_frames)) / TEMPORAL) * TEMPORAL
        by_rate = total_frames / fps * settings.get("fps", FPS)
        nframes = math.floor(min(max(by_rate, least), most, total_frames) / TEMPORAL) * TEMPORAL
    if not TEMPORAL <= nframes <= total_frames:
        raise ValueError(f"{nframes} frames wanted of a video (or window) that has {total_frames}")
    return nframes


def linspace(first: int, last: int, count: int) -> list[int]:
    """torch.linspace(first, last, count).round(): float32, from both ends, halves to even."""
    import numpy as np

    f32 = np.float32
    step = (f32(last) - f32(first)) / f32(count - 1)
    below = [f32(first) + step * f32(i) for i in range(count // 2)]
    above = [f32(last) - step * f32(count - 1 - i) for i in range(count // 2, count)]
    return [int(np.rint(value)) for value in below + above]


def frame_size(settings: Settings, nframes: int, height: int, width: int) -> tuple[int, int]:
    """(height, width) after resizing: multiples of 32 that keep the aspect ratio within the pixel limits."""
    least = settings.get("min_pixels", MIN_PIXELS)
    total = settings.get("total_pixels", TOTAL_PIXELS)
    most = max(min(MAX_PIXELS, total / nframes * TEMPORAL), int(least * 1.05))
    return _resized(height, width, least, min(settings.get("max_pixels", most), most))


def picture_size(settings: Settings, height: int, width: int) -> tuple[int, int]:
    """The same for a picture: of the setting's limits only min_pixels and max_pixels are about it."""
    least, most = settings.get("min_pixels", PICTURE_MIN_PIXELS), settings.get("max_pixels", PICTURE_MAX_PIXELS)
    return _resized(height, width, least, most)


def shape_fault(height: int, width: int) -> str | None:
    """Why no setting makes a frame of this size one for the model, or None."""
    if max(height, width) / min(height, width) > MAX_RATIO:
        return f"{width}x{height}: sides may differ by a factor of {MAX_RATIO} at most"
    return None


def _resized(height: int, width: int, least: float, most: float) -> tuple[int, int]:
    if fault := shape_fault(height, width):
        raise ValueError(fault)
    if most < least:
        raise ValueError(f"at most {most:.0f} pixels a frame but at least {least}: lower min_pixels")
    h = max(FACTOR, round(height / FACTOR) * FACTOR)
    w = max(FACTOR, round(width / FACTOR) * FACTOR)
    if h * w > most:
        beta = math.sqrt(height * width / most)
        h = math.floor(height / beta / FACTOR) * FACTOR
        w = math.floor(width / beta / FACTOR) * FACTOR
    elif h * w < least:
        beta = math.sqrt(least / (height * width))
        h = math.ceil(height * beta / FACTOR) * FACTOR
        w = math.ceil(width * beta / FACTOR) * FACTOR
    if h == 0 or w == 0:
        raise ValueError(f"{width}x{height} shrunk to {most:.0f} pixels has a side below {FACTOR}: raise max_pixels")
    return h, w


def unevenness(fps: float, tick: float) -> float:
    """Seconds that pictures of a constant rate may be shown beside the times of their numbers: half a frame, and what
    writing in ticks rounds where these are fine."""
    return 0.5 / fps + min(tick, 0.1 / fps)
