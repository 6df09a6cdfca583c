"""GPU memory of a training run, estimated: what decides between speed and memory before anything is allocated.

Rounded up: an estimate that is too low ends a run, one that is too high makes it a fifth slower. The constants for
activations are of the compiled layers; docs/performance.md has measured peaks beside these estimates.
"""

from dataclasses import dataclass
from typing import Any

STATE = 16  # bytes a weight, sharded: float32 weight, gradient and AdamW's two moments
COPY = 2  # bytes a weight: the bfloat16 copy that passes compute with
GRADIENTS = 4  # bytes a weight: gradients that add up over passes before they are exchanged
FRAMEWORK = 3 * 2**30  # CUDA's context, cuBLAS's and Triton's work space, fragmentation
SHARE = 0.92  # of the memory, to stay away from its end


@dataclass(frozen=True)
class Plan:
    """How a run uses memory."""

    checkpointing: bool  # activations are computed twice
    gather_always: bool  # weights are gathered for each use
    bytes: float  # the estimate

    def __str__(self) -> str:
        on = "on" if self.checkpointing else "off"
        how = "gathered for each use" if self.gather_always else "kept through a step"
        return f"gradient checkpointing {on}, copies of the weights {how}: about {self.bytes / 2**30:.0f} GiB a GPU"


def estimate(
    arch: dict[str, Any], *, ranks: int, tokens: int, patches: int, checkpointing: bool, gather_always: bool, width: int = 2
) -> float:
    """Bytes on each of `ranks` GPUs for passes of at most `tokens` tokens of the language model and `patches` patches of the
    vision tower. `arch` is preflight.architecture's; `width`: bytes of a number in the passes (2: bfloat16)."""
    weights = arch["weights"] + arch["vision_weights"] + arch["head"]
    layer = max(arch["weights"] / arch["layers"], arch["head"])
    state = STATE * weights / ranks
    held = (width if width < 4 else 0) + GRADIENTS  # float32 passes need no other copy on one GPU
    copies = held * (2 * layer if gather_always else weights)
    inner, vision_inner = arch["inner"], arch["vision_inner"]
    # Kept for the backward pass, numbers a token and layer: the layer's input, q, k, v before and after the rotation, what
    # attention gave, the residual stream, both norms' results; gate, up and their product.
    text = 8 * arch["width"] + 3 * inner
    vision = 10 * arch["vision_width"] + 2 * vision_inner
    if checkpointing:
        kept = tokens * (arch["layers"] * arch["width"] + text) + patches * (arch["vision_layers"] * arch["vision_width"] + vision)
    else:
        kept = tokens * arch["layers"] * text + patches * arch["vision_layers"] * vision
    return state + copies + width * kept + FRAMEWORK


def choose(arch: dict[str, Any], memory: float, wanted: str, *, ranks: int, tokens: int, patches: int, width: int = 2) -> Plan:
    """The fastest way that fits `memory` bytes; `wanted` (auto, on, off) overrides the choice of checkpointing. When
    nothing fits it is the smallest: the estimate may be wrong, and CUDA's own error says what is missing."""
    options = {"on": [True], "off": [False], "auto": [False, True]}[wanted]
    plans = [
        Plan(checkpointing, always, estimate(
            arch, ranks=ranks, tokens=tokens, patches=patches, checkpointing=checkpointing, gather_always=always, width=width
        ))
        for always in ((False, True) if ranks > 1 else (False,))
        for checkpointing in options
    ]  # fmt: skip
    return next((plan for plan in plans if plan.bytes <= SHARE * memory), plans[-1])
