"""The run from cosmos-rl's own Config, which is our TOML with its defaults filled in."""

from typing import Any

from roadtrain.train.toml_config import TrainRun, parse_train_run


def run_of_config(config: Any) -> TrainRun:
    """What an engine needs of it."""
    return parse_train_run(config.model_dump(), "cosmos-rl's config")
