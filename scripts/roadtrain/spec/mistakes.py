"""Turn what pydantic says into one line a mistake, in the spec's own keys."""

import difflib
from collections.abc import Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


class SpecError(ValueError):
    """The spec is wrong. str(error) has one line a mistake: file: key: value: what is allowed."""


def mistakes(error: ValidationError, model: type[BaseModel], where: Sequence[str] = ()) -> list[str]:
    """One line a mistake: key, value, what is allowed. `model` is what was checked, `where` the keys above it."""
    return list(dict.fromkeys(_line(problem, model, where) for problem in error.errors()))


def _line(problem: ErrorDetails, model: type[BaseModel], where: Sequence[str]) -> str:
    # A union's members appear in the location as class names: they are not keys of the spec.
    keys = [str(part) for part in problem["loc"] if not _is_union_member(part)]
    key, value, kind = ".".join([*where, *keys]), problem["input"], problem["type"]
    if kind == "extra_forbidden":
        return f"{key}: unknown key{_suggestion(keys, model)}"
    if kind == "missing":
        return f"{key}: is missing and has no default"
    allowed = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "value_error":
        return f"{key}: {allowed}" if isinstance(value, dict) or key == "" else f"{key}: {value!r}: {allowed}"
    if kind == "string_pattern_mismatch":
        return f"{key}: {value!r}: characters allowed: {problem['ctx']['pattern']}"
    return f"{key}: {value!r}: should be {allowed}"


def _is_union_member(part: int | str) -> bool:
    return isinstance(part, str) and (part in ("int", "float", "str") or "[" in part)


def _suggestion(keys: list[str], model: type[BaseModel]) -> str:
    """The known keys of the section, and the nearest when one is near. `keys`: from `model` to the unknown one."""
    section: type[BaseModel] | None = model
    above = iter(keys[:-1])
    for key in above:
        field = section.model_fields.get(key) if section else None
        if field is None:
            return ""
        section = next((part for part in (field.annotation, *get_args(field.annotation)) if _is_model(part)), None)
        if get_origin(field.annotation) is dict:
            next(above, None)  # a name
    fields = list(section.model_fields) if section else []
    near = difflib.get_close_matches(keys[-1], fields, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(fields)}"


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
