"""What a checkpoint says to questions, while it is asked: replies, letter probabilities, and what a kill must not lose."""

import contextlib
import io
import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from roadtrain.files import write_text

BROKEN_OFF = (
    "abort",
    "error",
    "content_filter",
)  # why an answer ended, where that isn't the model's own end or the limit


@dataclass(frozen=True)
class Reply:
    """What a checkpoint said to one question."""

    response: str | None  # None: it could not be asked
    probabilities: dict[str, float] | None = None  # of the option letters, where the answer begins; None: no options
    failure: str | None = (
        None  # a server's words that failed at it (failed_questions.py): neither an answer nor a refusal
    )


Replies = dict[str, Reply]  # of one clip, by question id


def check_ended(id: str, reason: str | None) -> None:
    """Raises ValueError for the answer to a question that an engine broke off: its beginning would count as the answer."""
    if reason in BROKEN_OFF:
        raise ValueError(f"{id}: the engine broke the answer off (finish_reason: {reason}): evaluate once more")


NO_NUMBERS = (
    "the model's logits are no numbers (NaN): its weights are broken, or its training went wrong (train_log.jsonl)"
)


class CannotAsk(ValueError):
    """A clip that this checkpoint can't be asked about (too long, ..): its questions stay unanswered."""


def letter_tokens(tokenizer: Any, options: dict[str, str]) -> list[int]:
    """Token id of each option's letter, as an answer begins with it. Raises ValueError when a letter is no token."""
    ids = [tokenizer(letter, add_special_tokens=False)["input_ids"] for letter in options]
    for letter, tokens in zip(options, ids, strict=True):
        if len(tokens) != 1:
            raise ValueError(
                f"the tokenizer writes the letter {letter} as {len(tokens)} tokens: no letter probabilities"
            )
    return [tokens[0] for tokens in ids]


def letter_probabilities(letters: Sequence[str], logits: Sequence[float]) -> dict[str, float] | None:
    """Softmax over the letters alone; `logits` may be log-probabilities. Rounded: engines differ in the last digits. Raises
    ValueError for what is no number: the answer beside it would be the first token of the vocabulary, or the first letter."""
    import numpy as np

    if not letters:
        return None
    if not np.isfinite(max(logits)) or np.isnan(logits).any():
        raise ValueError(NO_NUMBERS)
    weights = np.exp(np.asarray(logits, dtype=float) - max(logits))
    return {letter: round(float(share), 5) for letter, share in zip(letters, weights / weights.sum(), strict=True)}


class ReplyStore:
    """Replies of finished clips, kept beside the predictions until these are whole. `key`: what they depend on, {name: hash};
    replies of another key are forgotten, and it is said of which name.

    The job of a killed Snakemake may run on, with the settings of yesterday. Whoever begins last has the file and the
    predictions: its name for itself, `job`, stands in the first line, and the other ends at its next clip."""

    def __init__(self, predictions: Path, key: Mapping[str, str]) -> None:
        self.path, self._predictions = predictions.with_name(f".{predictions.name}.finished"), predictions
        self.replies: Replies = {}
        predictions.parent.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_text(encoding="utf-8").split("\n")[:-1] if self.path.exists() else []
        replies = _whole_lines(lines[1:])
        before = dict(part.split(":", 1) for part in lines[0].split(" ") if ":" in part) if lines else {}
        before.pop("job", None)
        if before == dict(key):
            self.replies = replies
        elif replies:
            others = ", ".join(name for name in key if before.get(name) != key[name])
            print(
                f"{predictions}: {len(replies)} replies of a killed run are of other {others}: asked anew",
                file=sys.stderr,
            )
        parts = {**key, "job": secrets.token_hex(8)}
        self._first = " ".join(f"{name}:{value}" for name, value in parts.items()) + "\n"
        write_text(self.path, f"{self._first}{_line(self.replies)}")

    def add(self, replies: Replies) -> None:
        """One clip's. Where a server failed it is asked another time. Raises ValueError as `open_file`."""
        replies = {id: reply for id, reply in replies.items() if reply.failure is None}
        with self.open_file() as stream:  # should another job begin just now, this is written to the file that was ours
            stream.seek(0, os.SEEK_END)
            stream.write(_line(replies))

    @contextlib.contextmanager
    def open_file(self) -> Iterator[IO[str]]:
        """The file while it is this job's. Raises ValueError when another one has begun to ask since, whether it is through or not."""
        with contextlib.ExitStack() as stack:
            stream: IO[str] = io.StringIO()  # of a file that is gone: the other is through
            with contextlib.suppress(FileNotFoundError):
                stream = stack.enter_context(open(self.path, "r+", encoding="utf-8", newline="\n"))
            if stream.readline() != self._first:
                raise ValueError(
                    f"{self._predictions}: another evaluation of it has begun since, and the file is that one's: this one ends"
                )
            yield stream

    def remove(self) -> None:
        """The predictions are whole."""
        with contextlib.suppress(ValueError), self.open_file():
            self.path.unlink(missing_ok=True)


def _whole_lines(lines: Sequence[str]) -> Replies:
    replies: Replies = {}
    for line in lines:
        try:
            replies |= {id: Reply(**reply) for id, reply in json.loads(line).items()}
        except (json.JSONDecodeError, TypeError, AttributeError):  # the line that a kill cut in half
            break
    return replies


def _line(replies: Replies) -> str:
    return json.dumps({id: asdict(reply) for id, reply in replies.items()}) + "\n"
