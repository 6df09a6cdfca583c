"""The recipe's published numbers (published.json, with their source), matched to a run's vision settings."""

from functools import cache
from pathlib import Path
from typing import Any

from roadtrain.files import read_json


@cache
def published() -> dict[str, Any]:
    return read_json(Path(__file__).with_name("published.json"))


def published_setting(vision: dict[str, Any]) -> dict[str, Any] | None:
    """The published setting that is exactly this one, or None: a number is only compared with its own setting."""
    return next((setting for setting in published()["settings"] if setting["vision"] == vision), None)


def not_run(visions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Published settings that none of these is."""
    return [setting for setting in published()["settings"] if setting["vision"] not in visions]
