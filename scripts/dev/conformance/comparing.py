"""One way against training: what is equal, and what differs by how much."""

from typing import Any

import numpy as np

from dev.conformance.clips import Case, number_of
from dev.conformance.seen import Seen, pictures, times


def compare(case: Case, seen: Seen, training: Seen, tokenizer: Any) -> dict[str, Any]:
    """A cell of the matrix, as JSON: `equal` (tokens, sizes and pixels to the bit), and what was seen. None: not to be known."""
    if seen.problem:
        return {"equal": False, "problem": seen.problem}
    assert seen.ids is not None and training.ids is not None
    cell: dict[str, Any] = {"tokens_equal": bool(np.array_equal(seen.ids, training.ids)), "tokens": len(seen.ids)}
    cell["times"] = times(seen, tokenizer)
    cell["times_equal"] = cell["times"] == times(training, tokenizer)
    if seen.pixels is not None:
        cell |= _pictures(case, seen, training)
        cell["equal"] = cell["tokens_equal"] and cell.get("pixels", {}).get("largest") == 0
    else:
        cell["equal"] = cell["tokens_equal"]
    if seen.letters is not None and training.letters is not None:
        cell["letters"] = float(np.abs(_shares(seen.letters) - _shares(training.letters)).max())
    return cell


def _pictures(case: Case, seen: Seen, training: Seen) -> dict[str, Any]:
    """Numbers that the pictures carry, sizes, and pixels where the sizes are equal (of 255)."""
    assert seen.pixels is not None and training.pixels is not None
    cell: dict[str, Any] = {"size": list(seen.size), "size_equal": seen.size == training.size}
    if case.numbered:
        cell["frames"] = [number_of(picture) for picture in pictures(seen)]
        cell["frames_equal"] = cell["frames"] == [number_of(picture) for picture in pictures(training)]
    elif seen.indices is not None and training.indices is not None:
        cell["frames_equal"] = bool(np.array_equal(seen.indices, training.indices))
    if cell["size_equal"]:
        difference = np.abs(seen.pixels - training.pixels) * 127.5
        cell["pixels"] = {"largest": round(float(difference.max()), 4), "mean": round(float(difference.mean()), 4)}
    return cell


def _shares(logprobs: np.ndarray) -> np.ndarray:
    weights = np.exp(logprobs - logprobs.max())
    return np.asarray(weights / weights.sum())
