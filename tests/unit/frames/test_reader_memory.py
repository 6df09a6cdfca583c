"""Neither hours nor 8K fill memory: the peak of a process that decodes, beside what it has when it begins."""

import sys
from pathlib import Path

import av
import numpy as np
import pytest

from dev.bench_decode import peak_gb
from roadtrain.frames.decoding import decode, prepare_worker
from roadtrain.frames.index import has_frames
from roadtrain.frames.jobs import Inspection
from roadtrain.workers import run_jobs
from support.frame_cache import WHOLE, inspect_clips

pytestmark = [
    pytest.mark.videos,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of one process is known there"),
]
SETTINGS = [{"nframes": 8}, {"fps": 1, "total_pixels": 8388608, "max_frames": 768}]  # the published ones


def render(path: Path, frames: int, rate: int, size: tuple[int, int], codec: str, options: dict[str, str]) -> Path:
    planes = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = *size, "yuv420p", 1
        for n in range(frames):
            planes[: size[1] // 4] = n % 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, format="yuv420p")))
        container.mux(stream.encode())
    return path


def peak(inspection: Inspection) -> tuple[float, float, list[int]]:
    """(GB before, peak GB, frames of each clip). What a worker does."""
    from roadtrain.frames.clip_writer import load_resizing

    load_resizing()
    before = peak_gb()
    rows = [row for (row,) in decode(inspection)]
    frames = [row["frames"] if has_frames(row) else -1 for row in rows]
    return before, peak_gb(), frames


@pytest.mark.parametrize(
    "name, frames, rate, size, codec, options, most",
    [
        ("hour.mp4", 36_000, 10, (160, 90), "libx264", {"preset": "ultrafast"}, 0.3),
        ("hour.mkv", 36_000, 10, (160, 90), "libx264", {"preset": "ultrafast"}, 0.3),
        ("8k-h264.mp4", 16, 5, (7680, 4320), "libx264", {"preset": "ultrafast"}, 1.5),
        ("8k-hevc.mp4", 16, 5, (7680, 4320), "libx265", {"preset": "ultrafast", "x265-params": "log-level=none"}, 1.5),
    ],
)
def test_hours_and_8k_do_not_fill_memory(tmp_path, name, frames, rate, size, codec, options, most):
    video = render(tmp_path / name, frames, rate, size, codec, options)
    inspection = inspect_clips(video, (WHOLE,), SETTINGS, tmp_path / "cache")
    ((_, (before, after, counts)),) = run_jobs(peak, [inspection], 1, prepare_worker)
    print(f"{name}: {before:.2f} GB before, {after:.2f} GB at most")
    assert counts[0] == 8 and counts[1] == (768 if name.startswith("hour") else 4)
    assert after - before < most
