#!/usr/bin/env python3
"""The frame cache against decoding a video again for each of its questions, as the recipe does.

Renders 1080p H.264 clips of 75 s below a temporary folder (a still street with a box that moves; x264 veryfast with
its usual key frames), then measures, in one process, for the two published vision settings:

- per question: qwen_vl_utils.process_vision_info(.., image_patch_size=16) with decord, once a clip: every further
  question of a clip costs the same again;
- the cache: writing the clips of one setting, of the other, and of both in one pass; then reading them as float
  tensors, what process_vision_info returns.

PyTorch has one thread, as in each process of decode_frames.py. bench_readers.py compares readers of videos.

Output: bench_frames.json in --output-dir.

    PYTHONPATH=scripts python scripts/dev/bench_frames.py
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from dev.machine import cpu
from roadtrain import cli, torchvision_cpu
from roadtrain.files import write_json
from roadtrain.frames import decoding
from roadtrain.frames.cache import read_frames
from roadtrain.frames.decoding import decode
from roadtrain.frames.index import FramesRow, has_frames
from roadtrain.frames.jobs import decoder_software, decoding_jobs, inspect_video
from roadtrain.media import Medium

SETTINGS = {"nframes8": {"nframes": 8}, "fps1_8k": {"fps": 1, "total_pixels": 8388608}}
QUESTIONS = 16  # a video, as in WTS


def render(
    path: Path,
    seconds: float,
    rate: int,
    size: tuple[int, int],
    seed: int,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
) -> None:
    """A clip: yuv420p planes are drawn directly, which costs little beside encoding them. `options`: the encoder's."""
    import av

    rng, (width, height) = np.random.default_rng(seed), size
    street = np.repeat(np.repeat(rng.integers(60, 200, (height // 20, width // 20), dtype=np.uint8), 20, 0), 20, 1)
    street = street + rng.integers(0, 8, street.shape, dtype=np.uint8)  # a camera's noise, the same in every frame
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for n in range(round(seconds * rate)):
            planes[:height] = street
            x, y = n * 4 % (width - 200), height // 2 + round(100 * np.sin(n / 40))
            planes[y : y + 120, x : x + 200] = 30 + n % 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())


def per_question(path: Path, setting: dict) -> Any:
    """The frames of one question by qwen-vl-utils: float [frames, 3, height, width]."""
    from qwen_vl_utils import process_vision_info

    message = [{"role": "user", "content": [{"type": "video", "video": str(path)} | setting]}]
    return process_vision_info(message, image_patch_size=16, return_video_kwargs=True)[1][0]


def write_cache(path: Path, settings: list[dict], cache: Path) -> list[FramesRow]:
    """Rows of the index, one a setting."""
    (job,) = decoding_jobs([Medium(path.name)], str(path.parent), tuple(settings), str(cache))
    return [row for (row,) in decode(inspect_video(job)) if has_frames(row)]


Seconds = tuple[float, float]  # wall, CPU (all threads)


def timed(work: Callable, *args: Any) -> tuple[Seconds, Any]:
    """CPU seconds stand beside wall time: a machine that does other things too doesn't distort them."""
    start = time.perf_counter(), time.process_time()
    result = work(*args)
    return (time.perf_counter() - start[0], time.process_time() - start[1]), result


@contextmanager
def counted() -> Iterator[list[int]]:
    """[n]: how many videos were opened for decoding."""
    opened, plain = [0], decoding.VideoFile

    def open_video(*args: Any, **options: Any) -> Any:
        opened[0] += 1
        return plain(*args, **options)

    decoding.VideoFile = open_video  # type: ignore[misc, assignment]
    try:
        yield opened
    finally:
        decoding.VideoFile = plain  # type: ignore[misc]


def measure(clips: list[Path], cache: Path) -> dict[str, Any]:
    """Seconds a clip and what follows from them. Raises ValueError when the cache's frames differ."""
    import torch

    rows: dict[str, list[Seconds]] = {}

    def note(key: str, seconds: Seconds) -> None:
        rows.setdefault(key, []).append(seconds)

    both = 0
    with counted() as opened:
        for number, clip in enumerate(clips):
            before = opened[0]
            seconds, cached = timed(write_cache, clip, list(SETTINGS.values()), cache / f"both{number}")
            note("write both", seconds)
            both += opened[0] - before
            for (name, setting), row in zip(SETTINGS.items(), cached, strict=True):
                note(f"write {name}", timed(write_cache, clip, [setting], cache / f"{name}{number}")[0])
                seconds, theirs = timed(per_question, clip, setting)
                note(f"question {name}", seconds)
                note(
                    f"read {name}",
                    min(timed(lambda file=row["file"]: read_frames(file).float())[0] for _ in range(5)),
                )
                if not torch.equal(read_frames(row["file"]).float(), theirs):
                    raise ValueError(f"{clip}: {name}: the cache differs from qwen-vl-utils")
            print(f"clip {number + 1} of {len(clips)}", flush=True)
    count = len(clips)
    return {
        "decodes_for_an_epoch_of_both_settings": {"per question": QUESTIONS * count * len(SETTINGS), "cache": both},
        "wall": ratios({key: statistics.median(wall for wall, _ in values) for key, values in rows.items()}),
        "cpu": ratios({key: statistics.median(cpu for _, cpu in values) for key, values in rows.items()}),
        "seconds_a_clip_wall_and_cpu": {
            key: [[round(s, 4) for s in pair] for pair in values] for key, values in sorted(rows.items())
        },
    }


def ratios(seconds: dict[str, float]) -> dict[str, Any]:
    """What the median seconds a clip mean for an epoch."""
    write = {name: seconds[f"write {name}"] for name in SETTINGS}
    ask, read = ({name: seconds[f"{what} {name}"] for name in SETTINGS} for what in ("question", "read"))
    return {
        "samples_a_second": {
            name: {"per question": round(1 / ask[name], 3), "cache": round(1 / max(read[name], 1e-6), 1)}
            for name in SETTINGS
        },
        "epoch_speedup": {name: round(ask[name] / max(read[name], 1e-6), 1) for name in SETTINGS},
        "first_epoch_speedup": {
            name: round(QUESTIONS * ask[name] / (write[name] + QUESTIONS * read[name]), 1) for name in SETTINGS
        },
        "both_settings_to_the_slower_one": round(seconds["write both"] / max(write.values()), 3),
        "both_settings_to_one_after_the_other": round(seconds["write both"] / sum(write.values()), 3),
    }


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=75, help="of a clip (default: %(default)s)")
    parser.add_argument("--size", default="1920x1080", help="default: %(default)s")
    parser.add_argument("--rate", type=int, default=30, help="frames a second (default: %(default)s)")
    parser.add_argument(
        "--scratch", type=Path, help="where clips and cache are written for the while (default: the system's)"
    )
    parser.add_argument("--output-dir", type=Path, default=Path("docs/figures"), help="default: docs/figures")
    args = parser.parse_args()
    try:
        width, height = map(int, args.size.split("x"))
    except ValueError:
        raise cli.UserError(f"--size {args.size}: expected <width>x<height>, as 1920x1080") from None
    torchvision_cpu.ensure()
    os.environ["FORCE_QWENVL_VIDEO_READER"] = "decord"
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="roadtrain-frames-", dir=args.scratch) as folder:
        clips = [Path(folder, f"clip{n}.mp4") for n in range(args.clips)]
        render(Path(folder, "warm-up.mp4"), 8 / args.rate + 2, args.rate, (320, 180), 0)
        with redirect_stdout(None):
            measure([Path(folder, "warm-up.mp4")], Path(folder, "warm-up"))  # imports, first touches
        seconds = sum(
            timed(render, clip, args.seconds, args.rate, (width, height), n)[0][0] for n, clip in enumerate(clips)
        )
        print(
            f"{len(clips)} clips rendered in {seconds:.0f} s, {sum(c.stat().st_size for c in clips) / 1e6:.0f} MB",
            flush=True,
        )
        result = measure(clips, Path(folder, "cache"))
    result |= {
        "command": f"PYTHONPATH=scripts python scripts/dev/bench_frames.py --clips {args.clips} --seconds {args.seconds:g} --size {args.size} --rate {args.rate}",
        "machine": {
            "cpu": cpu(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "load": round(os.getloadavg()[0], 1),
        },
        "software": decoder_software("pyav") | {"python": platform.python_version()},
    }
    write_json(args.output_dir / "bench_frames.json", result)
    for key in ("wall", "cpu"):
        print(f"{key}: {result[key]}")


if __name__ == "__main__":
    main()
