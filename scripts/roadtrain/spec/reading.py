"""Check a whole spec that was read from YAML."""

from typing import Any

from pydantic import ValidationError

from roadtrain.spec.mistakes import SpecError, mistakes
from roadtrain.spec.spec import Spec
from roadtrain.spec.train import Train


def read_spec(values: Any, source: str) -> Spec:
    """The spec, with every default filled in. `source` is the file's name for messages. Raises SpecError."""
    if not isinstance(values, dict):
        raise SpecError(f"{source}: the spec must be a mapping of sections, not {type(values).__name__}")
    try:
        lines = _mistakes_of_overrides(values)
        if not lines:
            return Spec.model_validate(values)
    except ValidationError as error:
        lines = mistakes(error, Spec)
    raise SpecError("\n".join(f"{source}: {line}" for line in lines))


def _mistakes_of_overrides(values: dict[str, Any]) -> list[str]:
    """An override is checked as part of the whole `train`, so that a bad one is named where it was written: the
    mistakes of the first ablation that has some."""
    base, ablations = values.get("train") or {}, values.get("ablations")
    if not isinstance(base, dict) or not isinstance(ablations, dict) or not _is_right(base):
        return []  # said once, by the check of the whole spec
    for name, ablation in ablations.items():
        override = ablation.get("train") if isinstance(ablation, dict) else None
        if not isinstance(override, dict) or not override:
            continue
        try:
            Train.model_validate(base | override)
        except ValidationError as error:
            return mistakes(error, Train, ("ablations", str(name), "train"))
    return []


def _is_right(train: dict[str, Any]) -> bool:
    try:
        Train.model_validate(train)
    except ValidationError:
        return False
    return True
