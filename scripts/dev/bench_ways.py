"""Ways to train that bench_train.py times, by their names: kind[/videos in a pass][/checkpointing].

stock        stock transformers, a question at a time
shared       everything is trained, the local engine's way; dense: with SDPA, nothing compiled
frozen       vision tower and projector frozen;  cached: and their outputs read, not computed
lora         LoRA of rank 16 on the language model's linear layers;  lora+cached: with vision features read
"""

from dataclasses import dataclass, replace
from typing import Any

import torch

from dev import bench_model
from roadtrain.model import lora, vision
from roadtrain.model.parts import freeze_parts, trainable
from roadtrain.model.sequences import TokenSequence, build
from roadtrain.train.execution import Execution
from roadtrain.train.memory import Learning

KINDS = ("stock", "shared", "dense", "frozen", "cached", "lora", "lora+cached")
WAYS = (
    *("stock/checkpointing", "stock", "shared", "shared/2", "shared/checkpointing", "dense"),
    *("frozen/4", "cached/4", "lora/4", "lora+cached/4"),
)
RANK = 16
FROZEN = ("vision", "projector")


@dataclass(frozen=True)
class Way:
    """One of them."""

    name: str
    kind: str
    videos: int = 1  # in a pass
    checkpointing: bool = False

    @classmethod
    def parse(cls, name: str) -> "Way":
        """Raises ValueError naming what is allowed."""
        kind, *words = name.split("/")
        way = cls(name, kind)
        for word in words:
            way = (
                replace(way, videos=int(word))
                if word.isdigit()
                else replace(way, checkpointing=word == "checkpointing")
            )
        wrong = [word for word in words if not (word.isdigit() and int(word)) and word != "checkpointing"]
        if kind not in KINDS or wrong:
            raise ValueError(f"{name}: should be of {', '.join(KINDS)}, with /videos or /checkpointing behind it")
        return way

    @property
    def adapters(self) -> bool:
        """Whether it trains a LoRA."""
        return self.kind.startswith("lora")

    @property
    def cached(self) -> bool:
        """Whether vision features are read."""
        return self.kind.endswith("cached")

    @property
    def times(self) -> tuple[int, int]:
        """How many times a forward pass's work the tower and the decoder do: forward, for the gradient of what comes in, for
        that of the weights."""
        tower = 0 if self.cached else 3 if self.kind in ("shared", "dense") else 1
        return tower, 2 if self.adapters else 3

    def model(self, size: str, device: torch.device, on_gpu: bool) -> Any:
        """A random model with what is trained marked; frozen weights never are float32 on a GPU."""
        whole = self.kind in ("shared", "dense") or not on_gpu
        model = bench_model.random_model(size, device, torch.float32 if whole else torch.bfloat16)
        if self.adapters:
            lora.add_adapters(model, lora.LoraSettings(RANK, 2.0 * RANK))
        elif self.kind in ("frozen", "cached"):
            freeze_parts(model, FROZEN)
        return model

    def learning(self, arch: Any, model: Any) -> Learning:
        """For the memory plan."""
        frozen = () if self.kind in ("shared", "dense") else FROZEN
        weights = sum(weight.numel() for weight in trainable(model).values()) if self.adapters else 0
        return Learning.of(arch, frozen, weights, self.cached)

    def sequence(self, model: Any, clips: list[Any], execution: Execution) -> TokenSequence:
        """A pass of these clips, with features in the place of pixels where they are read. Call it before layers are
        compiled and weights sharded."""
        execution.set_types(model)
        if self.cached:
            clips = [(_with_features(model.model.visual, prefix), segments) for prefix, segments in clips]
        return execution.prepare_sequence(build(clips, bench_model.VIDEO))


@torch.no_grad()
def _with_features(tower: Any, prefix: Any) -> Any:
    weight = tower.patch_embed.proj.weight
    grid = tuple(map(tuple, prefix.grid.tolist()))
    tokens, levels = vision.features(tower, prefix.pixels.to(weight.device, weight.dtype), grid)
    return replace(prefix, pixels=prefix.pixels[:0], features=tuple(part.cpu() for part in (tokens, *levels)))
