"""Compile the layers of both towers: norms, rotations and activations fuse, and flex_attention becomes a kernel.

Layer by layer, not the model: all layers of a tower share one compiled function, and FSDP2's and checkpointing's hooks
stay outside of it. The decoder is compiled anew for every length, which sequences are padded for to few of (`bucket`):
flex_attention for any length takes half as long again. The vision tower is compiled for its first size, then for any.
"""

import os
import shutil
from collections.abc import Callable
from typing import Any


def impossible() -> str | None:
    """Why nothing can be compiled here, or None."""
    import torch

    if not torch.cuda.is_available():
        return "no GPU"
    if os.environ.get("TORCH_COMPILE_DISABLE", "0") != "0":  # PyTorch's own switch
        return "TORCH_COMPILE_DISABLE is set"
    if torch.cuda.get_device_capability() < (8, 0):
        return f"{torch.cuda.get_device_name()} is older than Ampere"
    try:
        import triton  # noqa: F401
    except ImportError:
        return "triton is not installed"
    if not shutil.which(os.environ.get("CC", "cc")) and not shutil.which("gcc"):
        return "triton needs a C compiler, and there is none"
    return None


# Of the activations that a layer would keep for its backward pass, PyTorch may keep this share and compute the rest again,
# cheapest first. At 0.9 these are results of norms and activation functions, a third of all bytes (52 of 72 KB a token of
# a 2B decoder layer, 25 of 37 KB a patch of a vision block), and they are computed inside of kernels that run anyway.
BUDGET = 0.9


def bucket(length: int) -> int:
    """The multiple that a sequence of so many tokens is padded to: 128, or a sixteenth of the power of two below it. At
    most 6 % are added, 3 % on average, and a data set has a handful of lengths."""
    return max(128, 2 ** (length.bit_length() - 1) // 16)


def compile_for_lengths(function: Callable) -> Callable:
    """Compiled anew for every length."""
    import torch

    torch._dynamo.config.recompile_limit = 128  # lengths; beyond them it would run uncompiled
    return torch.compile(function, dynamic=False)


def compile_layers(model: Any) -> None:
    """Call it before FSDP2 shards the layers."""
    import torch
    import torch._functorch.config

    torch._functorch.config.activation_memory_budget = BUDGET
    for block in model.model.visual.blocks:
        block.forward = torch.compile(block.forward)
    for layer in model.model.language_model.layers:
        layer.forward = compile_for_lengths(layer.forward)
