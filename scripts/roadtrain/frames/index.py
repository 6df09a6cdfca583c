"""The frame cache as its readers see it: every clip decoded and resized once, losslessly, and read without copying.

Under one vision setting the frames of a video (or of a window of it) are what
qwen_vl_utils.process_vision_info(.., image_patch_size=16) gives of the same pictures, as the uint8 that qwen-vl-utils has
before its final .float(); `reader` says who decoded them. A picture has one frame. The index of a split names the file of each medium
(roadtrain.frames.cache); roadtrain.frames.decoding writes the files, scripts/decode_frames.py the index.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict, TypeGuard

from roadtrain.files import read_json
from roadtrain.frames.cache import ClipHeader, clip_damage, read_frames, read_header
from roadtrain.media import Clip, Kind, Medium, Words


class MediumRow(TypedDict):
    """How a line of an index begins: which medium it is about."""

    video: str
    start: float | None
    end: float | None
    kind: NotRequired[Kind]  # only of pictures


class FramesRow(MediumRow):
    """A medium that has frames."""

    file: str  # of the cache
    frames: int
    height: int
    width: int
    fps: float | None
    frames_indices: list[int]
    total_num_frames: int
    vision_tokens: int
    notes: NotRequired[list[str]]  # what a user should know about the video


class LeftOutRow(MediumRow):
    """A medium that has none."""

    reason: str


class IndexFile(TypedDict):
    """results/<run>/frames/<vision>/<split>.json."""

    vision: dict[str, Any]  # the setting in qwen-vl-utils' words
    image_patch_size: int
    reader: str
    software: dict[str, str]
    clips: list[FramesRow]
    left_out: list[LeftOutRow]


@dataclass(frozen=True)
class MediumFrames:
    """Frames of one medium and what the processor wants to know about them."""

    frames: Any  # uint8 tensor [frames, 3, height, width], memory-mapped
    metadata: dict[str, Any]  # fps, frames_indices, total_num_frames, video_backend; empty for a picture
    vision_tokens: int
    kind: Kind = "video"


@dataclass(frozen=True)
class ClipFrames:
    """A clip with the frames of its media."""

    parts: tuple[MediumFrames | Words, ...]

    @property
    def media(self) -> list[MediumFrames]:
        return [part for part in self.parts if isinstance(part, MediumFrames)]

    @property
    def vision_tokens(self) -> int:
        return sum(medium.vision_tokens for medium in self.media)


class FrameIndex:
    """The index that decode_frames.py writes for one vision setting and one split."""

    def __init__(self, path: str | Path, value: IndexFile) -> None:
        self.path, self.vision, self.reader = path, value["vision"], value["reader"]
        self._rows = {row_medium(row): row for row in value["clips"]}
        self.left_out = {row_medium(row): row["reason"] for row in value["left_out"]}

    @classmethod
    def load(cls, path: str | Path) -> "FrameIndex":
        """Raises ValueError naming the file when it isn't a frame index."""
        value = read_json(path)
        if not isinstance(value, dict) or not {"vision", "clips", "left_out", "reader"} <= value.keys():
            raise ValueError(f"{path}: not a frame index; make it with scripts/decode_frames.py")
        return cls(path, value)  # type: ignore[arg-type]  # the keys that are read were looked for

    def __contains__(self, clip: Clip) -> bool:
        return all(medium in self._rows for medium in clip.media)

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> list[FramesRow]:
        """Every medium's line, in the order of the split's questions."""
        return list(self._rows.values())

    def row(self, medium: Medium) -> FramesRow:
        """The line of a medium. Raises ValueError when it isn't there."""
        if medium not in self._rows:
            reason = self.left_out.get(medium, "it isn't in this split's conversations")
            raise ValueError(f"{self.path}: no frames of {medium.file}: {reason}")
        return self._rows[medium]

    def rows_of(self, clip: Clip) -> list[FramesRow]:
        """The lines of a clip's media, in order."""
        return [self.row(medium) for medium in clip.media]

    def reason(self, clip: Clip) -> str:
        """Why a clip isn't here."""
        missing = next(medium for medium in clip.media if medium not in self._rows)
        return self.left_out.get(missing, "no frames")

    def read(self, clip: Clip) -> ClipFrames:
        """Read a clip. Raises ValueError when it was left out, FileNotFoundError when the cache lost a file."""
        return ClipFrames(tuple(self._medium(part) if isinstance(part, Medium) else part for part in clip.parts))

    def content(self, medium: Medium) -> str:
        """The hash of a medium's frames, as their file has it: no frame is read. Raises as `read` does."""
        return read_header(self._row_with_file(medium)["file"])["sha256"]

    def _medium(self, medium: Medium) -> MediumFrames:
        return medium_frames(self._row_with_file(medium), self.reader)

    def _row_with_file(self, medium: Medium) -> FramesRow:
        row = self.row(medium)
        if not Path(row["file"]).exists():
            raise FileNotFoundError(
                f"{row['file']}: frames of {medium.file} are missing from the cache;"
                f" delete {self.path} to decode them again"
            )
        return row


def medium_frames(row: FramesRow, reader: str) -> MediumFrames:
    """The frames of a line of an index; `reader` is who decoded them."""
    frames = read_frames(row["file"])
    if row.get("kind") == "image":
        return MediumFrames(frames, {}, row["vision_tokens"], "image")
    metadata = {
        "fps": row["fps"],
        "frames_indices": row["frames_indices"],
        "total_num_frames": row["total_num_frames"],
        "video_backend": reader,
    }
    return MediumFrames(frames, metadata, row["vision_tokens"])


def is_left_out(row: FramesRow | LeftOutRow) -> TypeGuard[LeftOutRow]:
    """Whether a medium has no frames."""
    return "reason" in row


def has_frames(row: FramesRow | LeftOutRow) -> TypeGuard[FramesRow]:
    """Whether a medium has frames."""
    return "reason" not in row


def row_medium(row: MediumRow) -> Medium:
    """Which medium a line of an index is about."""
    return Medium(row["video"], row["start"], row["end"], row.get("kind", "video"))


def medium_row(medium: Medium) -> MediumRow:
    """How a line of an index begins."""
    row: MediumRow = {"video": medium.file, "start": medium.start, "end": medium.end}
    return row if medium.kind == "video" else row | {"kind": medium.kind}


def frames_row(medium: Medium, file: Path, header: ClipHeader) -> FramesRow:
    """A medium's line of the index."""
    frames, _, height, width = header["shape"]
    row: FramesRow = {
        **medium_row(medium),
        "file": file.as_posix(),
        "frames": frames,
        "height": height,
        "width": width,
        "fps": header["fps"],
        "frames_indices": header["frames_indices"],
        "total_num_frames": header["total_num_frames"],
        "vision_tokens": header["vision_tokens"],
    }
    return row | {"notes": header["notes"]} if "notes" in header else row


def row_damage(row: FramesRow) -> str | None:
    """Hash a line's clip again. What is wrong with it or with the line; None when all is well."""
    path = Path(row["file"])
    if problem := clip_damage(path):
        return problem
    if frames_row(row_medium(row), path, read_header(path)) != row:
        return f"{path}: the index says something else about {row['video']}"
    return None
