"""What has to be decoded: one job a video, with every window of it that is asked about under every vision setting."""

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from roadtrain.files import sha256_file
from roadtrain.frames import pictures
from roadtrain.frames.cache import clip_file, clip_source, read_header
from roadtrain.frames.index import FramesRow, LeftOutRow, medium_row
from roadtrain.frames.sampling import sample
from roadtrain.media import Kind, Medium

Window = tuple[float | None, float | None]  # seconds
Setting = dict[str, Any]  # a vision setting in qwen-vl-utils' words


@dataclass(frozen=True, slots=True)
class Target:
    """One clip of a job: which of its settings, which window."""

    setting: int
    window: Window


@dataclass(frozen=True)
class DecodingJob:
    """One video (or picture), every window of it that is asked about, under every setting."""

    file: str  # relative to the media folder
    media_folder: str
    windows: tuple[Window, ...]
    settings: tuple[Setting, ...]
    cache: str
    kind: Kind = "video"

    @property
    def path(self) -> Path:
        return Path(self.media_folder, self.file).absolute()  # FFmpeg takes 12:30.mp4 for an address

    @property
    def targets(self) -> list[Target]:
        """Settings outside, windows inside."""
        return [Target(n, window) for n in range(len(self.settings)) for window in self.windows]

    def medium(self, window: Window) -> Medium:
        return Medium(self.file, *window, self.kind)

    def left_out(self, window: Window, reason: str) -> LeftOutRow:
        """The line of the index for a window that can't be had."""
        return {**medium_row(self.medium(window)), "reason": reason}

    def without_frames(self, reason: str) -> list[list[FramesRow | LeftOutRow]]:
        """The lines of a video that can't be used, for every setting (outer) and window (inner)."""
        return [[self.left_out(window, reason) for window in self.windows] for _ in self.settings]


@dataclass(frozen=True)
class Inspection:
    """A job after a look at its video: what the cache has, what is missing, what can't be had."""

    job: DecodingJob
    reason: str = ""  # why the video can't be used at all
    stat: tuple[int, int] = (0, 0)  # size and time of change when the content was hashed
    sources: dict[Target, dict[str, Any]] = field(default_factory=dict)  # what each clip is made from
    missing: frozenset[Target] = frozenset()
    bytes: int = 0  # estimate of the missing clips


def decoding_jobs(
    media: Iterable[Medium], media_folder: str, settings: tuple[Setting, ...], cache: str
) -> list[DecodingJob]:
    """One job a video or picture, in the order in which they first appear."""
    windows: dict[tuple[str, Kind], dict[Window, None]] = {}
    for medium in media:
        windows.setdefault((medium.file, medium.kind), {})[medium.start, medium.end] = None
    return [
        DecodingJob(file, media_folder, tuple(of_file), settings, cache, kind)
        for (file, kind), of_file in windows.items()
    ]


def decoder_software() -> dict[str, str]:
    """Versions that decide a pixel: who decodes and who resizes."""
    from importlib.metadata import version

    return {name: version(name).split("+")[0] for name in ("decord", "torch", "torchvision")}


def inspect_video(job: DecodingJob) -> Inspection:
    """Hash the video, see which of its clips the cache has, estimate the rest. Nothing is decoded."""
    if os.path.isabs(job.file) or os.path.normpath(job.file).split(os.sep)[0] == "..":
        return Inspection(job, f"leads outside {job.media_folder}: refused")
    try:
        stat = size_and_time(job.path)
        digest = sha256_file(job.path)
    except FileNotFoundError:
        return Inspection(job, "no such file")
    except OSError as error:
        return Inspection(job, f"unreadable: {error.strerror}")
    if stat[0] == 0:
        return Inspection(job, "unreadable: zero bytes")
    software = decoder_software()
    sources: dict[Target, dict[str, Any]] = {}
    for target in job.targets:
        setting = job.settings[target.setting]
        if job.kind == "image":
            sources[target] = pictures.picture_source(digest, setting)
        else:
            sources[target] = clip_source(digest, setting, *target.window, software)
    missing = frozenset(t for t, source in sources.items() if not is_whole(clip_file(job.cache, source)))
    return Inspection(job, "", stat, sources, missing, _estimate(job, missing) if missing else 0)


def is_whole(file: Path) -> bool:
    """Whether the cache has a clip. A damaged file is written again."""
    try:
        return bool(read_header(file))
    except (OSError, ValueError):
        return False


def size_and_time(path: Path) -> tuple[int, int]:
    """(bytes, time of change in ns): another pair means another content."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def _estimate(job: DecodingJob, missing: Iterable[Target]) -> int:
    """Bytes of the missing clips by the container's header; 0 for a video that has none."""
    if job.kind == "image":
        return sum(pictures.picture_bytes(job.path, job.settings[target.setting]) for target in missing)
    import av

    try:
        with av.open(str(job.path)) as container:
            stream = container.streams.video[0]
            fps = float(stream.average_rate)
            frames = stream.frames or int(float(stream.duration * stream.time_base) * fps)
            height, width = stream.height, stream.width
    except (av.FFmpegError, OSError, IndexError, TypeError, ValueError):
        return 0
    size = 0
    for target in missing:
        start, end = target.window
        with contextlib.suppress(ValueError, ZeroDivisionError):
            plan = sample(
                job.settings[target.setting],
                total_frames=frames,
                fps=fps,
                height=height,
                width=width,
                start=start,
                end=end,
            )
            size += len(plan.indices) * 3 * plan.height * plan.width
    return size
