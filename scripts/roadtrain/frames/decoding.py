"""Write the frame cache: decode a video once for every setting and window that is asked about.

The pictures must be those that qwen-vl-utils gets from decord, bit for bit. That takes two things:
- decord itself: PyAV and torchcodec turn or convert some videos differently (docs/performance.md).
- Care with one pass for several clips. decord jumps to a key frame when that is nearer, and what it then shows of
  an open group of pictures, or after damage, depends on which frames were asked for before. So clips share a pass
  only where a jump can't change a picture; otherwise each clip gets a reader of its own, as in qwen-vl-utils.

When decord fails, qwen-vl-utils turns to torchvision; here the reason is reported instead. Pictures are read by
roadtrain.frames.pictures.
"""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.data.llava import MediumKey
from roadtrain.files import sha256_file, whole_file
from roadtrain.frames import pictures
from roadtrain.frames.clip_writer import ClipWriter, prepare
from roadtrain.frames.decoder_log import DecoderLog
from roadtrain.frames.index import clip_file, clip_row, clip_source, medium_row, read_header
from roadtrain.frames.sampling import Sampling, frame_numbers, frame_size, sample

Window = tuple[float | None, float | None]
Wanted = tuple[int, Window]  # number of the setting, window
INDEXED = ("mov", "matroska")  # containers whose index leads a jump to the right frame


class Unreadable(Exception):
    """decord can't give the frames, or not those of several clips in one pass. str(error) is the reason."""


@dataclass(frozen=True)
class Job:
    """One video, every window of it that is asked about, under every setting; or one picture under every setting."""

    video: str  # relative to media
    media: str
    windows: tuple[Window, ...]
    settings: tuple[dict, ...]
    cache: str
    kind: tuple[str, ...] = ()  # ("image",) of a picture: how its keys end

    @property
    def path(self) -> Path:
        return Path(self.media, self.video)


@dataclass(frozen=True)
class Inspection:
    """A job after a look at its video: what the cache has, what is missing, what can't be had."""

    job: Job
    reason: str = ""  # why the video can't be used at all
    stat: tuple[int, int] = (0, 0)  # size and time of change when the content was hashed
    sources: dict[Wanted, dict] | None = None
    missing: frozenset[Wanted] = frozenset()
    bytes: int = 0  # estimate of the missing clips


def jobs(clips: Iterable[MediumKey], media: str, settings: tuple[dict, ...], cache: str) -> list[Job]:
    """One job a video or picture, in the order in which they first appear."""
    windows: dict[tuple, dict] = {}
    for video, start, end, *kind in clips:
        windows.setdefault((video, *kind), {})[start, end] = None
    return [
        Job(video, media, tuple(of_video), settings, cache, tuple(kind)) for (video, *kind), of_video in windows.items()
    ]


def software() -> dict[str, str]:
    """Versions that decide a pixel: who decodes and who resizes."""
    from importlib.metadata import version

    return {name: version(name).split("+")[0] for name in ("decord", "torch", "torchvision")}


def inspect(job: Job) -> Inspection:
    """Hash the video, see which of its clips the cache has, estimate the rest. Nothing is decoded."""
    if os.path.isabs(job.video) or os.path.normpath(job.video).split(os.sep)[0] == "..":
        return Inspection(job, f"leads outside {job.media}: refused")
    try:
        stat = _stat(job.path)
        digest = sha256_file(job.path)
    except FileNotFoundError:
        return Inspection(job, "no such file")
    except OSError as error:
        return Inspection(job, f"unreadable: {error.strerror}")
    if stat[0] == 0:
        return Inspection(job, "unreadable: zero bytes")
    versions = software()
    sources = {
        (n, window): pictures.picture_source(digest, settings)
        if job.kind
        else clip_source(digest, settings, *window, versions)
        for n, settings in enumerate(job.settings)
        for window in job.windows
    }
    missing = frozenset(wanted for wanted, source in sources.items() if not _is_whole(clip_file(job.cache, source)))
    return Inspection(job, "", stat, sources, missing, _estimate(job, missing) if missing else 0)


def decode(found: Inspection) -> list[list[dict[str, Any]]]:
    """Decode what is missing; rows of the index for every setting (outer) and window (inner).

    A row is either a clip's or {"video", "start", "end", "reason"} for one that can't be had.
    """
    job = found.job
    if found.reason:
        return without(job, found.reason)
    work = _write_pictures if job.kind else _decode_missing
    reasons = work(found) if found.missing else {}

    def row(wanted: Wanted) -> dict[str, Any]:
        if wanted in reasons:
            return left_out(job, wanted[1], reasons[wanted])
        file = clip_file(job.cache, found.sources[wanted])
        return clip_row((job.video, *wanted[1], *job.kind), file, read_header(file))

    return [[row((n, window)) for window in job.windows] for n in range(len(job.settings))]


def without(job: Job, reason: str) -> list[list[dict[str, Any]]]:
    """The rows of a video that can't be used."""
    return [[left_out(job, window, reason) for window in job.windows] for _ in job.settings]


def left_out(job: Job, window: Window, reason: str) -> dict[str, Any]:
    return medium_row((job.video, *window, *job.kind)) | {"reason": reason}


def _write_pictures(found: Inspection) -> dict[Wanted, str]:
    """Write what is missing of a picture. Returns why some can't be had."""
    job, reasons = found.job, {}
    for wanted in sorted(found.missing):
        source = found.sources[wanted]
        file = clip_file(job.cache, source)
        if file.exists() and _is_whole(file):  # another setting's
            continue
        try:
            with whole_file(file, "wb") as stream:
                pictures.write(stream, job.path, job.settings[wanted[0]], source)
                if _stat(job.path) != found.stat:
                    raise ValueError("it changed while it was read: run again")
        except ValueError as error:
            reasons[wanted] = str(error)
    return reasons


def _decode_missing(found: Inspection) -> dict[Wanted, str]:
    """Write the missing clips. Returns why some can't be had. Raises OSError when one can't be written."""
    job, reasons, numbers = found.job, {}, {}
    missing = [(n, window) for n in range(len(job.settings)) for window in job.windows if (n, window) in found.missing]
    with DecoderLog() as log:
        try:
            reader = _open(job, log)
            total, fps = len(reader), float(reader.get_avg_fps())
        except Unreadable as error:
            return dict.fromkeys(missing, str(error))
        for n, window in missing:
            try:
                settings, (start, end) = job.settings[n], window
                numbers[n, window] = frame_numbers(settings, total_frames=total, fps=fps, start=start, end=end)
            except ValueError as error:
                reasons[n, window] = str(error)
        if len(numbers) > 1 and jumps_are_safe(job.path):
            with contextlib.suppress(Unreadable):  # then clip by clip: a reason goes to the clip that has it
                return reasons | _one_pass(found, reader, fps, numbers, log, wary=True)
            reader = None
        for wanted, which in numbers.items():
            try:
                reasons |= _one_pass(found, reader or _open(job, log), fps, {wanted: which}, log)
            except Unreadable as error:
                reasons[wanted] = str(error)
            reader = None
        said = log.lines()
    if said:
        what = f"decord's decoder complained ({len(said)} lines): {said[0]}"
        print(f"{job.path}: {what}", file=sys.stderr, flush=True)
    return reasons


def _one_pass(
    found: Inspection, reader: Any, fps: float, numbers: dict, log: DecoderLog, *, wary: bool = False
) -> dict[Wanted, str]:
    """Read the frames of some clips in the order of the file and write the clips. Returns why some can't be had.

    Raises Unreadable, when `wary` also for any complaint of the decoder; then nothing is written.
    """
    said = log.size
    reasons: dict[Wanted, str] = {}
    with contextlib.ExitStack() as files:
        clips = None
        for number, frame in _read(reader, sorted({i for which, _ in numbers.values() for i in which}), log):
            if clips is None:
                clips = _create(found, fps, numbers, frame.shape[:2], files, reasons)
            for clip in clips:
                clip.add(number, frame)
        if wary and log.size != said:
            raise Unreadable("the decoder complained")
        if _stat(found.job.path) != found.stat:
            raise Unreadable("it changed while it was decoded: run again")
        for clip in clips or ():
            clip.finish()
    return reasons


def _create(
    found: Inspection,
    fps: float,
    numbers: dict,
    size: tuple[int, int],
    files: contextlib.ExitStack,
    reasons: dict,
) -> list[ClipWriter]:
    """A file for each clip; `files` names them in the end, or deletes them. Impossible sizes go to `reasons`."""
    clips = []
    for (n, window), (indices, count) in numbers.items():
        try:
            plan = Sampling(indices, *frame_size(found.job.settings[n], len(indices), *size), count)
        except ValueError as error:
            reasons[n, window] = str(error)
            continue
        source = found.sources[n, window]
        stream = files.enter_context(whole_file(clip_file(found.job.cache, source), "wb"))
        clips.append(ClipWriter(stream, plan, fps, source))
    return clips


def _open(job: Job, log: DecoderLog) -> Any:
    import decord

    prepare()
    try:
        # Several threads patch the holes of a damaged picture differently from run to run.
        return decord.VideoReader(str(job.path), num_threads=1)
    except _faults() as error:
        raise Unreadable(log.reason(error)) from None


def _read(reader: Any, order: list[int], log: DecoderLog) -> Iterator[tuple[int, Any]]:
    """(number, uint8 [height, width, 3]) of each frame. decord does for one at a time what it does for many at once,
    without holding them all. While it isn't asked it decodes ahead and holds what it has: hand a frame back soon."""
    for number in order:
        try:
            frame = reader.get_batch([number]).asnumpy()[0]
        except _faults() as error:
            raise Unreadable(log.reason(error)) from None
        yield number, frame


def _faults() -> tuple[type[Exception], ...]:
    """What decord raises about a video."""
    from decord import DECORDError, DECORDLimitReachedError

    return (DECORDError, DECORDLimitReachedError, RuntimeError, IndexError, ValueError, OSError)


def jumps_are_safe(path: Path) -> bool:
    """Does decord show the same pictures whichever frames are asked for? Not where a container has no index, where
    an edit list hides frames, or where pictures that follow a key frame in the file come before it in time: they
    need the group before it.
    """
    import av

    try:
        with av.open(str(path)) as container:
            if not container.format.name.startswith(INDEXED):
                return False
            key = None
            for packet in container.demux(container.streams.video[0]):
                if not packet.size:
                    continue  # the end
                if packet.pts is None or packet.is_discard or (key is None and not packet.is_keyframe):
                    return False
                if packet.is_keyframe:
                    key = packet.pts
                elif packet.pts < key:
                    return False
    except (av.FFmpegError, OSError, ValueError, IndexError):
        return False
    return True


def _is_whole(file: Path) -> bool:
    try:
        return bool(read_header(file))
    except (OSError, ValueError):  # a damaged file is written again
        return False


def _estimate(job: Job, missing: Iterable[Wanted]) -> int:
    """Bytes of the missing clips by the container's header; 0 for a video that has none."""
    if job.kind:
        return sum(pictures.picture_bytes(job.path, job.settings[n]) for n, _ in missing)
    import av

    try:
        with av.open(str(job.path)) as container:
            stream = container.streams.video[0]
            fps = float(stream.average_rate)
            frames = stream.frames or int(float(stream.duration * stream.time_base) * fps)
            shape = {"total_frames": frames, "fps": fps, "height": stream.height, "width": stream.width}
    except (av.FFmpegError, OSError, IndexError, TypeError, ValueError):
        return 0
    size = 0
    for n, (start, end) in missing:
        with contextlib.suppress(ValueError, ZeroDivisionError):
            plan = sample(job.settings[n], **shape, start=start, end=end)
            size += len(plan.indices) * 3 * plan.height * plan.width
    return size


def _stat(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
