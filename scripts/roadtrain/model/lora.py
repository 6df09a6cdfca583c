"""Low-rank adapters (LoRA; Hu et al., 2021) in the linear layers of a Qwen3-VL.

A layer keeps its weight under its name, frozen, and gets two more: lora_A [R, in] and lora_B [out, R]. It computes
W x + scale * B A x; merged, its weight is W + scale * B A. The adapter's weights are float32 masters, as all weights that
are trained; a pass computes with copies in its own type. On disk it is PEFT's format (adapters.py).

This is PEFT's LoRA without PEFT's wrappers: the weights' names stay those of the checkpoint, so that export, state, FSDP2,
compiled layers and the parts of the model need to know nothing of it, and the adapter isn't computed in float32 where the
passes are bfloat16. R is the rank.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F

from roadtrain.model.parts import part_of


@dataclass(frozen=True)
class LoraSettings:
    """Of one adapter. The targets are those of the spec: `language`, or `language.q_proj`."""

    rank: int
    alpha: float
    dropout: float = 0.0
    targets: tuple[str, ...] = ("language",)
    rslora: bool = False

    @property
    def scale(self) -> float:
        """What B A is multiplied by."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)


class LoraLinear(torch.nn.Linear):
    """A linear layer with an adapter; made of one that is there, by `add_adapters`."""

    lora_A: torch.nn.Parameter  # float32 [R, in]
    lora_B: torch.nn.Parameter  # float32 [out, R]
    scale: float
    dropout: float

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[.., in] -> [.., out]."""
        inputs = F.dropout(x, self.dropout, self.training) if self.dropout else x
        low_rank = F.linear(inputs, self.lora_A.to(x.dtype))
        return F.linear(x, self.weight, self.bias) + self.scale * F.linear(low_rank, self.lora_B.to(x.dtype))


def merged_weight(weight: torch.Tensor, lora_A: torch.Tensor, lora_B: torch.Tensor, scale: float) -> torch.Tensor:
    """W + scale * B A in float32 or wider, rounded once to the type of W."""
    wide = torch.promote_types(weight.dtype, torch.float32)
    return (weight.to(wide) + scale * (lora_B.to(wide) @ lora_A.to(wide))).to(weight.dtype)


def target_of(name: str) -> str | None:
    """The target of the spec that a linear layer of this name belongs to: `language.q_proj`. None: it can have no adapter."""
    part, kind = part_of(name), name.rpartition(".")[2]
    if part == "embeddings" or (part == "vision" and ".blocks." not in name):
        return None
    return f"{part}.{kind}"


def target_layers(model: Any, targets: Iterable[str]) -> dict[str, torch.nn.Linear]:
    """{name: linear layer} of the targets. Raises ValueError for a target that the model has no layer of."""
    layers: dict[str, torch.nn.Linear] = {}
    of_target: dict[str, int] = dict.fromkeys(targets, 0)
    for name, module in model.named_modules():
        if not isinstance(module, torch.nn.Linear) or (kind := target_of(name)) is None:
            continue
        for target in (kind, kind.split(".")[0]):
            if target in of_target:
                of_target[target] += 1
                layers[name] = module
    for target, count in of_target.items():
        if not count:
            raise ValueError(f"train.lora.targets: {target}: {type(model).__name__} has no such linear layer")
    return layers


def add_adapters(model: Any, settings: LoraSettings, seed: int = 0) -> None:
    """Freeze the model and give its targets an adapter that adds nothing yet: A is drawn as torch draws a linear layer's
    weight, B is 0. The same seed gives the same A. Raises ValueError for a target that matches nothing."""
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for layer in target_layers(model, settings.targets).values():
        wide = torch.promote_types(layer.weight.dtype, torch.float32)  # float64 in tests
        bound = 1 / math.sqrt(layer.in_features)  # kaiming_uniform_ with a = sqrt(5), as PEFT's
        a = torch.empty(settings.rank, layer.in_features, dtype=wide).uniform_(-bound, bound, generator=generator)
        b = torch.zeros(layer.out_features, settings.rank, dtype=wide)
        layer.__class__ = LoraLinear
        adapted = cast(LoraLinear, layer)
        adapted.lora_A, adapted.lora_B = (torch.nn.Parameter(one.to(layer.weight.device)) for one in (a, b))
        adapted.scale, adapted.dropout = settings.scale, settings.dropout


def adapted_layers(model: Any) -> Iterator[tuple[str, LoraLinear]]:
    """(name, layer) of those that have an adapter."""
    return ((name, module) for name, module in model.named_modules() if isinstance(module, LoraLinear))


def merge_adapters(model: Any) -> None:
    """Add every adapter to its weight; plain linear layers remain."""
    for _, layer in list(adapted_layers(model)):
        layer.weight.data = merged_weight(layer.weight, layer.lora_A, layer.lora_B, layer.scale).detach()
        del layer.lora_A, layer.lora_B, layer.scale, layer.dropout
        cast(torch.nn.Linear, layer).__class__ = torch.nn.Linear
