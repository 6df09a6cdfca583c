"""spec.json: the spec with every default filled in, and each ablation with its overrides applied.

What the run's programs read of it stands here with its types; every key there is, is a field of the models beside this
module.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict, cast

from roadtrain.files import read_json

if TYPE_CHECKING:  # the models take longer to import than reading the file takes
    from roadtrain.spec.spec import Spec

VisionSettings = dict[str, int | float]  # what is set, as the keys of a qwen-vl-utils video element


class DataSettings(TypedDict):
    system_prompt: str
    tasks: list[str]
    captions: NotRequired[str]  # not in a spec.json of 0.2


class LoraSettingsJson(TypedDict):
    rank: int
    targets: list[str]
    merge: bool


class TrainSettings(TypedDict):
    engine: str
    sequences: str
    epochs: int
    gpus: int
    model_max_length: int
    seed: int
    share: NotRequired[float]  # not in a spec.json of 0.2
    freeze: NotRequired[list[str]]  # not in a spec.json of 0.2
    lora: NotRequired[LoraSettingsJson | None]


class EvaluateSettings(TypedDict):
    text_only: bool
    shards: NotRequired[int]  # not in a spec.json of 0.2


class QuantizeSettings(TypedDict):
    precisions: list[str]


class FramesSettings(TypedDict):
    reader: Literal["pyav", "decord"]


class SpecSettings(TypedDict):
    data: DataSettings
    frames: NotRequired[FramesSettings]  # not in a spec.json of 0.2
    evaluate: EvaluateSettings
    quantize: QuantizeSettings


class AblationSettings(TypedDict):
    """One ablation, every override applied."""

    model: str
    vision: VisionSettings
    train: TrainSettings
    vision_name: str  # of the folder of its frames
    spec_hash: str  # of all that decides its accuracy
    repeat_of: NotRequired[str]  # the ablation as it is written, where `repeat` has seeds


class ResolvedSpec(TypedDict):
    run: str
    spec: SpecSettings
    ablations: dict[str, AblationSettings]


def resolve(spec: "Spec") -> ResolvedSpec:
    """The JSON of spec.json."""
    ablations = {}
    for name, (written, seed) in spec.trained().items():
        ablation = spec.ablation(name)
        ablations[name] = ablation.model_dump(mode="json") | {
            "vision": ablation.vision.settings(),
            "vision_name": ablation.vision.name,
            "spec_hash": spec.hash(name),
            **({} if seed is None else {"repeat_of": written}),
        }
    whole = spec.model_dump(mode="json", exclude={"card", "cluster", *spec.unsaid()})  # these decide no result
    return cast(ResolvedSpec, {"run": spec.run, "spec": whole, "ablations": ablations})


def read_resolved(path: str | Path) -> ResolvedSpec:
    """Raises ValueError when the file isn't the spec.json of a run."""
    value = read_json(path)
    if not isinstance(value, dict) or not {"run", "spec", "ablations"} <= value.keys():
        raise ValueError(f"{path}: not a resolved spec; make it with scripts/write_spec.py")
    return cast(ResolvedSpec, value)
