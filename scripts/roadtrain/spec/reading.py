"""Check a whole spec: values as they are written (yaml_text.py), or typed, from JSON."""

from typing import Any

from pydantic import ValidationError

from roadtrain.spec.mistakes import SpecError, at_most, mistakes, one_line
from roadtrain.spec.spec import Spec
from roadtrain.spec.train import KEYS_OF_ENGINE, Train


def read_spec(values: Any, source: str) -> Spec:
    """The spec, with every default filled in. `source` is the file's name for messages. Raises SpecError."""
    if not isinstance(values, dict):
        raise SpecError(f"{source}: the spec must be a mapping of sections, not {type(values).__name__}")
    lines: list[str] = []
    try:
        values, lines = _with_overrides(values)
        if not lines:
            return Spec.model_validate(values)
    except ValidationError as error:
        lines = mistakes(error, Spec)
    raise SpecError("\n".join(f"{source}: {line}" for line in at_most(lines)))


def _with_overrides(values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """(the spec, overrides typed as the keys of `train` are; mistakes in overrides). An override is checked as part of the
    whole `train`, so that a bad one is named where it was written."""
    base, ablations = values.get("train", {}), values.get("ablations")
    if not isinstance(base, dict) or not isinstance(ablations, dict) or not _is_right(base):
        return values, []  # said by the check of the whole spec
    typed: dict[Any, Any] = dict(ablations)
    lines: list[str] = []
    for name, ablation in ablations.items():
        override = ablation.get("train") if isinstance(ablation, dict) else None
        if not isinstance(override, dict) or not override:
            continue
        try:
            train = Train.model_validate(base | override)
        except ValidationError as error:
            lines += mistakes(error, Train, ("ablations", one_line(name), "train"))
            continue
        lines += [f"ablations.{one_line(name)}.train.{words}" for words in _without_effect(train, override)]
        typed[name] = ablation | {"train": train.model_dump(mode="json", include=set(override))}
    return values | {"ablations": typed}, lines


def _without_effect(train: Train, override: dict[str, Any]) -> list[str]:
    """Overrides that the ablation's engine doesn't read: two equal runs would be compared."""
    others = frozenset[str]().union(*(keys for engine, keys in KEYS_OF_ENGINE.items() if engine != train.engine))
    return [f"{key}: engine: {train.engine} doesn't read it: nothing would change" for key in override if key in others]


def _is_right(train: dict[str, Any]) -> bool:
    try:
        Train.model_validate(train)
    except ValidationError:
        return False
    return True
