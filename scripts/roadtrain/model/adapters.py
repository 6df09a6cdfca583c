"""Adapters on disk, in PEFT's format: what PEFT, transformers, vLLM and NIM load.

adapter_config.json          rank, alpha, targets, and the base model's name
adapter_model.safetensors    base_model.model.<layer>.lora_A.weight and lora_B.weight, float32
base.json                    which base it was trained on: its name and the hash of its files
"""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from roadtrain.cli import UserError
from roadtrain.files import read_json, write_json
from roadtrain.model.checkpoints import checkpoint_hash
from roadtrain.model.hub import name_and_revision
from roadtrain.model.parts import part_of

CONFIG, WEIGHTS, BASE = "adapter_config.json", "adapter_model.safetensors", "base.json"
PREFIX = "base_model.model."  # of PEFT's wrappers


class BaseNote(TypedDict):
    """base.json."""

    model: str  # as the spec names it
    sha256: str


def is_adapter(path: str | Path) -> bool:
    """Whether a directory is an adapter, not a whole checkpoint."""
    return (Path(path) / CONFIG).exists() and not (Path(path) / "config.json").exists()


def base_of(path: str | Path) -> str:
    """The base model of an adapter, as the spec names it."""
    note: BaseNote = read_json(Path(path) / BASE)
    return note["model"]


def adapter_rank(path: str | Path) -> int:
    """Its rank."""
    rank: int = read_json(Path(path) / CONFIG)["r"]
    return rank


def vllm_rank(rank: int) -> int:
    """The least --max-lora-rank that serves a LoRA of this rank. Raises UserError when there is none."""
    for most in (8, 16, 32, 64, 128, 256, 320, 512):  # vllm.config.lora.MaxLoRARanks
        if rank <= most:
            return most
    raise UserError(f"train.lora.rank: {rank}: vLLM takes adapters of rank 512 at most; merge: true takes any")


def check_language_only(path: str | Path) -> None:
    """Raises ValueError when an adapter has layers outside of the language model, which vLLM, and NIM with it, would leave
    out; when it is of another kind than LoRA alone; and when its weights are damaged."""
    from safetensors import SafetensorError, safe_open

    checked_config(path)
    try:
        with safe_open(Path(path) / WEIGHTS, framework="np") as tensors:
            names = tensors.keys()
            others = sorted(name for name in names if part_of(name) != "language")
    except SafetensorError as error:
        raise ValueError(f"{Path(path) / WEIGHTS}: not a whole safetensors file: {error}") from None
    if others:
        raise ValueError(
            f"{path}: {others[0].removeprefix(PREFIX)}: vLLM applies adapters to the language model only:"
            " train.lora.merge: true makes a checkpoint that it takes whole"
        )


def checked_base(path: str | Path) -> Path:
    """The directory of an adapter's base. Raises ValueError when it isn't the one that the adapter was trained on."""
    from roadtrain.model.loading import locate

    note: BaseNote = read_json(Path(path) / BASE)
    base = locate(note["model"])
    if checkpoint_hash(base) != note["sha256"]:
        raise ValueError(
            f"{path}: was trained on another {note['model']} than the one here: train again, or fetch that"
        )
    return base


def write_adapter(directory: Path, weights: Mapping[str, Any], settings: Any, base: BaseNote) -> None:
    """`weights`: {<layer>.lora_A: tensor, <layer>.lora_B: ..}; `settings`: a LoraSettings."""
    from safetensors.torch import save_file

    layers = {name.rpartition(".")[0] for name in weights}
    name, revision = name_and_revision(base["model"])
    config = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": name,
        **({"revision": revision} if revision else {}),
        "r": settings.rank,
        "lora_alpha": settings.alpha,
        "lora_dropout": settings.dropout,
        "use_rslora": settings.rslora,
        "target_modules": layer_pattern(layers),
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "inference_mode": True,
        "modules_to_save": None,
    }
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {f"{PREFIX}{name}.weight": tensor.contiguous() for name, tensor in weights.items()}
    save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})
    write_json(directory / CONFIG, config)
    write_json(directory / BASE, base)


# Keys of PEFT's configuration that change what an adapter computes, and what they are here.
PLAIN: dict[str, tuple[Any, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "fan_in_fan_out": (False,),
    "use_dora": (False,),
    "modules_to_save": (None, []),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "layer_replication": (None,),
    "trainable_token_indices": (None,),
    "alora_invocation_tokens": (None,),
    "use_qalora": (False,),
    "lora_bias": (False,),
    "init_lora_weights": (True, False, "gaussian"),  # others change the base
}


_NUMBERS: dict[str, Any] = {"r": int, "lora_alpha": (int, float), "lora_dropout": (int, float)}


def checked_config(path: str | Path) -> dict[str, Any]:
    """PEFT's configuration of an adapter. Raises ValueError naming a key that is missing or is no such value, or one of a kind that
    neither is computed here nor by vLLM as it was trained."""
    file = Path(path) / CONFIG
    config: dict[str, Any] = read_json(file)
    if not isinstance(config, dict):
        raise ValueError(f"{file}: expected an object, found {type(config).__name__}")
    for key in (*_NUMBERS, "use_rslora"):
        if key not in config:
            raise ValueError(f"{file}: {key} is missing")
    for key, kind in _NUMBERS.items():
        number = config[key]
        is_number = isinstance(number, kind) and not isinstance(number, bool) and math.isfinite(number)
        if not is_number or number < (1 if key == "r" else 0):
            raise ValueError(f"{file}: {key}: {number!r} is no such number")
    if not isinstance(config["use_rslora"], bool):
        raise ValueError(f"{file}: use_rslora: {config['use_rslora']!r}: true or false")
    for key, plain in PLAIN.items():
        if key in config and config[key] not in plain:
            raise ValueError(f"{file}: {key}: {config[key]}: such an adapter isn't computed here: merge it with PEFT")
    return config


def layer_pattern(layers: Iterable[str]) -> str:
    """A regular expression that matches these names of layers whole, and no others of the model: numbers are any number."""
    kinds = sorted({re.sub(r"\\\.\d+\\\.", r"\\.\\d+\\.", re.escape(name)) for name in layers})
    return "|".join(kinds)


def load_adapter(model: Any, path: str | Path) -> None:
    """Put an adapter of this format into a loaded base. Raises ValueError when its weights are damaged, aren't those of its
    layers, or belong to another kind of adapter than what is computed here."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from roadtrain.model.lora import LoraLinear, LoraSettings, adapted_layers, add_adapters, target_of

    config = checked_config(path)
    try:
        tensors = load_file(Path(path) / WEIGHTS)
    except SafetensorError as error:
        raise ValueError(f"{Path(path) / WEIGHTS}: not a whole safetensors file: {error}") from None
    names = {key.removeprefix(PREFIX).removesuffix(".weight"): tensor for key, tensor in tensors.items()}
    targets = {target_of(name.rpartition(".")[0]) for name in names}
    if None in targets:
        raise ValueError(f"{path}: has adapters of other layers than the model's linear ones")
    kinds = tuple(sorted(target for target in targets if target))
    add_adapters(
        model, LoraSettings(config["r"], config["lora_alpha"], config["lora_dropout"], kinds, config["use_rslora"])
    )
    layers: dict[str, LoraLinear] = dict(adapted_layers(model))
    expected = {f"{name}.{matrix}" for name in layers for matrix in ("lora_A", "lora_B")}
    if odd := sorted(expected ^ names.keys()):
        raise ValueError(f"{Path(path) / WEIGHTS}: {odd[0]}: in the model or in the adapter only")
    with torch.no_grad():
        for name, tensor in names.items():
            layer, matrix = name.rsplit(".", 1)
            place = getattr(layers[layer], matrix)
            if tensor.shape != place.shape:  # copy_ would repeat a row
                raise ValueError(
                    f"{Path(path) / WEIGHTS}: {name}: is {list(tensor.shape)}, and should be {list(place.shape)}"
                )
            place.copy_(tensor)
