"""What reached the model: the prompt's tokens, sizes and pixels; and the pictures, numbers and times that are in them."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from roadtrain.data.llava import PLACEHOLDER, multiple_choice

PATCH, MERGE, TEMPORAL = 16, 2, 2  # of Qwen3-VL's vision tower
TIME = re.compile(r"<(\d+(?:\.\d+)?) seconds>")
SYSTEM_PROMPT = "You are a helpful assistant."
OPTIONS = {"A": "left", "B": "right", "C": "nowhere"}
HUMAN = multiple_choice("Which way does it go?", OPTIONS)  # as conversion writes the one question
QUESTION = HUMAN.removeprefix(PLACEHOLDER).strip()  # the same without the video


@dataclass(frozen=True)
class Seen:
    """Of one case on one way; `problem` says why there is none."""

    ids: np.ndarray | None = None  # int64 [tokens]: the prompt
    pixels: np.ndarray | None = None  # float32 [patches, 1536], as the vision tower gets them; None: not to be known
    grid: np.ndarray | None = None  # int64 [3]: frame pairs, rows, columns, in patches
    indices: np.ndarray | None = None  # numbers of the frames in the file, as the way says them; None: it doesn't
    letters: np.ndarray | None = None  # float64 [options]: log-probabilities of A, B, .. where the answer begins
    problem: str = ""

    def save(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        parts = {key: value for key, value in vars(self).items() if value is not None}
        np.savez(folder / f"{name}.npz", **parts)

    @classmethod
    def load(cls, folder: Path, name: str) -> "Seen":
        """Raises FileNotFoundError when this way was not run."""
        with np.load(folder / f"{name}.npz") as file:
            parts: dict[str, Any] = {key: file[key] for key in file.files}
        return cls(**parts | {"problem": str(parts["problem"])})

    @property
    def size(self) -> tuple[int, int, int]:
        """(frames, height, width): the pixels that the vision tower sees, the last frame repeated to an even number."""
        assert self.grid is not None
        pairs, rows, columns = (int(number) for number in self.grid.reshape(-1))
        return pairs * TEMPORAL, rows * PATCH, columns * PATCH


def pictures(seen: Seen) -> np.ndarray:
    """float32 [frames, height, width, 3], 0 to 255: the processor's patches put together again."""
    assert seen.pixels is not None and seen.grid is not None
    pairs, rows, columns = (int(number) for number in seen.grid.reshape(-1))
    shape = (pairs, rows // MERGE, columns // MERGE, MERGE, MERGE, 3, TEMPORAL, PATCH, PATCH)
    parts = seen.pixels.reshape(shape).transpose(0, 6, 1, 3, 7, 2, 4, 8, 5)
    return (parts.reshape(pairs * TEMPORAL, rows * PATCH, columns * PATCH, 3) + 1) * 127.5


def times(seen: Seen, tokenizer: Any) -> list[str]:
    """The `<t seconds>` of the prompt."""
    assert seen.ids is not None
    return TIME.findall(tokenizer.decode(seen.ids.tolist()))
