"""Media of a split -> frames in the cache and an index for each vision setting."""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from roadtrain import locks
from roadtrain.files import write_json
from roadtrain.frames.cache import clip_damage
from roadtrain.frames.decoding import decode, prepare_worker
from roadtrain.frames.index import (
    FrameIndex,
    FramesRow,
    IndexFile,
    LeftOutRow,
    MediumRow,
    has_frames,
    is_left_out,
    row_damage,
    row_medium,
)
from roadtrain.frames.jobs import (
    Inspection,
    Reader,
    Setting,
    decoder_software,
    decoding_jobs,
    inspect_video,
    missing_bytes,
)
from roadtrain.frames.sampling import PATCH
from roadtrain.media import Medium
from roadtrain.workers import JobLimits, WorkerDied, Workers

STALE = 3600  # seconds: what a killed run left half-written is deleted after this
Rows = list[FramesRow | LeftOutRow]


@dataclass(frozen=True)
class Split:
    """What is decoded: the media that a split's questions name."""

    questions_file: str  # for messages and the lock
    media: list[Medium]  # each once, in the order of the questions
    media_folder: str
    cache: str
    reader: Reader = "pyav"
    follow_links: bool = False  # also out of the media folder


@dataclass(frozen=True)
class BadVideos:
    """What is done about videos that can't be read."""

    on_bad_video: Literal["skip", "fail"] = "skip"
    max_bad_fraction: float = 1.0  # of the split's videos, those that the audit left out among them
    bad_before: int = 0  # videos that the audit left out


def build_indexes(
    split: Split,
    settings: dict[str, Setting],
    *,
    more_settings: list[Setting],
    workers: int,
    limits: JobLimits,
    rules: BadVideos,
) -> None:
    """Write an index for each of `settings` ({path of the index: setting}). `more_settings` are decoded in the same
    pass into the cache, for the jobs that write their indexes.

    Raises ValueError when nothing can be decoded, when more can't be than the rules allow, or, with on_bad_video fail, at
    the first video that can't be; OSError when the disk is too small.
    """
    if not split.media:
        raise ValueError(f"{split.questions_file}: no entries: nothing to decode")
    if not Path(split.media_folder).is_dir():
        raise ValueError(f"{split.media_folder}: no such folder (the videos of {split.questions_file})")
    in_one_pass: list[Setting] = []
    for setting in [*settings.values(), *more_settings]:
        if setting not in in_one_pass:
            in_one_pass.append(setting)
    rows: list[dict[Medium, FramesRow | LeftOutRow]] = [{} for _ in settings]
    with _one_job_a_split(split.questions_file, split.cache):
        jobs = decoding_jobs(
            split.media, split.media_folder, tuple(in_one_pass), split.cache, split.reader, split.follow_links
        )
        inspections = _inspect(jobs, workers)
        with Workers(workers, prepare_worker, limits) as processes:
            _check_disk(inspections, split, processes)
            for inspection, rows_of_settings in _decode(inspections, processes):
                for n, setting in enumerate(settings.values()):
                    for row in rows_of_settings[in_one_pass.index(setting)]:
                        if is_left_out(row) and rules.on_bad_video == "fail":
                            raise ValueError(f"{inspection.job.path}: {row['reason']} (on_bad_video: fail)")
                        rows[n][row_medium(row)] = row
    reported: set[str] = set()
    for rows_of_setting, (path, setting) in zip(rows, settings.items(), strict=True):
        _write_index(path, setting, [rows_of_setting[medium] for medium in split.media], split, rules, reported)


def _write_index(path: str, setting: Setting, rows: Rows, split: Split, rules: BadVideos, reported: set[str]) -> None:
    left_out = [row for row in rows if is_left_out(row)]
    for row in left_out:
        line = f"left out: {_place(row)}: {row['reason']}"
        if line not in reported:
            reported.add(line)
            print(line, flush=True)
    if len(left_out) == len(rows):
        reason = f"the first, {_place(left_out[0])}: {left_out[0]['reason']}"
        raise ValueError(f"{split.media_folder}: not one video of {split.questions_file} can be used; {reason}")
    _judge(rows, split, rules)
    index: IndexFile = {
        "vision": setting,
        "image_patch_size": PATCH,
        "reader": split.reader,
        "software": decoder_software(split.reader),
        "clips": [row for row in rows if has_frames(row)],
        "left_out": left_out,
    }
    write_json(path, index)


def _judge(rows: Rows, split: Split, rules: BadVideos) -> None:
    """Raises ValueError when more videos are bad than the rules allow: those that the audit found and these."""
    lost = {row["video"]: row for row in rows if is_left_out(row)}
    total = len({row["video"] for row in rows}) + rules.bad_before
    bad = len(lost) + rules.bad_before
    if lost and bad > rules.max_bad_fraction * total:
        first = next(iter(lost.values()))
        raise ValueError(
            f"{split.media_folder}: {bad} of {total} videos of {split.questions_file} are bad ({bad / total:.1%}; the audit"
            f" left out {rules.bad_before}), more than max_bad_fraction {rules.max_bad_fraction:g}; the first is"
            f" {_place(first)}: {first['reason']}"
        )


@contextlib.contextmanager
def _one_job_a_split(questions_file: str, cache: str) -> Iterator[None]:
    """Another job that starts on the same split meanwhile waits, and then finds its clips in the cache."""
    Path(cache).mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(os.path.abspath(questions_file).encode()).hexdigest()[:16]
    with locks.alone(Path(cache, f".{name}.lock"), needed=False):  # without locks the work is done twice
        yield


def cores() -> int:
    """Those that this process may use: a cluster's job has fewer than its machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _place(row: MediumRow) -> str:
    window = "" if row["start"] is None and row["end"] is None else f" ({row['start']} to {row['end']} s)"
    return row["video"] + window


def _inspect(jobs: list, workers: int) -> list[Inspection]:
    """Hash every video and see what the cache has. Threads: hashing and reading leave Python's lock alone."""
    with ThreadPoolExecutor(max(1, workers)) as threads:
        inspections = threads.map(inspect_video, jobs)
        return list(tqdm(inspections, total=len(jobs), unit="video", desc="look at", disable=len(jobs) < 20))


def _decode(inspections: list[Inspection], processes: Workers) -> Iterator[tuple[Inspection, list[Rows]]]:
    """(inspection, lines of the index for each setting) of every video; those with something to decode in processes,
    with a progress bar."""
    incomplete = [inspection for inspection in inspections if inspection.missing]
    for inspection in inspections:
        if not inspection.missing:
            yield inspection, decode(inspection)
    if not incomplete:
        return
    with tqdm(total=len(incomplete), unit="video", desc="decode") as bar:
        for inspection, rows in processes.run(decode, incomplete):
            bar.update()
            if isinstance(rows, WorkerDied):
                rows = inspection.job.without_frames(f"unreadable: {rows.reason}")
            yield inspection, rows


def _check_disk(inspections: list[Inspection], split: Split, processes: Workers) -> None:
    """Say what is to be done before it begins. Raises OSError when the missing clips can't fit. The sizes come from the
    videos' headers."""
    cache = split.cache
    Path(cache).mkdir(parents=True, exist_ok=True)
    for part in Path(cache).glob("*/.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > STALE:
                part.unlink()
    incomplete = [inspection for inspection in inspections if inspection.missing]
    sizes = [0 if isinstance(size, WorkerDied) else size for _, size in processes.run(missing_bytes, incomplete)]
    needed, free = sum(sizes), shutil.disk_usage(cache).free
    clips = sum(len(inspection.missing) for inspection in inspections)
    about = f"{clips} clips to decode take about {needed / 1e9:.2f} GB"
    print(f"{len(inspections)} videos; {about}; {free / 1e9:.1f} GB are free", flush=True)
    if again := sum(inspection.by_another_reader for inspection in inspections):
        other = "decord" if split.reader == "pyav" else "pyav"
        print(
            f"{again} of these clips are in the cache as {other} read them, and are made anew by {split.reader}:"
            f" frames.reader: {other} keeps them",
            flush=True,
        )
    if again := sum(inspection.by_an_earlier_release for inspection in inspections):
        print(
            f"{again} of these clips are in the cache as an earlier release of the reader showed them, and are read again:"
            " where the frames are the same nothing that follows is made anew",
            flush=True,
        )
    if needed > free:
        raise OSError(
            f"{cache}: {about}, only {free / 1e9:.2f} GB are free: make room, move the cache or lower the pixels"
        )


def verify(index_or_cache: str) -> str:
    """Hash every clip of an index, or of a cache folder, again. Returns a line that says how many are whole.

    Raises ValueError with a line a damaged clip.
    """
    if Path(index_or_cache).is_dir():
        files = sorted(Path(index_or_cache).glob("*/*.safetensors"))
        checks = [partial(clip_damage, path) for path in files]
    else:
        rows = FrameIndex.load(index_or_cache).rows()
        files, checks = [Path(row["file"]) for row in rows], [partial(row_damage, row) for row in rows]
    size = sum(path.stat().st_size for path in files if path.exists())
    with ThreadPoolExecutor(cores()) as threads:
        damages = threads.map(lambda check: check(), checks)
        bad = [line for line in tqdm(damages, total=len(checks), unit="clip", desc="verify") if line]
    if bad:
        bad.append(f"{len(bad)} of {len(checks)} clips are damaged: delete these files and decode again")
        raise ValueError("\n".join(bad))
    return f"{index_or_cache}: all {len(checks)} clips are whole ({size / 1e9:.2f} GB)"
