"""The recipe's published numbers (published.json, with their source), matched to a run's vision settings.

They are about the recipe's data. Who shows them asks a run's results for them (results/reader.py), which have none for other
data.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TypedDict

from roadtrain.files import read_json
from roadtrain.spec.resolved import VisionSettings

RECIPE = "recipe"  # what rows with nothing but its numbers are called


class PublishedSplit(TypedDict):
    """A split of the recipe's data."""

    videos: int
    questions: str  # as the page says it: "5.6k"
    mean_seconds: float | None
    resolution: str | None


class PublishedVideo(TypedDict):
    """The video of the page's token arithmetic."""

    seconds: int
    sampled_seconds: int
    width: int
    height: int


class PublishedSetting(TypedDict):
    """A vision setting that the recipe published numbers of."""

    name: str
    vision: VisionSettings
    vision_tokens: int
    frames: int
    frame_size: str
    accuracy: dict[str, str]  # checkpoint -> percent, as the page says it: "> 92"
    epochs: int
    training_time: str
    training_seconds: int
    gpus: int
    gpu: str


class Published(TypedDict):
    """The whole of published.json."""

    source: str
    url: str
    data: dict[str, PublishedSplit]
    video: PublishedVideo
    settings: list[PublishedSetting]


@cache
def published() -> Published:
    """Read once."""
    numbers: Published = read_json(Path(__file__).with_name("published.json"))
    return numbers


def published_setting(vision: VisionSettings) -> PublishedSetting | None:
    """The published setting that is exactly this one, or None: a number is only compared with its own setting."""
    return next((setting for setting in published()["settings"] if setting["vision"] == vision), None)


def published_only(visions: Sequence[VisionSettings]) -> list[PublishedSetting]:
    """Published settings that none of these is."""
    return [setting for setting in published()["settings"] if setting["vision"] not in visions]
