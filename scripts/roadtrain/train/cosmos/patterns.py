"""What cosmos-rl freezes: it takes regular expressions and says nothing when one matches no weight."""

import re
import tomllib
from collections.abc import Callable, Collection
from pathlib import Path

from roadtrain.cli import UserError


def check_freeze_patterns(toml: Path, names: Callable[[], Collection[str]]) -> None:
    """Look the TOML's policy.freeze_pattern up in the base's weights, whose `names` are asked for when there are
    patterns. Raises UserError naming one that matches none of them or isn't a regular expression, and when together they
    leave nothing to train."""
    patterns = tomllib.loads(toml.read_text(encoding="utf-8"))["policy"].get("freeze_pattern") or []
    if not patterns:
        return
    weights, frozen = set(names()), set[str]()
    for pattern in patterns:
        try:
            matches = {name for name in weights if re.search(pattern, name)}
        except re.error as error:
            raise UserError(f"{toml}: policy.freeze_pattern: {pattern!r}: not a regular expression: {error}") from None
        if not matches:
            raise UserError(f"{toml}: policy.freeze_pattern: {pattern!r}: matches no weight of the base (train.freeze)")
        frozen |= matches
    if frozen == weights:
        raise UserError(f"{toml}: policy.freeze_pattern: {patterns}: nothing is left to train (train.freeze)")
