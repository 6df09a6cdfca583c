"""GPU memory of a training run, estimated: what decides between speed and memory before anything is allocated.

docs/performance.md has measured peaks beside the estimates.
"""

import contextlib
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from roadtrain.cli import UserError
from roadtrain.model.flops import Architecture
from roadtrain.model.parts import tower_is_frozen

# Of weights that are trained; a frozen one takes the bytes of a number in the passes, on each GPU.
STATE = 12  # bytes a weight, sharded: float32 weight and AdamW's two moments
MOMENT = 4  # bytes of a moment; Muon has one of them
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
    shard_frozen: bool = False  # frozen weights lie in shards, too: each GPU has too little room for all of them

    def __str__(self) -> str:
        copies = "gathered for each use" if self.gather_always else "kept through a step"
        frozen = ", frozen ones in shards" if self.shard_frozen else ""
        return f"gradient checkpointing of {self.checkpointed:.0%} of the layers, copies of the weights {copies}{frozen}: about {self.bytes / 2**30:.0f} GiB a GPU"

    def apply(self, model: Any) -> None:
        """Turn gradient checkpointing on in the first layers of both towers; not in a frozen vision tower, which keeps
        no activations."""
        if not self.checkpointed:
            return
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        visual = model.model.visual
        shares = {visual.blocks: 0.0 if tower_is_frozen(visual) else self.checkpointed}
        shares[model.model.language_model.layers] = self.checkpointed
        for layers, share in shares.items():
            for layer in layers[math.ceil(share * len(layers)) :]:
                layer.gradient_checkpointing = False


@dataclass(frozen=True)
class Learning:
    """Which weights learn, as far as memory is concerned."""

    weights: float  # trained: all that have a gradient
    frozen: float  # the others
    tower: bool = True  # the vision tower keeps activations
    encodes: bool = True  # it runs in a pass; False: its outputs are read
    frozen_master: float = (
        0  # bytes of a frozen weight beside those of the passes, sharded: cosmos-rl keeps them in float32
    )
    muon: float = 0  # of the trained: those that Muon takes

    @classmethod
    def of(
        cls,
        arch: Architecture,
        freeze: Collection[str] = (),
        adapters: float = 0,
        cached: bool = False,
        optimizer: str = "AdamW",
    ) -> "Learning":
        """`freeze`: parts of the model. `adapters`: weights of a LoRA, which freezes all the others. `optimizer`: the spec's;
        Muon takes the linear layers of both towers' blocks (optimizer.py)."""
        parts = {"vision": arch.vision, "projector": arch.projector, "language": arch.weights, "embeddings": arch.head}
        weights = adapters or sum(count for part, count in parts.items() if part not in freeze)
        frozen = arch.parameters if adapters else arch.parameters - weights
        blocks = {"vision": arch.vision_blocks, "language": arch.weights}
        muon = sum(count for part, count in blocks.items() if part not in freeze) if optimizer == "Muon" else 0
        return cls(weights, frozen, "vision" not in freeze, not cached, muon=muon)


def estimate(
    arch: Architecture,
    *,
    ranks: int,
    tokens: int,
    patches: int,
    checkpointed: float,
    gather_always: bool,
    width: int = 2,
    learning: Learning | None = None,
    shard_frozen: bool = False,
) -> float:
    """Bytes on each of `ranks` GPUs for passes of at most `tokens` tokens of the language model and `patches` patches of the
    vision tower. `width`: bytes of a number in the passes (2: bfloat16). `learning`: what is trained (everything)."""
    learning = learning or Learning.of(arch)
    layer = max(arch.weights / arch.layers, arch.largest)
    copy = width if width < 4 else 0  # float32 passes need no other copy
    copies = (copy + ACCUMULATED) * (min(2 * layer, learning.weights) if gather_always else learning.weights)
    base = width * (learning.frozen / ranks + 2 * layer if shard_frozen else learning.frozen)
    base += learning.frozen_master * learning.frozen / ranks
    # Kept for the backward pass, numbers a token (or patch) and layer, of the compiled layers (compiled.BUDGET). A decoder
    # layer: its input, q, k and v, what attention gave, the residual stream; gate and up. A vision block: the same with one
    # inner tensor, q, k and v being as wide as it.
    text = 6.7 * arch.width + 2 * arch.inner
    vision = 8.2 * arch.vision_width + arch.vision_inner
    # A checkpointed layer keeps its input, and the rest of one layer at a time.
    recomputed = 1 if checkpointed else 0  # layers
    numbers = tokens * (arch.layers * (checkpointed * arch.width + (1 - checkpointed) * text) + recomputed * text)
    if learning.tower:
        numbers += patches * (
            arch.vision_layers * (checkpointed * arch.vision_width + (1 - checkpointed) * vision) + recomputed * vision
        )
    elif learning.encodes:
        numbers += patches * vision  # a block at a time
    activations, gradients = width * numbers, GRADIENT * learning.weights / ranks
    # Copies that stay are exchanged after a step's last pass, when activations are gone; the others after every pass.
    peak = activations + gradients if gather_always else max(activations, gradients)
    state = STATE * learning.weights - MOMENT * learning.muon
    return state / ranks + base + copies + peak + FRAMEWORK


def choose(
    arch: Architecture,
    memory: float,
    checkpointing: str,
    *,
    ranks: int,
    tokens: int,
    patches: int,
    width: int = 2,
    learning: Learning | None = None,
) -> MemoryPlan:
    """The fastest way that fits `memory` bytes; `checkpointing` (auto, on, off) overrides the choice of it. When
    nothing fits it is the smallest: the estimate may be wrong, and CUDA's own error says what is missing."""
    shares = {"on": [1.0], "off": [0.0], "auto": [eighths / 8 for eighths in range(9)]}[checkpointing]
    sizes: dict[str, Any] = {"ranks": ranks, "tokens": tokens, "patches": patches, "width": width, "learning": learning}
    ways: list[dict[str, Any]] = [{"gather_always": False}]
    if ranks > 1:
        ways.append({"gather_always": True})
        if learning and learning.frozen:
            ways.append({"gather_always": True, "shard_frozen": True})
    plans = [
        MemoryPlan(share, bytes=estimate(arch, checkpointed=share, **sizes, **way), **way)
        for way in ways
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
