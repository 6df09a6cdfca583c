"""The frame cache as its readers see it: every clip decoded and resized once, losslessly, and read without copying.

A clip is a video (or a window of it) under one vision setting. Its frames are what
qwen_vl_utils.process_vision_info(.., image_patch_size=16) gives with decord, as the uint8 that qwen-vl-utils has
before its final .float(). They lie in cache/frames/<2 hex>/<key>.safetensors; the key is a hash of what they were
made from: the video's content, the setting, the window and the software that decodes and resizes. A changed video
or setting is a new file and everything else stays. A picture is a clip of one frame. roadtrain.frames.decoding writes the
cache.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.data.llava import ClipKey, MediumKey, Said, media_of, parts_of
from roadtrain.files import read_json, sha256_json

# What a clip's file says about itself and the index repeats.
FIELDS = ("fps", "frames_indices", "total_num_frames", "vision_tokens")


@dataclass(frozen=True)
class Clip:
    """Frames of one clip and what the processor wants to know about them."""

    frames: Any  # uint8 tensor [frames, 3, height, width], memory-mapped
    metadata: dict[str, Any]  # fps, frames_indices, total_num_frames, video_backend
    vision_tokens: int
    kind: str = "video"  # or image: one frame


@dataclass(frozen=True)
class Several:
    """Several media, and the words between them."""

    parts: tuple[Clip | str | Said, ...]

    @property
    def vision_tokens(self) -> int:
        return sum(part.vision_tokens for part in self.parts if isinstance(part, Clip))


class FrameIndex:
    """The index that decode_frames.py writes for one vision setting and one split."""

    def __init__(self, path: str | Path, value: dict[str, Any]):
        self.path, self.vision, self.reader = path, value["vision"], value["reader"]
        self._clips = {row_key(row): row for row in value["clips"]}
        self.left_out = {row_key(row): row["reason"] for row in value["left_out"]}

    @classmethod
    def load(cls, path: str | Path) -> "FrameIndex":
        """Raises ValueError naming the file when it isn't a frame index."""
        value = read_json(path)
        if not isinstance(value, dict) or not {"vision", "clips", "left_out", "reader"} <= value.keys():
            raise ValueError(f"{path}: not a frame index; make it with scripts/decode_frames.py")
        return cls(path, value)

    def __contains__(self, key: ClipKey) -> bool:
        return all(medium in self._clips for medium in media_of(key))

    def __len__(self) -> int:
        return len(self._clips)

    def rows(self) -> list[dict[str, Any]]:
        """Every medium's line of the index, in the order of the split's questions."""
        return list(self._clips.values())

    def row(self, video: str, start: float | None = None, end: float | None = None, *more: Any) -> dict[str, Any]:
        """The line of a medium: file, frames, height, width, fps, .. Raises ValueError when it isn't there."""
        key = (video, start, end, *more)
        if key not in self._clips:
            reason = self.left_out.get(key, "it isn't in this split's conversations")
            raise ValueError(f"{self.path}: no frames of {video}: {reason}")
        return self._clips[key]

    def rows_of(self, clip: ClipKey) -> list[dict[str, Any]]:
        """The lines of a clip's media, in order."""
        return [self.row(*medium) for medium in media_of(clip)]

    def reason(self, clip: ClipKey) -> str:
        """Why a clip isn't here."""
        missing = next(medium for medium in media_of(clip) if medium not in self._clips)
        return self.left_out.get(missing, "no frames")

    def clip(self, video: str, start: float | None = None, end: float | None = None, *more: Any) -> Clip | Several:
        """Read a clip. Raises ValueError when it was left out, FileNotFoundError when the cache lost the file."""
        key = (video, start, end, *more)
        if parts_of(key) != (key,):
            return Several(tuple(self.clip(*part) if isinstance(part, tuple) else part for part in parts_of(key)))
        row = self.row(*key)
        if not Path(row["file"]).exists():
            raise FileNotFoundError(
                f"{row['file']}: frames of {video} are missing from the cache; delete {self.path} to decode them again"
            )
        if more:
            return Clip(read_frames(row["file"]), {}, row["vision_tokens"], "image")
        metadata = {name: row[name] for name in ("fps", "frames_indices", "total_num_frames")}
        return Clip(read_frames(row["file"]), metadata | {"video_backend": self.reader}, row["vision_tokens"])


def read_frames(path: str | Path) -> Any:
    """uint8 tensor [frames, 3, height, width]; pages are read when they are touched."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as tensors:
        return tensors.get_tensor("frames")


def read_header(path: str | Path) -> dict[str, Any]:
    """What a clip's file says about itself: FIELDS, shape, sha256 of the frames, source.

    Raises ValueError when the file isn't a whole clip: cut off, extended or something else.
    """
    try:
        with open(path, "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(length, 1 << 24)))
            whole = 8 + length + header["frames"]["data_offsets"][1]
            if stream.seek(0, 2) != whole:
                raise ValueError(f"it should have {whole} bytes")
        return json.loads(header["__metadata__"]["clip"]) | {"shape": header["frames"]["shape"]}
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{path}: not a whole clip of the frame cache: {error}") from None


def row_key(row: dict[str, Any]) -> MediumKey:
    """Which medium a line of an index is about."""
    kind = (row["kind"],) if "kind" in row else ()
    return (row["video"], row["start"], row["end"], *kind)


def medium_row(key: MediumKey) -> dict[str, Any]:
    """How a line of an index begins."""
    return {"video": key[0], "start": key[1], "end": key[2]} | ({"kind": key[3]} if len(key) > 3 else {})


def clip_row(key: MediumKey, file: Path, header: dict[str, Any]) -> dict[str, Any]:
    """A medium's line of the index."""
    frames, _, height, width = header["shape"]
    row = medium_row(key) | {"file": file.as_posix()}
    return row | {"frames": frames, "height": height, "width": width} | {name: header[name] for name in FIELDS}


def clip_file(cache: str | Path, source: dict[str, Any]) -> Path:
    """Where the clip lies that is made from `source`."""
    key = sha256_json(source)[:32]
    return Path(cache, key[:2], f"{key}.safetensors")


def clip_source(video_sha256: str, settings: dict, start: float | None, end: float | None, software: dict) -> dict:
    """Everything that decides a clip's bytes. Numbers are written one way: 1 and 1.0 second are the same window."""

    def plain(value: float | None) -> float | None:
        return value if value is None else float(value)

    settings = {key: plain(value) for key, value in settings.items()}
    return {
        "video": video_sha256,
        "settings": settings,
        "window": [plain(start), plain(end)],
        "software": software,
    }


def damage(path: str | Path, row: dict[str, Any] | None = None) -> str | None:
    """Hash a clip again. What is wrong with it, or with its line of an index; None when all is well."""
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
    if row is not None and clip_row(row_key(row), path, header) != row:
        return f"{path}: the index says something else about {row['video']}"
    return None
