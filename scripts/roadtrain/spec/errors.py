"""Turn what pydantic says into one line a mistake, in the spec's own keys."""

import difflib
from typing import Any

from pydantic import ValidationError

from roadtrain.spec.spec import Spec
from roadtrain.spec.train import Train


class SpecError(ValueError):
    """The spec is wrong. str(error) has one line a mistake: file: key: value: what is allowed."""


def parse(values: Any, source: str) -> Spec:
    """Check a spec that was read from YAML. `source` is the file's name for messages. Raises SpecError."""
    if not isinstance(values, dict):
        raise SpecError(f"{source}: the spec must be a mapping of sections, not {type(values).__name__}")
    try:
        for name, override in _ablations(values).items():
            _check_override(values, name, override)
        return Spec.model_validate(values)
    except ValidationError as error:
        lines = dict.fromkeys(f"{source}: {_line(problem)}" for problem in error.errors())
        raise SpecError("\n".join(lines)) from None
    except _BadOverride as error:
        raise SpecError("\n".join(f"{source}: {line}" for line in error.args)) from None


class _BadOverride(Exception):
    pass


def _ablations(values: dict) -> dict:
    ablations = values.get("ablations")
    return ablations if isinstance(ablations, dict) else {}


def _check_override(values: dict, name: str, override: Any) -> None:
    """An override is checked as part of the whole `train`, so that a bad one is named where it was written."""
    own = override.get("train") if isinstance(override, dict) else None
    base = values.get("train")
    if not isinstance(own, dict) or not own or not isinstance(base, dict | None):
        return
    try:
        Train.model_validate(base or {})
    except ValidationError:
        return  # `train` itself is wrong: said once, there
    try:
        Train.model_validate((base or {}) | own)
    except ValidationError as error:
        where = ("ablations", name, "train")
        raise _BadOverride(*dict.fromkeys(_line(p | {"loc": where + p["loc"]}) for p in error.errors())) from None


def _line(problem: dict) -> str:
    # A union's members appear in the location as class names: they are not keys of the spec.
    loc = [str(part) for part in problem["loc"] if not _is_union_member(part)]
    key, value, kind = ".".join(loc), problem["input"], problem["type"]
    if kind == "extra_forbidden":
        return f"{key}: unknown key{_suggestion(loc)}"
    if kind == "missing":
        return f"{key}: is missing and has no default"
    allowed = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if kind == "string_pattern_mismatch":
        allowed = f"characters allowed: {problem['ctx']['pattern']}"
    if kind == "value_error":
        return f"{key}: {allowed}" if isinstance(value, dict) or key == "" else f"{key}: {value!r}: {allowed}"
    return (
        f"{key}: {value!r}: should be {allowed}"
        if not allowed.startswith("characters")
        else f"{key}: {value!r}: {allowed}"
    )


def _is_union_member(part: Any) -> bool:
    return isinstance(part, str) and (part in ("int", "float", "str") or "[" in part)


def _suggestion(loc: list[str]) -> str:
    """The known keys of the section, and the nearest when one is near."""
    model: Any = Spec
    for part in loc[:-1]:
        model = _section(model, part)
        if model is None:
            return ""
    fields = list(getattr(model, "model_fields", {}))
    near = difflib.get_close_matches(loc[-1], fields, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(fields)}"


def _section(model: Any, part: str) -> Any:
    from typing import get_args

    if isinstance(model, tuple):  # the value type of `ablations`
        return model[0]
    field = getattr(model, "model_fields", {}).get(part)
    if field is None:
        return None
    if part == "train" and model is not Spec:
        return Train
    for kind in (field.annotation, *get_args(field.annotation)):
        if hasattr(kind, "model_fields"):
            return (kind,) if part == "ablations" else kind
    return None
