"""A clip's safetensors file, written frame by frame: memory stays flat however long the clip is."""

import hashlib
import json
from typing import IO, Any

from roadtrain.frames.cache import READER_RELEASE
from roadtrain.frames.sampling import Sampling

HASH = "0" * 64  # holds the hash's place in the header until the frames are known


class ClipWriter:
    """Writes to `stream`, a binary file that can seek: safetensors with one tensor, `frames`, uint8
    [frames, 3, plan.height, plan.width], and metadata `clip`: fps, frames_indices, total_num_frames, vision_tokens,
    the sha256 of the frames, `source`, what they were made from, `reader_release`, and `notes` about the video, where
    there are any."""

    def __init__(
        self, stream: IO[bytes], plan: Sampling, fps: float, source: dict[str, Any], notes: tuple[str, ...] = ()
    ):
        self._stream, self._plan, self._numbers = stream, plan, set(plan.indices)
        self._hash = hashlib.sha256()
        shape = [len(plan.indices), 3, plan.height, plan.width]
        clip = {"fps": fps, "frames_indices": list(plan.indices), "total_num_frames": plan.total_frames}
        clip |= {"vision_tokens": plan.vision_tokens, "sha256": HASH, "source": source}
        clip |= {"reader_release": READER_RELEASE}
        if notes:
            clip["notes"] = list(notes)
        self._place = write_header(stream, shape, clip)

    def add(self, number: int, frame: Any) -> None:
        """Resize and write a frame, uint8 [h, w, 3], when the clip wants the one of this number in the file."""
        if number in self._numbers:
            pixels = resize(frame, self._plan.height, self._plan.width).numpy().data
            self._hash.update(pixels)
            self._stream.write(pixels)

    def finish(self) -> None:
        self._stream.seek(self._place)
        self._stream.write(self._hash.hexdigest().encode())


def write_header(stream: IO[bytes], shape: list[int], clip: dict[str, Any]) -> int:
    """What stands before the frames. Returns where HASH lies in it."""
    size = shape[0] * shape[1] * shape[2] * shape[3]
    header = {
        "__metadata__": {"clip": json.dumps(clip)},
        "frames": {"dtype": "U8", "shape": shape, "data_offsets": [0, size]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the format wants the data aligned
    stream.write(len(text).to_bytes(8, "little") + text)
    return 8 + text.find(HASH.encode())


def write_picture(stream: IO[bytes], pixels: Any, tokens: int, source: dict[str, Any]) -> None:
    """The same file with one frame, uint8 [1, 3, height, width]. A picture has no time."""
    clip: dict[str, Any] = {"fps": None, "frames_indices": [0], "total_num_frames": 1, "vision_tokens": tokens}
    clip |= {"sha256": hashlib.sha256(pixels.data).hexdigest(), "source": source}
    write_header(stream, list(pixels.shape), clip)
    stream.write(pixels.data)


def load_resizing() -> None:
    """Load what `resize` needs. Call it before a reader is opened: decord decodes ahead while it isn't asked."""
    from roadtrain import torchvision_cpu

    torchvision_cpu.ensure()
    import torchvision.transforms  # noqa: F401


def resize(frame: Any, height: int, width: int) -> Any:
    """uint8 [h, w, 3] -> uint8 tensor [3, height, width], as qwen-vl-utils does. It resizes all frames of a video at
    once, colours beside each other: the same numbers one by one and colour after colour take 60 % of the time, and
    the memory of one."""
    import torch
    from torchvision.transforms import InterpolationMode, functional

    picture = torch.from_numpy(frame).permute(2, 0, 1).contiguous()
    return functional.resize(
        picture, [height, width], interpolation=InterpolationMode.BICUBIC, antialias=True
    ).contiguous()
