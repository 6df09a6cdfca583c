"""How a run computes on this machine: number type, attention, compiled layers, shards. The benchmark prepares its model
and its sequences here, too."""

import contextlib
from dataclasses import dataclass
from typing import Any

import torch

from roadtrain.model import attention, compiled
from roadtrain.model.bfloat16_products import products_by_float32
from roadtrain.model.forward import AnswerModel
from roadtrain.model.sequences import TokenSequence
from roadtrain.train.distributed import Ranks, shard_model
from roadtrain.train.memory import MemoryPlan


@dataclass(frozen=True)
class Execution:
    """One rank's way to compute passes."""

    ranks: Ranks
    dtype: str  # of the passes: float32 or bfloat16; trained weights are float32
    attention: str  # one of attention.NAMES

    @classmethod
    def fastest(cls, ranks: Ranks, dtype: str) -> "Execution":
        """What this machine does fastest."""
        if ranks.device.type != "cuda":
            return cls(ranks, dtype, "segments")
        return cls(ranks, dtype, "dense" if compiled.impossible() else "flex")

    @property
    def on_gpu(self) -> bool:
        """Whether this rank has a GPU."""
        return self.ranks.device.type == "cuda"

    @property
    def sharded(self) -> bool:
        """Whether FSDP2 holds the weights. One GPU that computes in float32 needs no copies of them, and a CPU neither."""
        return self.ranks.count > 1 or (self.on_gpu and self.dtype == "bfloat16")

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Around a forward pass: FSDP2 casts weights itself, all else is left to torch.autocast."""
        if self.dtype == "bfloat16" and not self.sharded:
            return torch.autocast(self.ranks.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def products(self) -> contextlib.AbstractContextManager[Any]:
        """Around a pass and its gradients, for CPUs that can't multiply bfloat16."""
        return products_by_float32(self.ranks.device) if self.dtype == "bfloat16" else contextlib.nullcontext()

    def prepare_model(self, qwen: Any, plan: MemoryPlan) -> AnswerModel:
        """A loaded model ready to be trained: changed in place, on its device, sharded and compiled as it must be."""
        self.set_types(qwen)
        attention.set_attention(qwen, self.attention)
        plan.apply(qwen)
        if self.attention == "flex":
            compiled.compile_layers(qwen)
        model = AnswerModel(qwen)
        if self.sharded:
            shard_model(model, self.ranks, self.dtype, plan.gather_always, plan.shard_frozen)
        else:
            model.to(self.ranks.device)
        return model

    def set_types(self, qwen: Any) -> None:
        """float32 for weights that are trained, the passes' type for frozen ones: they need no more."""
        frozen = torch.bfloat16 if self.sharded and self.dtype == "bfloat16" else torch.float32
        for weight in qwen.parameters():
            weight.data = weight.data.to(torch.float32 if weight.requires_grad else frozen)

    def prepare_sequence(self, sequence: TokenSequence) -> TokenSequence:
        """A sequence ready for the device: of one of few lengths where layers are compiled, in page-locked memory for a GPU."""
        if not self.on_gpu:
            return sequence
        if self.attention == "flex":
            sequence = sequence.padded(compiled.bucket(len(sequence.input_ids)))
        pixels = torch.bfloat16 if self.sharded and self.dtype == "bfloat16" else torch.float32
        return sequence.pinned(pixels)
