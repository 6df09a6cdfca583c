"""Write the frame cache: decode a video once for every setting and window that is asked about.

Which frames, and how they are resized, is qwen-vl-utils' arithmetic; the pictures come from roadtrain.frames.reading
(`frames.reader: pyav`) or from roadtrain.frames.recipe_reader (`decord`). A clip one of whose pictures can't be had
whole is left out with the reason. Pictures are read by roadtrain.frames.pictures.
"""

import contextlib
from dataclasses import dataclass, field
from typing import IO, Any

from roadtrain import torchvision_cpu
from roadtrain.files import whole_file
from roadtrain.frames import pictures
from roadtrain.frames.cache import clip_file, read_header
from roadtrain.frames.clip_writer import ClipWriter, load_resizing
from roadtrain.frames.containers import Unreadable
from roadtrain.frames.index import FramesRow, LeftOutRow, frames_row
from roadtrain.frames.jobs import Inspection, Target, is_whole, size_and_time
from roadtrain.frames.reading import Damage, VideoFile
from roadtrain.frames.recipe_reader import write_recipe_clips
from roadtrain.frames.sampling import Sampling, frame_numbers, frame_size


def prepare_worker() -> None:
    """What a process that decodes does first."""
    import torch

    torch.set_num_threads(1)  # one process a core already
    torchvision_cpu.ensure()


def decode(inspection: Inspection) -> list[list[FramesRow | LeftOutRow]]:
    """Decode what is missing; lines of the index for every setting (outer) and window (inner).

    Raises OSError when a clip can't be written.
    """
    job = inspection.job
    if inspection.reason:
        return job.without_frames(inspection.reason)
    write = write_recipe_clips if job.reader == "decord" else _write_clips
    if job.kind == "image":
        write = _write_pictures
    reasons = write(inspection) if inspection.missing else {}

    def row(target: Target) -> FramesRow | LeftOutRow:
        if target in reasons:
            return job.left_out(target.window, reasons[target])
        file = clip_file(job.cache, inspection.sources[target])
        return frames_row(job.medium(target.window), file, read_header(file))

    return [[row(Target(n, window)) for window in job.windows] for n in range(len(job.settings))]


def _write_pictures(inspection: Inspection) -> dict[Target, str]:
    """Write what is missing of a picture. Returns why some can't be had."""
    job = inspection.job
    reasons: dict[Target, str] = {}
    for target in (target for target in job.targets if target in inspection.missing):
        source = inspection.sources[target]
        file = clip_file(job.cache, source)
        if file.exists() and is_whole(file):  # another setting's
            continue
        try:
            with whole_file(file, "wb") as stream:
                pictures.write_picture_clip(stream, job.path, job.settings[target.setting], source)
                if size_and_time(job.path) != inspection.stat:
                    raise ValueError("it changed while it was read: run again")
        except ValueError as error:
            reasons[target] = str(error)
    return reasons


def _write_clips(inspection: Inspection) -> dict[Target, str]:
    """Write the missing clips of a video in one pass. Returns why some can't be had."""
    job = inspection.job
    missing = [target for target in job.targets if target in inspection.missing]
    load_resizing()
    clips: dict[Target, _Clip] = {}
    try:
        video = VideoFile(job.path)
        timeline = video.timeline
        for target in missing:
            start, end = timeline.window(*target.window)
            clips[target] = _Clip(inspection, target, timeline.fps, timeline.notes)
            try:
                clips[target].plan(
                    *frame_numbers(
                        job.settings[target.setting],
                        total_frames=timeline.frames,
                        fps=timeline.fps,
                        start=start,
                        end=end,
                    )
                )
            except ValueError as error:
                clips[target].give_up(str(error))
        numbers = sorted({number for clip in clips.values() for number in clip.numbers})
        for number, picture in video.pictures(numbers):
            for clip in clips.values():
                clip.add(number, picture)
        changed = size_and_time(job.path) != inspection.stat
        for clip in clips.values():
            clip.give_up("it changed while it was decoded: run again") if changed else clip.finish()
    except Unreadable as error:
        for target in missing:
            clips.setdefault(target, _Clip(inspection, target)).give_up(str(error))
    except BaseException:
        for clip in clips.values():
            clip.give_up("stopped")
        raise
    return {target: clip.reason for target, clip in clips.items() if clip.reason}


@dataclass
class _Clip:
    """A clip in the making: its file begins with its first picture, which says how large it is."""

    inspection: Inspection
    target: Target
    fps: float = 0.0
    notes: tuple[str, ...] = ()
    indices: tuple[int, ...] = ()
    count: int = 0
    reason: str = ""
    numbers: frozenset[int] = frozenset()
    _size: tuple[int, int] | None = None
    _writer: ClipWriter | None = None
    _file: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def plan(self, indices: tuple[int, ...], count: int) -> None:
        self.indices, self.count, self.numbers = indices, count, frozenset(indices)

    def add(self, number: int, picture: Any) -> None:
        if number not in self.numbers or self.reason:
            return
        if isinstance(picture, Damage):
            self.give_up(picture.reason)
            return
        try:
            writer = self._writer or self._begin(picture.shape[:2])
        except ValueError as error:
            self.give_up(str(error))
            return
        if picture.shape[:2] != self._size:
            self.give_up("damaged: the size of its pictures changes")
            return
        writer.add(number, picture)

    def _begin(self, size: tuple[int, int]) -> ClipWriter:
        setting = self.inspection.job.settings[self.target.setting]
        height, width = frame_size(setting, len(self.indices), *size)
        source = self.inspection.sources[self.target]
        file = clip_file(self.inspection.job.cache, source)
        stream: IO[bytes] = self._file.enter_context(whole_file(file, "wb"))
        plan = Sampling(self.indices, height, width, self.count)
        self._writer, self._size = ClipWriter(stream, plan, self.fps, source, self.notes), size
        return self._writer

    def give_up(self, reason: str) -> None:
        """Leave the clip out; what was written of it goes."""
        self.reason = self.reason or reason

        def stop() -> None:
            with self._file:
                raise Unreadable(reason)

        with contextlib.suppress(Unreadable):
            stop()

    def finish(self) -> None:
        if self.reason or self._writer is None:
            return
        with self._file:
            self._writer.finish()
