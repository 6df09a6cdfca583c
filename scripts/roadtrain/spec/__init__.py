"""The spec: one typed file, checked before any job starts.

spec = parse(yaml.safe_load(text), "config.yaml")     # SpecError with one line a mistake
spec.ablation("nframes8").train.learning_rate          # overrides already applied
"""

from importlib import import_module
from typing import Any

# Loaded when asked for: converting reads one section, and the models of all of them take longer than its work.
_FROM = {"SpecError": "errors", "parse": "errors", "Ablation": "spec", "Spec": "spec"}
__all__ = ["Ablation", "Spec", "SpecError", "parse"]


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FROM[name]}"), name)
