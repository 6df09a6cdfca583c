"""How a model is trained on the GPUs that there are: whole where that fits, else by LoRA. Reckoned as the trainer does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from roadtrain.model import flops
from roadtrain.train import memory

# What is reckoned with where no video was looked at: 8 frames at the largest default size (4 pairs of 768 tokens) and 16 questions
# of 80 tokens in one sequence.
TOKENS, PATCHES = 4 * 768 + 16 * 80, 4 * 4 * 768
RANK, TARGETS = 16, ("language",)


@dataclass(frozen=True)
class Fit:
    """`way`: everything is trained, adapters are, or neither fits."""

    way: Literal["full", "lora", "none"]
    gib: float  # a GPU, of the way; of "none": what LoRA would take

    def __str__(self) -> str:
        words = {"full": "everything is trained", "lora": "LoRA is trained", "none": "even LoRA doesn't fit"}
        return f"{words[self.way]}, about {self.gib:.0f} GiB a GPU"


def fit_model(arch: flops.Architecture, gpus: int, gib: float, tokens: int = TOKENS, patches: int = PATCHES) -> Fit:
    """The fuller way that fits so many GPUs of `gib` GiB each."""
    plans: dict[Literal["full", "lora"], float] = {}
    adapters = flops.adapter_weights(arch, RANK, TARGETS)
    ways: Sequence[tuple[Literal["full", "lora"], memory.Learning]] = (
        ("full", memory.Learning.of(arch)),
        ("lora", memory.Learning.of(arch, ("vision", "projector", "embeddings"), adapters, cached=True)),
    )
    sizes: dict[str, Any] = {"ranks": gpus, "tokens": tokens, "patches": patches}
    for way, learning in ways:
        plan = memory.choose(arch, gib * 2**30, "auto", learning=learning, **sizes)
        plans[way] = plan.bytes / 2**30
        if plans[way] <= memory.SHARE * gib:
            return Fit(way, plans[way])
    return Fit("none", plans["lora"])
