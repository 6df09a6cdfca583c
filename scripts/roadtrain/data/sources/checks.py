"""What every source checks alike: keys, times, and options that say the same."""

import math
import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any

from roadtrain.data.sources.base import Malformed, describe_value

# A key that no format has, but whose name says that it should mean something here: a window of the video.
_WINDOW = {"start", "end", "begin", "stop", "timestamp", "timestamps", "window", "segment", "interval", "span"}
_WINDOW_ALONE = {"time", "times", "clip", "from", "to"}
_CHOICES = {"choices", "candidates", "option"}
_PLAIN_KEYS = {"videoid", "imageid"}  # near a known key, and in many data sets
# Keys that may say which split a record is of, and how the splits are called.
_SPLIT_KEYS = {"split", "subset", "partition", "set", "fold"}
_TRAIN = {"train", "training", "trn"}
_NO_TRAIN = {"val", "valid", "validation", "dev", "test", "testing", "eval", "evaluation"}
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?|\.[0-9]+")
MOST_SECONDS = 1e6  # eleven days: a date in seconds is no place in a video


def unread_keys(value: Mapping[str, Any], names: Collection[str], file: str, path: str) -> tuple[str, ...]:
    """The keys of an object that nobody reads; the audit counts them. Raises Malformed for one that is near a known key
    (`vidoe_start`, `Options`) or names a window or options (`start`, `choices`): what it says would be lost."""
    unread = tuple(key for key in value if key not in names)
    for key in unread:
        plain = re.sub(r"[^0-9a-z]+", "", key.casefold())
        words = set(re.split(r"[^0-9a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", key).lower()))
        if plain in _PLAIN_KEYS or key.startswith("_"):
            continue
        near = next((name for name in sorted(names) if is_near(plain, name.replace("_", ""))), None)
        if near is not None:
            raise Malformed(file, f"{path}.{key}", f"unknown key; is {near!r} meant?")
        if words & _WINDOW or plain in _WINDOW_ALONE or words & _CHOICES:
            allowed = ", ".join(sorted(names))
            raise Malformed(file, f"{path}.{key}", f"unknown key that would change what is asked; known: {allowed}")
    return unread


def check_split(value: Any, split: str, file: str, path: str) -> None:
    """Raises Malformed for a record that says that it is kept from training and stands in the file that is trained on, or the other
    way round: nobody reads that key, and the question would be on the wrong side."""
    for key, field in value.items() if isinstance(value, dict) else ():
        if isinstance(field, str) and key.strip().casefold() in _SPLIT_KEYS:
            word = field.strip().casefold()
            if word in (_NO_TRAIN if split == "train" else _TRAIN):
                remedy = "put it into a file of its own (data.files), or take the key out"
                raise Malformed(file, f"{path}.{key}", f"says {field!r}, and stands in data.files.{split}: {remedy}")


def is_near(key: str, name: str) -> bool:
    """Equal, or one letter more, less, other or exchanged (two in a key of eight letters and more)."""
    return key == name or len(name) > 3 and _edits(key, name) <= (2 if len(name) > 7 else 1)


def _edits(a: str, b: str) -> int:
    """Insertions, deletions, replacements and exchanges of neighbours that make b of a; 3 when there are more."""
    if abs(len(a) - len(b)) > 2:
        return 3
    before, row = list(range(len(b) + 1)), list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        two_before, before, row = before, row, [i]
        for j, y in enumerate(b, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, two_before[j - 2] + 1)
            row.append(cost)
    return min(row[-1], 3)


def read_seconds(value: Any, file: str, path: str) -> float:
    """A time in a video: a number, or a text that is one. Raises Malformed; `1_0`, `true` and dates in seconds are none."""
    seconds = math.nan
    is_text = isinstance(value, str) and _NUMBER.fullmatch(value.strip(" "))
    if is_text or isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    if not 0 <= seconds <= MOST_SECONDS:
        raise Malformed(
            file, path, f"expected seconds, 0 or more and at most {MOST_SECONDS:,.0f}, found {describe_value(value)}"
        )
    return seconds


def read_window(
    value: Mapping[str, Any], keys: tuple[str, str], file: str, path: str
) -> tuple[float | None, float | None]:
    """(start, end) of a window, each None where it isn't said. Raises Malformed for one that has no length: an end at 0, or
    not after the start."""
    times: list[float | None] = []
    for key in keys:
        field = value.get(key)
        if isinstance(field, str) and field.count(",") == 1:
            point = field.strip().replace(",", ".")
            raise Malformed(file, f"{path}.{key}", f"expected seconds, found {field!r}; write {point}")
        times.append(None if field in (None, "") else read_seconds(field, file, f"{path}.{key}"))
    start, end = times
    if end is not None and end <= (start or 0):
        problem = f"expected {keys[1]} after {keys[0]}, found {start or 0:g} to {end:g}"
        raise Malformed(file, path, f"{problem}; without {keys[1]} the video is asked about to its end")
    return start, end


def read_name(value: Mapping[str, Any], key: str, file: str, path: str) -> str:
    """An optional name in one line, or a number, without blanks around it; "" where there is none. Raises Malformed."""
    field = value.get(key)
    name = "" if field is None else str(field).strip()
    if not isinstance(field, str | int | None) or isinstance(field, bool) or not name.isprintable():
        raise Malformed(
            file, f"{path}.{key}", f"expected a name or a number, in one line, found {describe_value(field)}"
        )
    return name


def plain_words(words: str) -> str:
    """Text without what makes no difference to an answer: case, width, blanks and a full stop at the end."""
    plain = " ".join(unicodedata.normalize("NFKC", words).casefold().split())
    return plain.rstrip(" .。") or plain


def check_options(options: Mapping[str, str], file: str, path: str) -> None:
    """Raises Malformed for two options that say the same (`plain_words`): an answer would mean both."""
    before: dict[str, str] = {}
    for letter, words in options.items():
        plain = plain_words(words)
        if (other := before.setdefault(plain, letter)) != letter:
            raise Malformed(
                file,
                path,
                f"the options {other} ({describe_value(options[other])}) and {letter} ({describe_value(words)})"
                " say the same",
            )
