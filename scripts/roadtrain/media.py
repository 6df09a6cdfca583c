"""What a model is shown before it is asked: media, and the words between them.

    medium = Medium("day1/cam2.mp4", start=3.0, end=7.5)
    clip = Clip((medium,))                                          # what nearly every question is about
    clip = Clip((Medium("a.mp4"), Words("Then:"), Medium("b.png", kind="image")))

All are values: equal ones are the same medium, the same clip. Times are seconds.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["video", "image"]


# What a file's name says of a picture, and its MIME type. GIF is a video here.
PICTURES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}


@dataclass(frozen=True, slots=True)
class Medium:
    """A video, a window of one, or a picture."""

    file: str  # relative to the split's media folder
    start: float | None = None  # None: from the beginning
    end: float | None = None  # None: to the end
    kind: Kind = "video"

    @property
    def placeholder(self) -> str:
        """What stands for it in a LLaVA conversation."""
        return f"<{self.kind}>"


@dataclass(frozen=True, slots=True)
class Words:
    """Text that stands before a medium."""

    text: str
    speaker: Literal["human", "model"] = "human"


@dataclass(frozen=True, slots=True)
class Clip:
    """What is decoded and encoded once, and what all questions about it share: one medium, or several with the words
    between them. The last part is a medium."""

    parts: tuple[Medium | Words, ...]

    @property
    def media(self) -> tuple[Medium, ...]:
        """In order; at least one."""
        return tuple(part for part in self.parts if isinstance(part, Medium))

    @property
    def first(self) -> Medium:
        return self.media[0]

    @property
    def is_whole_video(self) -> bool:
        """One video from its beginning to its end, and nothing else."""
        return self.parts == (Medium(self.first.file),)
