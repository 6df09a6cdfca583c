"""JSON that says one thing: what Python's reader takes in silence, or what fails later, is refused here with a line.

A key that is there twice (the last one would win), NaN and Infinity (Python's, not JSON's), half of a surrogate pair (no
file can be written with it), an integer of over 40 digits or a number beyond a float, nesting over 100 levels.
"""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from roadtrain.files import repeated_key

MAX_DIGITS = 40
MAX_DEPTH = 100
_SURROGATE = re.compile("[\ud800-\udfff]")


def strict_json(text: str) -> Any:
    """The value of a JSON text; white space may surround it. Raises ValueError: one line that says what is wrong and, of
    faults of syntax, in which line and column of the text."""
    try:
        value = DECODER.decode(text.strip(" \t\r\n"))
    except json.JSONDecodeError as error:
        place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"not valid JSON: {error.msg}: {place}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    check_tree(value, text)
    return value


def read_rows(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) of every line of a JSON-lines file, a mark at its beginning left away. Only "\\n" ends a
    line: U+2028 may stand in a text.

    Raises ValueError naming the file and the line that isn't a JSON object, or says two things.
    """
    with open(path, "rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                value = strict_json(line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").decode())
            except UnicodeDecodeError as error:
                raise ValueError(f"{path}: line {number}: not UTF-8 text: {error.reason}") from None
            except ValueError as error:
                raise ValueError(f"{path}: line {number}: {error}") from None
            if not isinstance(value, dict):
                raise ValueError(f"{path}: line {number}: expected an object, found {type(value).__name__}")
            yield number, value


def check_tree(value: Any, text: str) -> None:
    """check_value, where the text could hold what it looks for. Most texts can't, and it takes as long as decoding."""
    if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH or _SURROGATE.search(text):
        check_value(value)


def check_value(value: Any, depth: int = 0) -> None:
    """What DECODER can't check on its way. Raises ValueError for half of a surrogate pair in any text or key, and for lists
    and objects that nest deeper than MAX_DEPTH."""
    if isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            raise ValueError(f"{_shown(value)} holds half of a surrogate pair, which is no character")
    elif isinstance(value, list | dict):
        if depth == MAX_DEPTH:
            raise ValueError(_TOO_DEEP)
        for item in value:
            check_value(item, depth + 1)
        if isinstance(value, dict):
            for item in value.values():
                check_value(item, depth + 1)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if (twice := repeated_key(pairs)) is not None:
        raise ValueError(f"key {_shown(twice)} is there twice; write it once")
    return dict(pairs)


def _integer(digits: str) -> int:
    if (count := len(digits.lstrip("-"))) > MAX_DIGITS:
        raise ValueError(f"a number of {count} digits; at most {MAX_DIGITS} are read")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {_shown(digits)} is too large")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; write null or a number")


def _shown(text: str) -> str:
    """Short, in one line, of characters that every file can hold."""
    short = ascii(text) if _SURROGATE.search(text) else repr(text)
    return short if len(short) <= 60 else short[:57] + "..."


_TOO_DEEP = f"nested over {MAX_DEPTH} levels"
# For a reader that finds the end of a value itself: check_value is its to call. Raises ValueError as strict_json does.
DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant)
