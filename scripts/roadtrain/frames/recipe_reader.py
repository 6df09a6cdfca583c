"""The recipe's reader, `frames.reader: decord`: the pictures that qwen-vl-utils gets from decord 0.6.0, bit for bit, also
where decord shows others than were asked for (docs/videos.md).

Care with one pass for several clips: decord jumps to a key frame when that is nearer, and what it then shows of an open
group of pictures, or after damage, depends on which frames were asked for before. So clips share a pass only where a jump
can't change a picture; otherwise each clip gets a reader of its own, as in qwen-vl-utils. When decord fails,
qwen-vl-utils turns to torchvision; here the reason is reported instead.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from roadtrain.files import whole_file
from roadtrain.frames.cache import clip_file
from roadtrain.frames.clip_writer import ClipWriter, load_resizing
from roadtrain.frames.containers import Unreadable
from roadtrain.frames.decoder_log import DecoderLog
from roadtrain.frames.jobs import DecodingJob, Inspection, Target, size_and_time
from roadtrain.frames.sampling import Sampling, frame_numbers, frame_size
from roadtrain.markup import visible
from roadtrain.workers import report_progress

INDEXED = ("mov", "matroska")  # containers whose index leads a jump to the right frame
Numbers = tuple[tuple[int, ...], int]  # the frames of a clip, and how many frames its window has


def write_recipe_clips(inspection: Inspection) -> dict[Target, str]:
    """Write the missing clips of a video. Returns why some can't be had."""
    job = inspection.job
    reasons: dict[Target, str] = {}
    numbers: dict[Target, Numbers] = {}
    missing = [target for target in job.targets if target in inspection.missing]
    with DecoderLog() as log:
        try:
            reader = _open(job, log)
            total, fps = len(reader), float(reader.get_avg_fps())
        except Unreadable as error:
            return dict.fromkeys(missing, str(error))
        for target in missing:
            start, end = target.window
            try:
                numbers[target] = frame_numbers(
                    job.settings[target.setting], total_frames=total, fps=fps, start=start, end=end
                )
            except ValueError as error:
                reasons[target] = str(error)
        if len(numbers) > 1 and jumps_are_safe(job.path):
            with contextlib.suppress(Unreadable):  # then clip by clip: a reason goes to the clip that has it
                return reasons | _write_in_one_pass(inspection, reader, fps, numbers, log, wary=True)
            reader = None
        for target, frames in numbers.items():
            try:
                reasons |= _write_in_one_pass(inspection, reader or _open(job, log), fps, {target: frames}, log)
            except Unreadable as error:
                reasons[target] = str(error)
            reader = None
        complaints = log.lines()
    if complaints:
        what = f"decord's decoder complained ({len(complaints)} lines): {complaints[0]}"
        print(visible(f"{job.path}: {what}"), file=sys.stderr, flush=True)
    return reasons


def _write_in_one_pass(
    inspection: Inspection,
    reader: Any,
    fps: float,
    numbers: dict[Target, Numbers],
    log: DecoderLog,
    *,
    wary: bool = False,
) -> dict[Target, str]:
    """Read the frames of some clips in the order of the file and write the clips. Returns why some can't be had.

    Raises Unreadable, when `wary` also for any complaint of the decoder; then nothing is written.
    """
    log_size = log.size
    reasons: dict[Target, str] = {}
    order = sorted({number for indices, _ in numbers.values() for number in indices})
    with contextlib.ExitStack() as files:
        clips: list[ClipWriter] | None = None
        for number, frame in _frames(reader, order, log):
            if clips is None:
                clips = _open_clips(inspection, fps, numbers, frame.shape[:2], files, reasons)
            for clip in clips:
                clip.add(number, frame)
        if wary and log.size != log_size:
            raise Unreadable("the decoder complained")
        if size_and_time(inspection.job.path) != inspection.stat:
            raise Unreadable("it changed while it was decoded: run again")
        for clip in clips or ():
            clip.finish()
    return reasons


def _open_clips(
    inspection: Inspection,
    fps: float,
    numbers: dict[Target, Numbers],
    size: tuple[int, int],
    files: contextlib.ExitStack,
    reasons: dict[Target, str],
) -> list[ClipWriter]:
    """A file for each clip; `files` names them in the end, or deletes them. Impossible sizes go to `reasons`."""
    clips = []
    for target, (indices, count) in numbers.items():
        try:
            height, width = frame_size(inspection.job.settings[target.setting], len(indices), *size)
        except ValueError as error:
            reasons[target] = str(error)
            continue
        source = inspection.sources[target]
        stream = files.enter_context(whole_file(clip_file(inspection.job.cache, source), "wb"))
        clips.append(ClipWriter(stream, Sampling(indices, height, width, count), fps, source))
    return clips


def _open(job: DecodingJob, log: DecoderLog) -> Any:
    import decord

    load_resizing()
    try:
        # Several threads patch the holes of a damaged picture differently from run to run.
        return decord.VideoReader(str(job.path), num_threads=1)
    except _decord_errors() as error:
        raise Unreadable(log.reason(error)) from None


def _frames(reader: Any, order: list[int], log: DecoderLog) -> Iterator[tuple[int, Any]]:
    """(number, uint8 [height, width, 3]) of each frame. decord does for one at a time what it does for many at once,
    without holding them all. While it isn't asked it decodes ahead and holds what it has: hand a frame back soon."""
    for number in order:
        try:
            frame = reader.get_batch([number]).asnumpy()[0]
        except _decord_errors() as error:
            raise Unreadable(log.reason(error)) from None
        report_progress()
        yield number, frame


def _decord_errors() -> tuple[type[Exception], ...]:
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
                elif key is not None and packet.pts < key:
                    return False
    except (av.FFmpegError, OSError, ValueError, IndexError):
        return False
    return True
