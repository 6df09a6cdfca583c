"""The files of the frame cache: cache/frames/<2 hex>/<key>.safetensors, one a medium and vision setting.

The key is a hash of what the frames were made from: the video's content, the setting, the window and the software that
decodes and resizes. So a changed video or setting is a new file, and everything else stays. A file holds one tensor,
`frames`, uint8 [frames, 3, height, width], and what it says about itself (ClipHeader).

Our own reader of videos is not in the key: a mended one shows other frames of a few odd videos, and would otherwise make
every index, and what was trained on it, anew. A file says which release wrote it; an older one's is written again under
its name, and where the frames are the same its line in the index is, too.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from roadtrain.files import sha256_json

READER_RELEASE = 2  # of roadtrain.frames.reading; one more whenever it shows another frame of any video, or refuses one


class ClipHeader(TypedDict):
    """What a file says about itself."""

    fps: float | None  # of the video; a picture has none
    frames_indices: list[int]  # numbers of the frames in the video
    total_num_frames: int  # in the video, or in the window
    vision_tokens: int
    sha256: str  # of the frames
    source: dict[str, Any]  # what they were made from
    shape: list[int]  # [frames, 3, height, width]
    reader_release: NotRequired[int]  # READER_RELEASE when it was written; without it, 1
    notes: NotRequired[list[str]]  # what a user should know about the video


def read_frames(path: str | Path) -> Any:
    """uint8 tensor [frames, 3, height, width]; pages are read when they are touched."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as tensors:
        return tensors.get_tensor("frames")


def read_header(path: str | Path) -> ClipHeader:
    """What a clip's file says about itself. Raises ValueError when the file isn't a whole clip: cut off, extended or
    something else. (safetensors' own reader would map the file; this reads its first kilobyte.)"""
    try:
        with open(path, "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(length, 1 << 24)))
            size = 8 + length + header["frames"]["data_offsets"][1]
            if stream.seek(0, 2) != size:
                raise ValueError(f"it should have {size} bytes")
        return json.loads(header["__metadata__"]["clip"]) | {"shape": header["frames"]["shape"]}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{path}: not a whole clip of the frame cache: {error}") from None


def clip_file(cache: str | Path, source: dict[str, Any]) -> Path:
    """Where the frames lie that are made from `source`."""
    key = sha256_json(source)[:32]
    return Path(cache, key[:2], f"{key}.safetensors")


def clip_source(
    video_sha256: str,
    settings: dict[str, Any],
    start: float | None,
    end: float | None,
    software: dict[str, str],
) -> dict[str, Any]:
    """Everything that decides a clip's bytes. Numbers are written one way: 1 and 1.0 second are the same window."""

    def plain(value: float | None) -> float | None:
        return value if value is None else float(value)

    return {
        "video": video_sha256,
        "settings": {key: plain(value) for key, value in settings.items()},
        "window": [plain(start), plain(end)],
        "software": software,
    }


def clip_damage(path: str | Path) -> str | None:
    """Hash a clip again. What is wrong with it; None when all is well."""
    path = Path(path)
    try:
        header = read_header(path)
        with open(path, "rb") as stream:
            stream.seek(8 + int.from_bytes(stream.read(8), "little"))
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError:
        return f"{path}: missing"
    except (OSError, ValueError) as error:
        return str(error)
    if digest != header["sha256"]:
        return f"{path}: its frames differ from what was written"
    if clip_file(path.parents[1], header["source"]) != path:
        return f"{path}: its name isn't the hash of what it was made from"
    return None
