"""Sections and keys of the spec as options of programs: names, defaults and checks stand in the spec's models only.

add_section(parser, "evaluate", Evaluate)             --evaluate '{"max_new_tokens": 4}', or a JSON file
add_key(parser, Data, "on_bad_video")                 --on-bad-video fail
"""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from roadtrain.cli import UserError
from roadtrain.spec.mistakes import mistakes
from roadtrain.spec.section import Section
from roadtrain.spec.vision import Vision

S = TypeVar("S", bound=Section)


def add_section(parser: ArgumentParser, name: str, model: type[Section], *, required: bool = False) -> None:
    """An option --<name> whose value is a checked `model`. Without it, where it isn't required: every default."""
    parser.add_argument(
        f"--{name.replace('_', '-')}",
        type=section_reader(name, model),
        required=required,
        default=None if required else model(),
        metavar="JSON",
        help=f"the spec's section {name}: JSON, or a file of it"
        + ("" if required else "; keys that are left out have their defaults"),
    )


def section_reader(name: str, model: type[S]) -> Callable[[str], S]:
    """A function from JSON text, or a JSON file's path, to the checked section. Raises UserError in the spec's keys."""

    def read(text: str) -> S:
        source = f"--{name.replace('_', '-')}"
        if not text.lstrip().startswith("{"):
            source, text = text, Path(text).read_text(encoding="utf-8")
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise UserError(f"{source}: not JSON: {error}") from None
        return checked(name, model, values)

    return read


def checked(name: str, model: type[S], values: Any) -> S:
    """The section called `name` with these values. Raises UserError, one line a mistake, in the spec's own keys."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise UserError("\n".join(mistakes(error, model, (name,)))) from None


def add_key(parser: ArgumentParser, model: type[Section], key: str, *, default: Any = ..., **more: Any) -> None:
    """An option --<key> with the key's bounds and, unless another `default` is given, its default."""
    field = model.model_fields[key]
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else None
    kind = {"choices": choices} if choices else {"type": _value_reader(key, field)}
    usual = field.get_default(call_default_factory=True)
    default = usual if default is ... else default
    value = usual if default is None else default
    options = kind | {"help": f"{field.description} (default: {value})".replace("%", "%%")} | more
    parser.add_argument(f"--{key.replace('_', '-')}", default=default, **options)


def _value_reader(key: str, field: FieldInfo) -> Callable[[str], Any]:
    """A function from a word of the command line to a key's value. Raises UserError for one that the key doesn't take."""
    kind: Any = field.annotation

    def read(text: str) -> Any:
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated[(kind, *field.metadata)])  # here: few keys are typed
        try:
            return adapter.validate_python(kind(text) if kind in (int, float) else text)
        except ValueError as error:
            problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "not such a number"
            raise UserError(f"--{key.replace('_', '-')}: {text!r}: {problem}") from None

    return read


def vision_setting(text: str) -> dict[str, int | float]:
    """The setting in qwen-vl-utils' words. Raises ValueError naming the key that is wrong."""
    try:
        return Vision.model_validate(json.loads(text)).settings()
    except ValueError as error:
        mistakes = str(error)
        if isinstance(error, ValidationError):  # one line for all
            mistakes = "; ".join(
                ": ".join([*map(str, e["loc"]), e["msg"].removeprefix("Value error, ")]) for e in error.errors()
            )
        raise ValueError(f"--vision {text}: {mistakes}") from None
