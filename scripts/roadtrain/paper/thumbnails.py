"""Small pictures of the frames that the model saw: one JPEG strip a clip, as a data URI."""

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import safe_open
from tqdm import tqdm

from roadtrain.frames.index import FramesRow

FRAMES = 8  # at most so many in a strip, spread evenly over what the model saw
HEIGHT = 112  # pixels: lists show less, an enlarged strip all of it
GAP = 2  # pixels between frames
QUALITY = 60
BUDGET = 24_000_000  # bytes of pictures in one page; clips beyond it are shown without


def strip(file: str | Path) -> bytes | None:
    """JPEG of a clip's frames side by side, or None when the cache no longer has the clip."""
    if not Path(file).exists():
        return None
    with safe_open(file, framework="numpy") as tensors:
        part = tensors.get_slice("frames")
        count, _, height, width = part.get_shape()
        frames = [np.moveaxis(part[n : n + 1][0], 0, 2) for n in spread_frames(count)]
    size = (frame_width(width, height), HEIGHT)
    picture = Image.new("RGB", (size[0] * len(frames) + GAP * (len(frames) - 1), HEIGHT), (127, 127, 127))
    for n, frame in enumerate(frames):
        picture.paste(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS), (n * (size[0] + GAP), 0))
    out = BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()


def frame_width(width: int, height: int) -> int:
    """Pixels of a frame of that size in a strip."""
    return max(1, round(width * HEIGHT / height))


def spread_frames(count: int, most: int = FRAMES) -> list[int]:
    """Numbers of the frames that are shown: all of few, else evenly spread with the first and the last."""
    if count <= most:
        return list(range(count))
    return [round(n * (count - 1) / (most - 1)) for n in range(most)]


def data_uri(jpeg: bytes) -> str:
    """A picture that stands in a page's own text."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def strips(clips: Sequence[FramesRow], root: Path, budget: int = BUDGET) -> dict[str, str]:
    """{file of the frame cache: data URI} of as many clips as fit into the budget, in their order."""
    uris: dict[str, str] = {}
    used = 0
    for clip in tqdm(clips, desc="pictures", unit="clip"):
        jpeg = strip(root / clip["file"])
        if jpeg is None:
            continue
        used += len(jpeg)
        if used > budget:
            break
        uris[clip["file"]] = data_uri(jpeg)
    return uris
