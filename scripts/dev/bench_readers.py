#!/usr/bin/env python3
"""decord, PyAV and torchcodec side by side: what the same frames of a video cost, and whether the pixels are decord's.

Renders a 1080p H.264 clip as bench_frames.py does, or takes --videos. For the frames of each published vision setting
every reader runs --repeats times in turns, with one decoding thread, in one process; the best counts. PyAV reads on
from the start, or jumps to the key frame before each wanted frame (`PyAV seek`). torchcodec needs FFmpeg's shared
libraries; a reader that can't be loaded is named with its reason.

Output: bench_readers.json in --output-dir.

    PYTHONPATH=scripts python scripts/dev/bench_readers.py
    PYTHONPATH=scripts python scripts/dev/bench_readers.py --videos data/mine/*.mp4   do other readers show these as decord does?
"""

import argparse
import os
import platform
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from dev.bench_frames import SETTINGS, render, timed
from dev.machine import cpu
from roadtrain import cli
from roadtrain.files import write_json
from roadtrain.frames.sampling import frame_numbers

Reader = Callable[[Path, list[int]], np.ndarray]


def by_decord(path: Path, numbers: list[int]) -> np.ndarray:
    import decord

    return decord.VideoReader(str(path), num_threads=1).get_batch(numbers).asnumpy()


def by_pyav(path: Path, numbers: list[int]) -> np.ndarray:
    """Decode from the start and keep what is wanted."""
    import av

    kept, pictures = set(numbers), []
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        for n, frame in enumerate(container.decode(video=0)):
            if n in kept:
                pictures.append(frame.to_ndarray(format="rgb24"))
            if n >= numbers[-1]:
                break
    return np.stack(pictures)


def by_pyav_seek(path: Path, numbers: list[int]) -> np.ndarray:
    """Jump to the key frame before a wanted frame, unless reading on is shorter."""
    import av

    pictures: list[np.ndarray] = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        index = sorted((e.timestamp, e.is_keyframe) for e in stream.index_entries)
        times = [time for time, _ in index]
        keys = [n for n, (_, key) in enumerate(index) if key]
        frames = container.decode(stream)
        first = next(frames)
        shift = first.pts - times[0]  # B-frames: shown later than decoded
        here, frames = 0, chain([first], frames)
        for number in numbers:
            start = max((key for key in keys if key <= number), default=0)
            if start > here:
                container.seek(times[start] + shift, stream=stream, backward=True, any_frame=False)
                frames = container.decode(stream)
            frame = next(frame for frame in frames if frame.pts >= times[number] + shift)
            here = number
            pictures.append(frame.to_ndarray(format="rgb24"))
    return np.stack(pictures)


def by_torchcodec(path: Path, numbers: list[int]) -> np.ndarray:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), num_ffmpeg_threads=1, dimension_order="NHWC")
    return decoder.get_frames_at(indices=numbers).data.numpy()


READERS: dict[str, Reader] = {
    "decord": by_decord,
    "PyAV": by_pyav,
    "PyAV seek": by_pyav_seek,
    "torchcodec": by_torchcodec,
}


def usable(path: Path) -> tuple[dict[str, Reader], dict[str, str]]:
    """(readers that can read a small clip here, why the others can't)."""
    good, bad = {}, {}
    for name, reader in READERS.items():
        try:
            reader(path, [0, 1])
            good[name] = reader
        except Exception as error:  # whatever a library that doesn't load raises
            lines = [line for line in str(error).splitlines() if line.strip()]
            bad[name] = f"{type(error).__name__}: {lines[0].strip() if lines else ''}"[:200]
    return good, bad


def length_of(path: Path) -> tuple[int, float]:
    import decord

    reader = decord.VideoReader(str(path), num_threads=1)
    return len(reader), float(reader.get_avg_fps())


def measure(path: Path, readers: dict[str, Reader], repeats: int) -> list[dict[str, Any]]:
    """A row a setting and reader: seconds (wall, CPU), and how many of the frames are decord's, pixel for pixel."""
    rows, (total, fps) = [], length_of(path)
    for setting_name, setting in SETTINGS.items():
        numbers = list(frame_numbers(setting, total_frames=total, fps=fps)[0])
        runs: dict[str, list] = {name: [] for name in readers}
        expected = by_decord(path, numbers)
        same: dict[str, int | str] = {}
        for _ in range(repeats):
            for name, reader in readers.items():
                try:
                    seconds, frames = timed(reader, path, numbers)
                except Exception as error:  # this reader can't read this video: that is a result
                    same[name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:120]
                    continue
                runs[name].append(seconds)
                fits = frames.shape == expected.shape
                same[name] = (
                    sum(map(np.array_equal, frames, expected))
                    if fits
                    else f"other size: {frames.shape[2]}x{frames.shape[1]}"
                )
        for name, durations in runs.items():
            best = {
                f"{what}_seconds": round(min(s[n] for s in durations), 4) if durations else None
                for n, what in enumerate(("wall", "cpu"))
            }
            rows.append(
                {
                    "video": path.name,
                    "setting": setting_name,
                    "frames": len(numbers),
                    "reader": name,
                    **best,
                    "as_decord": same[name],
                }
            )
    return rows


def versions() -> dict[str, str]:
    installed = {}
    for name in ("decord", "av", "torchcodec", "torch"):
        try:
            installed[name] = version(name).split("+")[0]
        except PackageNotFoundError:
            installed[name] = "not installed"
    return installed


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, nargs="+", help="measure these instead of a rendered clip")
    parser.add_argument("--seconds", type=float, default=75, help="of the clip (default: %(default)s)")
    parser.add_argument("--rate", type=int, default=30, help="frames a second (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--scratch", type=Path, help="where the clip is written for the while (default: the system's)")
    parser.add_argument("--output-dir", type=Path, default=Path("docs/figures"), help="default: docs/figures")
    args = parser.parse_args()
    if missing := [path for path in args.videos or () if not path.is_file()]:
        raise cli.UserError(f"--videos {missing[0]}: no such file")
    with tempfile.TemporaryDirectory(prefix="roadtrain-readers-", dir=args.scratch) as folder:
        small, clip = Path(folder, "small.mp4"), Path(folder, "clip.mp4")
        render(small, 1, 10, (320, 180), 0)
        readers, unusable = usable(small)
        if not args.videos:
            render(clip, args.seconds, args.rate, (1920, 1080), 0)
        rows = [row for path in args.videos or [clip] for row in measure(path, readers, args.repeats)]
    machine = {"cpu": cpu(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)}
    software = versions() | {"python": platform.python_version()}
    write_json(
        args.output_dir / "bench_readers.json",
        {"machine": machine, "software": software, "unusable": unusable, "rows": rows},
    )
    for row in rows:
        print(
            f"{row['video']:24} {row['setting']:10} {row['reader']:12} wall {row['wall_seconds']} s, CPU {row['cpu_seconds']} s,"
            f" as decord: {row['as_decord']} of {row['frames']}"
        )
    for name, reason in unusable.items():
        print(f"{name}: {reason}")


if __name__ == "__main__":
    main()
