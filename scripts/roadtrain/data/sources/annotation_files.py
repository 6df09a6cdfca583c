"""Annotation files as they are opened: regular files of UTF-8, and JSON that says one thing (roadtrain.data.strict_json)."""

import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from roadtrain.data.sources.base import Malformed, describe_value
from roadtrain.data.sources.checks import is_near
from roadtrain.data.strict_json import DECODER, MAX_DEPTH, check_tree, check_value

LARGEST = 1 << 26  # bytes of a file that is read whole, or of one record; the largest known ones have a hundredth
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def regular_file(file: str) -> int:
    """The size of a file, links followed. Raises Malformed when it is something else, which could be read for ever;
    FileNotFoundError when there is none."""
    status = os.stat(file)
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise Malformed(file, "", f"expected a file, found {kind}")
    return status.st_size


def decoded(data: bytes, file: str, path: str = "") -> str:
    """UTF-8 text, a mark at its beginning left away. Raises Malformed."""
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        form = "UTF-16" if data.startswith(_UTF16) else f"byte {error.start}: {error.reason}"
        raise Malformed(file, path, f"not UTF-8 text ({form}); save it as UTF-8") from None


def load_json(file: str) -> Any:
    """A JSON file. Raises Malformed naming the place in it; FileNotFoundError when there is none."""
    try:
        if regular_file(file) > LARGEST:
            raise Malformed(file, "", f"larger than {LARGEST >> 20} MB, more than one file of annotations holds")
        text = decoded(_read(file), file)
    except FileNotFoundError:
        raise
    except OSError as error:  # a link to itself, a folder that is a file, no right to read
        raise Malformed(file, "", f"can't be read: {error.strerror}") from None
    return read_value(text, file, "")


def stand_in(file: str) -> Malformed | None:
    """What is there in the place of an annotation file that isn't, and will have been meant as it: a link to nothing, a file
    or a folder of nearly its name. None: nothing is, the scenario simply has none."""
    folder, name = os.path.split(file)
    if os.path.islink(file):
        return Malformed(file, "", f"a link to {os.readlink(file)!r}, which isn't there")
    if os.path.isdir(folder):
        names = sorted(n for n in os.listdir(folder) if n.lower().endswith(".json") and not n.startswith("."))
        return (
            Malformed(f"{folder}/{names[0]}", "", f"expected a file called {name} here; rename it") if names else None
        )
    parent, view = os.path.split(folder)
    names = sorted(os.listdir(parent)) if os.path.isdir(parent) else []
    near = [n for n in names if n != view and is_near(n.lower(), view)]
    return Malformed(f"{parent}/{near[0]}", "", f"expected a folder called {view} here; rename it") if near else None


def _read(file: str) -> bytes:
    """All of a file. Half the time of open() for the small files that a tree of annotations is made of."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        parts = [os.read(descriptor, 1 << 15)]
        while len(parts[-1]) == 1 << 15:
            parts.append(os.read(descriptor, 1 << 15))
        return b"".join(parts)
    finally:
        os.close(descriptor)


def read_value(text: str, file: str, path: str) -> Any:
    """The value of a JSON text that stands at `path` of a file. Raises Malformed: the place in it, and what is wrong."""
    try:
        value = DECODER.decode(text.strip(" \t\r\n"))
        check_tree(value, text)
    except json.JSONDecodeError as error:
        if not text.strip():
            raise Malformed(file, path, "the file is empty") from None
        place = f"column {error.colno}" if path else f"line {error.lineno}, column {error.colno}"
        raise Malformed(file, path, f"not valid JSON: {error.msg}: {place}") from None
    except RecursionError:
        raise Malformed(file, path, f"not valid JSON: nested over {MAX_DEPTH} levels") from None
    except ValueError as error:
        try:
            problem, _ = fault(text.strip(" \t\r\n"), file, path, str(error))
        except (json.JSONDecodeError, RecursionError):  # a key that is there twice, before an end that isn't there
            problem = Malformed(file, path, f"not valid JSON: {error}")
        raise problem from None
    return value


class _Literal(str):
    """A number or a constant as it is written."""


class _Pairs(list[tuple[str, Any]]):
    """An object with every key that it has, in order."""


_AS_WRITTEN = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_Literal, parse_float=_Literal, parse_constant=_Literal
)


def fault(text: str, file: str, path: str, complaint: str) -> tuple[Malformed, int]:
    """(where in a text's first JSON value something is wrong, the value's end). Slow: only for what was refused.
    Raises what JSONDecoder.raw_decode raises when the value has no end."""
    value, end = _AS_WRITTEN.raw_decode(text)
    for place, problem in _faults(value, path):
        return Malformed(file, place, problem), end
    return Malformed(file, path, complaint), end


def _faults(root: Any, path: str) -> Iterator[tuple[str, str]]:
    """(path, problem) of each thing that DECODER and check_value refuse, in the file's order."""
    root_path = path or ("" if type(root) is list else "$")
    waiting = [(root_path, root, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            yield root_path, f"not valid JSON: nested over {MAX_DEPTH} levels"
        elif isinstance(value, _Pairs):
            before: dict[str, Any] = {}
            for key, item in value:
                if key in before:
                    words = f"as {_shown(before[key])} and as {_shown(item)}"
                    yield f"{path}.{key}", f"the key is there twice, {words}; write it once"
                before[key] = item
                yield from ((path, problem) for problem in _problems(key))
            waiting += [(f"{path}.{key}", item, depth + 1) for key, item in reversed(value)]
        elif isinstance(value, list):
            waiting += [(f"{path}[{n}]", item, depth + 1) for n, item in reversed(list(enumerate(value)))]
        else:
            yield from ((path, problem) for problem in _problems(value))


def _problems(value: Any) -> Iterator[str]:
    try:
        if isinstance(value, _Literal):
            DECODER.decode(value)
        else:
            check_value(value)
    except ValueError as error:
        yield str(error)


def _shown(value: Any) -> str:
    if isinstance(value, _Pairs):
        return "an object"
    return value[:60] if isinstance(value, _Literal) else describe_value(value)
