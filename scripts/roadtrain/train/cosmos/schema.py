"""A run's TOML against cosmos-rl's own config model: every key known, every value one that it really takes.

cosmos-rl ignores unknown keys at every level, and its `choices` are documentation: `optm_decay_type = "banana"`
trains. So the model's fields are walked here, and then the whole goes through `Config.from_dict`. Needs only the
package's files (`pip install --no-deps cosmos-rl`), pydantic and toml: no torch, no GPU.
"""

import copy
import difflib
import importlib.util
import logging
import sys
import types
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, get_args, get_origin

from roadtrain.train.preflight.checks import Check, checked_as

VERSION = "0.4.7"  # what the entry script, the launcher and this check were written against
FREE = ("custom",)  # sections that belong to the entry script


def installed_version() -> str | None:
    """The version of cosmos-rl on this machine."""
    try:
        return version("cosmos-rl")
    except PackageNotFoundError:
        return None


def config_model() -> Any:
    """cosmos_rl.policy.config.Config. The package's own __init__ would import torch, NCCL and every model: an empty
    parent module stands in for it while the config is imported, and is taken away again.

    Raises ModuleNotFoundError when cosmos-rl isn't installed.
    """
    if "cosmos_rl" in sys.modules:
        from cosmos_rl.policy.config import Config

        return Config
    spec = importlib.util.find_spec("cosmos_rl")
    if spec is None:
        raise ModuleNotFoundError(f"cosmos-rl isn't installed: pip install --no-deps cosmos-rl=={VERSION} toml")
    parent = types.ModuleType("cosmos_rl")
    parent.__path__ = list(spec.submodule_search_locations or [])
    sys.modules["cosmos_rl"] = parent
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydantic: Field(choices=..) is deprecated
            from cosmos_rl.policy.config import Config

            return Config
    finally:
        for name in [n for n in sys.modules if n == "cosmos_rl" or n.startswith("cosmos_rl.")]:
            del sys.modules[name]


def reading_check(toml: dict[str, Any]) -> Check:
    """Every key looked up in the installed cosmos-rl, and the whole validated, as one of preflight's checks."""
    name, installed = "cosmos-rl-reads-it", installed_version()
    if installed != VERSION:
        problem = f"cosmos-rl {installed or 'is not installed'}: the keys can't be looked up"
        return Check(name, "problem", problem, f"pip install --no-deps cosmos-rl=={VERSION} toml")
    lines = toml_mistakes(toml)
    outcome = "; ".join(lines) or f"every key is known to cosmos-rl {installed}"
    return checked_as(name, not lines, outcome, "correct templates/sft.toml.j2")


def toml_mistakes(toml: dict[str, Any], model: Any = None) -> list[str]:
    """One line a mistake, `key: what is wrong`; empty when cosmos-rl will do what the TOML says."""
    model = model or config_model()
    if unread := list(_walk(toml, model, "")):
        return unread
    from pydantic import ValidationError

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # it remarks on sections that nobody asked for
    try:
        model.from_dict(copy.deepcopy(toml))  # it writes a time stamp into what it is given
    except ValidationError as error:
        return [_line(problem) for problem in error.errors()]
    except (AssertionError, ValueError, TypeError) as error:
        return [f"cosmos-rl refuses it: {error}"]
    finally:
        logging.disable(before)
    return []


def _line(problem: Mapping[str, Any]) -> str:
    where = ".".join(map(str, problem["loc"]))
    return (
        f"{where}: {problem['msg']}"
        if isinstance(problem["input"], dict)
        else f"{where}: {problem['input']!r}: {problem['msg']}"
    )


def _walk(value: dict[str, Any], model: Any, where: str) -> Iterator[str]:
    for key, item in value.items():
        name = f"{where}{key}"
        if name in FREE:
            continue
        field = model.model_fields.get(key)
        if field is None:
            near = difflib.get_close_matches(key, model.model_fields, n=1)
            yield f"{name}: cosmos-rl {installed_version()} has no such key" + (
                f"; did you mean {near[0]}?" if near else ""
            )
            continue
        choices = field.json_schema_extra.get("choices") if isinstance(field.json_schema_extra, dict) else None
        if choices and item not in choices and not isinstance(item, list):  # a list: one for each optimizer
            yield f"{name}: {item!r}: should be one of {', '.join(map(repr, choices))}"
        section = _section(field.annotation, item)
        if section is not None and isinstance(item, dict):
            yield from _walk(item, section, f"{name}.")


def _section(annotation: Any, value: Any) -> Any:
    """The config class behind a field, or None. Of a union the member whose `type` is the value's."""
    if hasattr(annotation, "model_fields"):
        return annotation
    if get_origin(annotation) is None:
        return None
    members = [a for a in get_args(annotation) if hasattr(a, "model_fields")]
    for member in members:
        kind = member.model_fields.get("type")
        if isinstance(value, dict) and kind is not None and value.get("type") in get_args(kind.annotation):
            return member
    return members[0] if members else None
