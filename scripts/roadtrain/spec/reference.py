"""The spec's reference page, generated from the typed models: docs/spec.md."""

import sys
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from roadtrain.files import markdown_table
from roadtrain.spec.spec import Override, Spec

INTRODUCTION = """# The spec, key by key

Made by `scripts/dev/make_reference.py` from `scripts/roadtrain/spec/`; a test keeps it current. Unknown keys are mistakes.
Check a spec without running anything: `python scripts/check_spec.py FILE`, or `snakemake -n --configfile FILE`. Both name what
the spec names and this machine doesn't have: annotations, folders, a model that is no model. (Snakemake reads the file first: where it
isn't YAML, or no file, `check_spec.py` has the clearer words.)

Values are read as they are written, and a key's type says what they mean. `on`, `010` and `2024-01-01` are names where a name is
wanted. Numbers are written `30`, `0.5`, `2e-5`; `010`, `1:30` and `1_000`, which YAML 1.1 reads as 8, 90 and 1000, are
refused. `on` and `true`, `off` and `false` mean the same. A key that is there twice is a mistake; tags (`!!..`) are, too. Aliases and
merge keys (`<<: *name`) are what YAML means by them. `~` at the beginning of a folder is your home. `--config key=value` is read the
same way: `--config 'train={epochs: 5}'`.
"""
HEAD = ("key", "what is allowed", "default", "meaning")


def reference_page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    grouped: dict[type[BaseModel], tuple[list[str], str]] = {}  # several sections may share a model
    for name, model, about in sections():
        grouped.setdefault(model, ([], about))[0].append(name)
    for model, (names, about) in grouped.items():
        parts.append(f"## {', '.join(names)}\n\n{about}\n")
        if rows := [_row(key, field) for key, field in model.model_fields.items() if not _section(field)]:
            parts.append(markdown_table(HEAD, rows, marks=(" --- ", " ---: ")))
    return "\n".join(parts).rstrip() + "\n"


def sections() -> Iterator[tuple[str, type[BaseModel], str]]:
    """(title, model, what it is for), the top level first, each section before those in it."""
    yield "The top level", Spec, "What a run is called and what is trained. The sections follow."
    yield from _below(Spec, "")


def _below(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, type[BaseModel], str]]:
    for key, field in model.model_fields.items():
        section = _section(field)
        if section is None:
            continue
        name = f"{prefix}{key}" + (".<name>" if section is Override else "")
        yield f"`{name}`", section, _about(section)
        yield from _below(section, f"{name}.")


def _section(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a section (or a mapping of names to sections), else None."""
    return next(
        (part for part in _parts(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)), None
    )


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        if not isinstance(part, (str, int, FieldInfo)):
            yield from _parts(part)


def _about(model: type[BaseModel]) -> str:
    """The class's own docstring, or its module's first line."""
    docstring = model.__doc__ if model.__doc__ and not model.__doc__.startswith("!!!") else None
    text = docstring or (sys.modules[model.__module__].__doc__ or "").partition(": ")[2]
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _row(key: str, field: FieldInfo) -> list[str]:
    allowed = _allowed(field.annotation, field.metadata)
    return [f"`{key}`", allowed, _default(field), _cell(field.description or "")]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "–"
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{_cell(str(value))}`" if value != {} else "`{}`"


def _allowed(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is typing.Annotated:
        return _allowed(args[0], [*args[1:], *metadata])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_allowed(part, metadata) for part in args if part is not type(None)))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in args)
    if origin is list:
        least = _limits([m for m in metadata if isinstance(m, MinLen | MaxLen)], "entries")
        return f"list of {_allowed(args[0])}{least}"
    if origin is dict:
        return "mapping of names to values"
    names = {int: "integer", float: "number", str: "text", bool: "`true`, `false`"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation))) + _limits(_flat(metadata), "")


def _flat(metadata: Iterable[Any]) -> Iterator[Any]:
    for part in metadata:
        yield from _flat(part.metadata) if isinstance(part, FieldInfo) else (part,)


def _limits(metadata: Any, what: str) -> str:
    """` from 1 to 65535`, ` above 0`, .. from a type's bounds."""
    words = []
    for limit in metadata:
        match limit:
            case Ge(ge=value):
                words.append(f"from {value:g}")
            case Gt(gt=value):
                words.append(f"above {value:g}")
            case Le(le=value):
                words.append(f"to {value:g}" if isinstance(value, float) else f"to {value:,}")
            case Lt(lt=value):
                words.append(f"below {value:g}")
            case MinLen(min_length=value) if what:
                words.append(f"at least {value}")
    return f" {' '.join(words)}" if words else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
