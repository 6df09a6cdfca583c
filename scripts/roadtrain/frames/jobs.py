"""What has to be decoded: one job a video, with every window of it that is asked about under every vision setting."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from roadtrain.files import sha256_file
from roadtrain.frames import pictures
from roadtrain.frames.cache import READER_RELEASE, clip_file, clip_source, read_header
from roadtrain.frames.containers import Unreadable, file_fault, open_video, place_fault, video_stream
from roadtrain.frames.index import FramesRow, LeftOutRow, medium_row
from roadtrain.frames.sampling import sample
from roadtrain.media import Kind, Medium

Window = tuple[float | None, float | None]  # seconds
Reader = Literal["pyav", "decord"]
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
    reader: Reader = "pyav"
    follow_links: bool = False  # also out of the media folder

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
    by_another_reader: int = 0  # of the missing, those that the cache has from the other reader
    by_an_earlier_release: int = 0  # .. and those that it has from an earlier release of this one


def decoding_jobs(
    media: Iterable[Medium],
    media_folder: str,
    settings: tuple[Setting, ...],
    cache: str,
    reader: Reader = "pyav",
    follow_links: bool = False,
) -> list[DecodingJob]:
    """One job a video or picture, in the order in which they first appear."""
    windows: dict[tuple[str, Kind], dict[Window, None]] = {}
    for medium in media:
        windows.setdefault((medium.file, medium.kind), {})[medium.start, medium.end] = None
    return [
        DecodingJob(file, media_folder, tuple(of_file), settings, cache, kind, reader, follow_links)
        for (file, kind), of_file in windows.items()
    ]


def decoder_software(reader: Reader) -> dict[str, str]:
    """Versions that decide a pixel: who decodes and who resizes."""
    from importlib.metadata import version

    decoder = "av" if reader == "pyav" else reader
    return {name: version(name).split("+")[0] for name in (decoder, "torch", "torchvision")}


def inspect_video(job: DecodingJob) -> Inspection:
    """Hash the video, see which of its clips the cache has. Nothing is opened by a decoder."""
    if fault := place_fault(job.media_folder, job.file, job.follow_links) or file_fault(job.path):
        return Inspection(job, fault)
    try:
        stat = size_and_time(job.path)
        digest = sha256_file(job.path)
    except OSError as error:
        return Inspection(job, f"unreadable: {error.strerror}")
    if stat[0] == 0:
        return Inspection(job, "unreadable: zero bytes")
    sources = _sources(job, digest, job.reader)
    releases = {target: _release(clip_file(job.cache, source)) for target, source in sources.items()}
    # decord shows what it always showed, and a picture has no clock.
    ours = job.reader == "pyav" and job.kind == "video"
    earlier = {t for t, release in releases.items() if ours and release and release < READER_RELEASE}
    missing = frozenset(earlier | {target for target, release in releases.items() if release is None})
    other: Reader = "decord" if job.reader == "pyav" else "pyav"
    before = _sources(job, digest, other) if missing and job.kind == "video" else {}
    from_other = sum(t in missing and clip_file(job.cache, source).exists() for t, source in before.items())
    return Inspection(job, "", stat, sources, missing, from_other, len(earlier))


def _sources(job: DecodingJob, digest: str, reader: Reader) -> dict[Target, dict[str, Any]]:
    """What each clip is made from."""
    from importlib.metadata import PackageNotFoundError

    try:
        software = decoder_software(reader)
    except PackageNotFoundError:  # the other reader
        return {}
    sources: dict[Target, dict[str, Any]] = {}
    for target in job.targets:
        setting = job.settings[target.setting]
        if job.kind == "image":
            sources[target] = pictures.picture_source(digest, setting)
        else:
            sources[target] = clip_source(digest, setting, *target.window, software)
    return sources


def is_whole(file: Path) -> bool:
    """Whether the cache has a clip. A damaged file is written again."""
    return _release(file) is not None


def _release(file: Path) -> int | None:
    """The release of the reader that wrote a clip; None: there is none, or a damaged one."""
    try:
        return read_header(file).get("reader_release", 1)
    except (OSError, ValueError):
        return None


def size_and_time(path: Path) -> tuple[int, int]:
    """(bytes, time of change in ns): another pair means another content."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def missing_bytes(inspection: Inspection) -> int:
    """Bytes of the missing clips by the container's header; 0 for a video that has none. Native code: for a worker."""
    job, missing = inspection.job, inspection.missing
    if job.kind == "image":
        return sum(pictures.picture_bytes(job.path, job.settings[target.setting]) for target in missing)
    try:
        with open_video(job.path) as container:
            stream = video_stream(container)
            fps = float(stream.average_rate or stream.guessed_rate or 25)
            length = float(stream.duration * stream.time_base) if stream.duration else (container.duration or 0) / 1e6
            frames = stream.frames or int(length * fps)
            height, width = stream.height, stream.width
    except (Unreadable, ValueError, TypeError, ZeroDivisionError):
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
