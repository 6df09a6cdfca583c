"""One video or picture that belongs to no data set, as training sees it: what is asked about here and now, or sent to a server."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.frames.containers import file_fault
from roadtrain.frames.decoding import decode, prepare_worker
from roadtrain.frames.index import MediumFrames, has_frames, is_left_out, medium_frames
from roadtrain.frames.jobs import Reader, decoding_jobs, inspect_video
from roadtrain.media import PICTURES, Kind, Medium
from roadtrain.workers import JobLimits, WorkerDied, run_jobs


@dataclass(frozen=True)
class Reading:
    """Who decodes, and what that may take."""

    reader: Reader = "pyav"
    limits: JobLimits | None = JobLimits(seconds=60, memory=4_000_000_000)  # None: in this process, without a clock


def medium_kind(file: str | Path) -> Kind:
    """By the file's name; what is in it is looked at when it is read."""
    return "image" if Path(file).suffix.lower() in PICTURES else "video"


def read_alone(video: str | Path, vision: dict[str, Any], reading: Reading) -> MediumFrames:
    """The frames, decoded as for the frame cache, in a process with a clock and a limit of memory. `video` is whoever asks's own
    path: its links are followed. Raises FileNotFoundError, or ValueError saying why a video can't be had."""
    video = Path(video)
    if fault := file_fault(video):
        raise FileNotFoundError(2, fault, str(video)) if fault == "no such file" else ValueError(f"{video}: {fault}")
    with tempfile.TemporaryDirectory(prefix="roadtrain-frames-") as cache:
        medium = Medium(video.name, kind=medium_kind(video))
        (job,) = decoding_jobs([medium], str(video.parent), (vision,), cache, reading.reader, follow_links=True)
        inspection = inspect_video(job)
        if inspection.reason:
            raise ValueError(f"{video}: {inspection.reason}")
        if reading.limits is None:
            rows: Any = decode(inspection)
        else:
            ((_, rows),) = run_jobs(decode, [inspection], 1, prepare_worker, reading.limits)
        if isinstance(rows, WorkerDied):
            raise ValueError(f"{video}: unreadable: {rows.reason}")
        ((row,),) = rows
        if is_left_out(row):
            raise ValueError(f"{video}: {row['reason']}")
        assert has_frames(row)
        stored = medium_frames(row, job.reader)
        return MediumFrames(stored.frames.clone(), stored.metadata, stored.vision_tokens, stored.kind)
