"""Compile the layers of both towers: norms, rotations and activations fuse, and flex_attention becomes a kernel.

Layer by layer, not the model: all layers of a tower share one compiled function, and FSDP2's and checkpointing's hooks
stay outside of it. The first length is compiled as it is, the second for any length.
"""

import os
import shutil
from typing import Any


def impossible() -> str | None:
    """Why nothing can be compiled here, or None."""
    import torch

    if not torch.cuda.is_available():
        return "no GPU"
    if torch.cuda.get_device_capability() < (8, 0):
        return f"{torch.cuda.get_device_name()} is older than Ampere"
    try:
        import triton  # noqa: F401
    except ImportError:
        return "triton is not installed"
    if not shutil.which(os.environ.get("CC", "cc")) and not shutil.which("gcc"):
        return "triton needs a C compiler, and there is none"
    return None


def compile_layers(model: Any) -> None:
    """Call it before FSDP2 shards the layers."""
    import torch

    # Fused rotations and norms are worth more than the seconds that a second search for them costs.
    for layer in [*model.model.visual.blocks, *model.model.language_model.layers]:
        layer.forward = torch.compile(layer.forward)
