"""Run vLLM with the recorder beside it, and read what it wrote down."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dev.conformance.seen import Seen

RECORDER = Path(__file__).parent / "recorder"


def environment(folder: Path) -> dict[str, str]:
    """For a program that uses vLLM: it writes what the model is given into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(RECORDER), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "ROADTRAIN_RECORD": str(folder.absolute())}


def forget(folder: Path) -> None:
    for file in folder.glob("*.npz"):
        file.unlink()


def read_prompts(folder: Path, names: list[str]) -> dict[str, Seen]:
    """{name: what reached the model}, for prompts that came in the order of `names`, one video each. What was seen before the first one,
    when vLLM measures its memory, doesn't count. Raises ValueError when there are not as many."""
    prompts = sorted(folder.glob("*.prompt.npz"))
    if len(prompts) != len(names):
        raise ValueError(f"{folder}: {len(prompts)} prompts were recorded, not {len(names)}")
    first = prompts[0].name if prompts else ""
    videos = [video for file in sorted(folder.glob("*.video.npz")) if file.name > first for video in _videos(file)]
    if len(videos) != len(names):
        raise ValueError(f"{folder}: {len(videos)} videos were recorded, not {len(names)}")
    result = {}
    for name, file, (pixels, grid) in zip(names, prompts, videos, strict=True):
        with np.load(file) as record:
            result[name] = Seen(record["ids"], pixels, grid[None])
    return result


def _videos(file: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """(pixels, grid) of each video of one call."""
    with np.load(file) as record:
        grids, pixels = record["grid"], record["pixels"]
    ends = np.cumsum(grids.prod(axis=1))
    return [(part, grid) for part, grid in zip(np.split(pixels, ends[:-1]), grids, strict=True)]


def letters_of(logprobs: Mapping[str, float], options: Mapping[str, str]) -> np.ndarray | None:
    """In the options' order; None unless all are there."""
    return np.array([logprobs[letter] for letter in options]) if logprobs.keys() >= options.keys() else None
