"""Small trees of annotations for tests: WTS's layout, BDD_PC_5K's, the public test's. Videos only where asked for."""

import json
from pathlib import Path

import av
import numpy as np


def mcq(question="What is the weather?", options=("Clear", "Rainy"), correct="a", **more) -> dict:
    return {"question": question, **dict(zip("abcd", options, strict=False)), "correct": correct, **more}


def phase(start="0.0", end="2.0", label="action", conversations=None, **more) -> dict:
    rows = [mcq("What is the pedestrian doing?")] if conversations is None else conversations
    return {"start_time": start, "end_time": end, "labels": [label], "conversations": rows, **more}


def environment(name: str, rows=None, cameras=1, id=7) -> list:
    videos = [f"{name}_Camera{n + 1}_{n}.mp4" for n in range(cameras)]
    return [{"id": id, "overhead_videos": videos, "environment": [mcq()] if rows is None else rows}]


def write(path: Path, value) -> Path:
    """JSON, or text or bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, bytes):
        path.write_bytes(value)
    else:
        path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def wts_file(root: Path, split: str, scenario: str, task="environment") -> Path:
    name = scenario.rsplit("/", 1)[-1]
    if task == "caption":
        return root / f"annotations/caption/{split}/{scenario}/overhead_view/{name}_caption.json"
    return root / f"annotations/vqa/{split}/{scenario}/{task}/{name}.json"


def scenario(root: Path, split: str, name: str, **kwargs) -> Path:
    """One scenario with environment questions."""
    return write(wts_file(root, split, name), environment(name.rsplit("/", 1)[-1], **kwargs))


def video(path: Path, frames=20, fps=10, size=(64, 48), codec="libx264", step=1, shade=0) -> Path:
    """A real clip. `step`: every other frame is shown for so many times the usual time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt, at = "yuv420p", 0
        stream.thread_count = 1  # still one x264 file in 200 has other bytes: copy where two must be the same
        for n in range(frames):
            shades = np.full((size[1], size[0], 3), (n * 9 + shade) % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(shades, format="rgb24")
            frame.pts, frame.time_base = at, 1 / stream.codec_context.framerate
            at += step if n % 2 else 1
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
