"""Turn what pydantic says into one line a mistake, in the spec's own keys."""

import difflib
import re
import types
import typing
from collections.abc import Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

WRITTEN_NUMBER = re.compile(r"[-+]?[0-9][-+0-9_.:eE]*")
LONGEST = 200  # characters of a key or a value in a message
MOST_LINES = 20
TEXTS = {  # what a pattern means, by how it begins: nobody reads a regular expression with a mistake in mind
    "^[A-Za-z0-9][A-Za-z0-9_.-]*$": "A-Z, a-z, 0-9, and after the first of them also _ . -",
    r"^[^\x00-\x1f\x7f]*[^\x00-\x20": "one line of text that isn't blank",
}


KINDS = {  # pydantic's names of mistakes: what is wanted, in words of a YAML file and not of Python
    "a whole number": ("int_type", "int_parsing", "int_from_float"),
    "a number": ("float_type", "float_parsing"),
    "true or false": ("bool_type", "bool_parsing"),
    "text": ("string_type",),
    "a list, as [a, b]": ("list_type", "tuple_type"),
    "a section of keys, as {key: value}": ("dict_type", "model_type", "model_attributes_type"),
}
WANTED = {kind: words for words, kinds in KINDS.items() for kind in kinds}


class SpecError(ValueError):
    """The spec is wrong. str(error) has one line a mistake: file: key: value: what is allowed."""


def mistakes(error: ValidationError, model: type[BaseModel], where: Sequence[str] = ()) -> list[str]:
    """One line a mistake: key, value, what is allowed. `model` is what was checked, `where` the keys above it."""
    lines: dict[str, list[str]] = {}  # a value that fits no member of a union is one mistake
    for problem in error.errors(include_url=False):
        subject, allowed = _parts(problem, model, where)
        lines.setdefault(subject, []).append(allowed)
    return [f"{subject}{_either(list(dict.fromkeys(allowed)))}" for subject, allowed in lines.items()]


def at_most(lines: Sequence[str]) -> list[str]:
    """The first of many lines, and how many more there are: a mistake in `train` is one in each of a thousand ablations."""
    rest = len(lines) - MOST_LINES
    return [*lines[:MOST_LINES], *([f"and {rest} more mistakes"] if rest > 0 else [])]


def one_line(value: object) -> str:
    """A text from outside in a message: no line break, no escape sequence, no end of the page. Any other value: its repr."""
    try:
        text = str(value)
        text = text if text.isprintable() else repr(text)[1:-1]
    except (ValueError, RecursionError):  # an integer of 5,000 digits, a list that holds itself
        text = f"({type(value).__name__} that can't be written)"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}.. ({len(text):,} characters)"


def _value(value: object) -> str:
    """A value in a message, texts in quotes; a number may have come as text (yaml_text.py), as it was written."""
    if isinstance(value, str) and WRITTEN_NUMBER.fullmatch(value):
        return one_line(value)
    return f"{one_line(value)!r}" if isinstance(value, str) and value.isprintable() else one_line(_Repr(value))


class _Repr:
    """str() of it is the repr() of a value."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __str__(self) -> str:
        return repr(self.value)


def _either(allowed: list[str]) -> str:
    """`should be a whole number` and `should be 'all'`: one or the other."""
    first, *others = allowed
    return " or ".join([first, *(words.removeprefix("should be ") for words in others)])


def _parts(problem: ErrorDetails, model: type[BaseModel], where: Sequence[str]) -> tuple[str, str]:
    """(key and value, what is allowed)."""
    keys, section = _keys(problem["loc"], model)
    key, value, kind = ".".join([*where, *map(one_line, keys)]), problem["input"], problem["type"]
    subject = f"{key}: {_value(value)}: "
    if kind == "extra_forbidden":
        return f"{key}: ", f"unknown key{_suggestion(keys[-1], section)}"
    if kind == "missing":
        return f"{key}: ", "is missing and has no default"
    if value is None:
        return f"{key}: ", "is empty: give a value, or leave the key out"
    allowed = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "value_error":
        if key == "":  # of the whole spec: the message begins with the keys that it is about
            return "", allowed
        return (f"{key}: " if isinstance(value, dict | BaseModel) else subject), allowed
    if kind == "string_pattern_mismatch":
        pattern = problem["ctx"]["pattern"]
        words = next((words for start, words in TEXTS.items() if pattern.startswith(start)), pattern)
        return subject, f"characters allowed: {words}"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return subject, "should be text: put it in quotes"
    return subject, f"should be {WANTED.get(kind, allowed)}"


def _keys(loc: Sequence[int | str], model: type[BaseModel]) -> tuple[list[str], type[BaseModel] | None]:
    """A location of pydantic's without what isn't a key of the spec (members of unions, `[key]`), and the section that the
    last key belongs to. The types along the way say which part is what: a user's key may look like either."""
    keys: list[str] = []
    section: type[BaseModel] | None = None
    here: Any = model
    parts = list(loc)
    while parts:
        here = _plain(here)
        members = _members(here)
        if len(members) > 1:  # pydantic names the member
            parts.pop(0)
            here = None
            continue
        here = members[0]
        part = parts.pop(0)
        keys.append(str(part))
        section = here if _is_model(here) else None
        if section is not None:
            field = section.model_fields.get(str(part))
            here = field.annotation if field else None
        elif get_origin(here) is dict:
            here = get_args(here)[1]
            if parts == ["[key]"]:
                parts.clear()
        else:
            here = get_args(here)[0] if get_origin(here) is list else None
    return keys, section


def _plain(annotation: Any) -> Any:
    """Without Annotated."""
    while get_origin(annotation) is typing.Annotated:
        annotation = get_args(annotation)[0]
    return annotation


def _members(annotation: Any) -> list[Any]:
    """Of a union, None left out; of any other type, itself."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return [annotation]
    return [_plain(part) for part in get_args(annotation) if part is not type(None)]


def _suggestion(key: str, section: type[BaseModel] | None) -> str:
    """The known keys of the section, or the nearest when one is near."""
    fields = list(section.model_fields) if section else []
    near = difflib.get_close_matches(key[:LONGEST], fields, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(fields)}"


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
