"""GPU memory of a training run, estimated: what decides between speed and memory before anything is allocated.

docs/performance.md has measured peaks beside the estimates.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from roadtrain.cli import UserError
from roadtrain.model.flops import Architecture

STATE = 12  # bytes a weight, sharded: float32 weight and AdamW's two moments
GRADIENT = 4  # bytes a weight, sharded: the exchanged gradient
ACCUMULATED = 4  # bytes a weight: gradients that add up over passes, before they are exchanged
FRAMEWORK = 2 * 2**30  # CUDA's context, cuBLAS's and Triton's work space, fragmentation
SHARE = 0.95  # of the memory, to stay away from its end


@dataclass(frozen=True)
class MemoryPlan:
    """How a run uses memory."""

    checkpointed: float  # share of the layers whose activations are computed twice: gradient checkpointing
    gather_always: bool  # weights are gathered for each use
    bytes: float  # the estimate

    def __str__(self) -> str:
        copies = "gathered for each use" if self.gather_always else "kept through a step"
        return f"gradient checkpointing of {self.checkpointed:.0%} of the layers, copies of the weights {copies}: about {self.bytes / 2**30:.0f} GiB a GPU"

    def apply(self, model: Any) -> None:
        """Turn gradient checkpointing on in the first layers of both towers."""
        if not self.checkpointed:
            return
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        for layers in (model.model.visual.blocks, model.model.language_model.layers):
            for layer in layers[math.ceil(self.checkpointed * len(layers)) :]:
                layer.gradient_checkpointing = False


def estimate(
    arch: Architecture,
    *,
    ranks: int,
    tokens: int,
    patches: int,
    checkpointed: float,
    gather_always: bool,
    width: int = 2,
) -> float:
    """Bytes on each of `ranks` GPUs for passes of at most `tokens` tokens of the language model and `patches` patches of the
    vision tower. `width`: bytes of a number in the passes (2: bfloat16)."""
    layer = max(arch.weights / arch.layers, arch.largest)
    copy = width if width < 4 else 0  # float32 passes need no other copy
    copies = (copy + ACCUMULATED) * (2 * layer if gather_always else arch.parameters)
    # Kept for the backward pass, numbers a token (or patch) and layer, of the compiled layers (compiled.BUDGET). A decoder
    # layer: its input, q, k and v, what attention gave, the residual stream; gate and up. A vision block: the same with one
    # inner tensor, q, k and v being as wide as it.
    text = 6.7 * arch.width + 2 * arch.inner
    vision = 8.2 * arch.vision_width + arch.vision_inner
    # A checkpointed layer keeps its input, and the rest of one layer at a time.
    recomputed = 1 if checkpointed else 0  # layers
    numbers = tokens * (arch.layers * (checkpointed * arch.width + (1 - checkpointed) * text) + recomputed * text)
    numbers += patches * (
        arch.vision_layers * (checkpointed * arch.vision_width + (1 - checkpointed) * vision) + recomputed * vision
    )
    activations, gradients = width * numbers, GRADIENT * arch.parameters / ranks
    # Copies that stay are exchanged after a step's last pass, when activations are gone; the others after every pass.
    peak = activations + gradients if gather_always else max(activations, gradients)
    return STATE * arch.parameters / ranks + copies + peak + FRAMEWORK


def choose(
    arch: Architecture, memory: float, checkpointing: str, *, ranks: int, tokens: int, patches: int, width: int = 2
) -> MemoryPlan:
    """The fastest way that fits `memory` bytes; `checkpointing` (auto, on, off) overrides the choice of it. When
    nothing fits it is the smallest: the estimate may be wrong, and CUDA's own error says what is missing."""
    shares = {"on": [1.0], "off": [0.0], "auto": [eighths / 8 for eighths in range(9)]}[checkpointing]
    plans = [
        MemoryPlan(
            share,
            always,
            estimate(
                arch, ranks=ranks, tokens=tokens, patches=patches, checkpointed=share, gather_always=always, width=width
            ),
        )
        for always in ((False, True) if ranks > 1 else (False,))
        for share in shares
    ]
    return next((plan for plan in plans if plan.bytes <= SHARE * memory), plans[-1])


@contextlib.contextmanager
def explain_out_of_memory() -> Iterator[None]:
    """A GPU's memory that didn't suffice is the user's to mend: says how."""
    try:
        yield
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":
            raise
        raise UserError(
            f"{str(error).splitlines()[0]} Set gradient_checkpointing: on (train in the spec), or mini_batch: 1, fewer pixels,"
            " questions_per_video, or more gpus; finished epochs are kept"
        ) from None
