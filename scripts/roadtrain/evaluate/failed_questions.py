"""Questions at which a server failed though it was asked again, as with HTTP 500: neither an answer nor the checkpoint's refusal.

The source names them, and the gate says how many there are. Of more than a small share nothing is written: a verdict would rest on
what nobody knows.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict

MOST = 0.01  # of the questions of a job


class FailedQuestion(TypedDict):
    """One of them, in <checkpoint>.source.json."""

    id: str
    reason: str  # the server's words


def check_share(failed: Mapping[str, str], total: int, predictions: str) -> None:
    """Raises ValueError when more than MOST of `total` questions failed. `failed`: {id: the server's words}."""
    if len(failed) <= MOST * total:
        return
    id, words = next(iter(failed.items()))
    raise ValueError(
        f"{predictions}: the server failed at {share_in_words(len(failed), total)}, the first: {id}: {words}; no more than {MOST:.0%} may be so."
        " What it answered is kept: mend what its log says and ask again, or take the videos out that it fails at"
    )


def share_in_words(failed: int, total: int) -> str:
    """`3 of 670 questions (0.4%)`."""
    return f"{failed} of {total} questions ({failed / total:.1%})"


def as_list(failed: Mapping[str, str]) -> list[FailedQuestion]:
    """As the source has them."""
    return [{"id": id, "reason": words} for id, words in sorted(failed.items())]


def ids_of(failed: Sequence[FailedQuestion]) -> set[str]:
    """Of what the source lists."""
    return {question["id"] for question in failed}
