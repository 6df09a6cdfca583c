"""The spec: one typed file, checked before any job starts.

    spec = parse(yaml.safe_load(text), "config.yaml")     # SpecError with one line a mistake
    spec.ablation("nframes8").train.learning_rate          # overrides already applied
"""

from roadtrain.spec.errors import SpecError, parse
from roadtrain.spec.spec import Ablation, Spec

__all__ = ["Ablation", "Spec", "SpecError", "parse"]
