"""Products of bfloat16 on CPUs that have no instructions for them.

PyTorch multiplies bfloat16 matrices by oneDNN where the CPU has AVX-512 or Arm's BF16, and by a plain loop elsewhere. There each
factor is widened to float32 first, which is exact, multiplied, and the product rounded to bfloat16: what the instructions do,
too, but for the order of sums.
"""

import contextlib
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

_ATEN = torch.ops.aten
_ATTENTION = _ATEN._scaled_dot_product_flash_attention_for_cpu.default
_PRODUCTS = {
    _ATEN.mm.default,
    _ATEN.addmm.default,
    _ATEN.bmm.default,
    _ATEN.baddbmm.default,
    _ATEN.linear.default,
    _ATEN.matmul.default,
    _ATEN.convolution.default,
    _ATEN.convolution_backward.default,
    _ATTENTION,
    _ATEN._scaled_dot_product_flash_attention_for_cpu_backward.default,
}


def products_by_float32(device: torch.device | str) -> contextlib.AbstractContextManager[Any]:
    """Around whatever computes on `device`: changes nothing on a GPU, and nothing on a CPU that multiplies bfloat16 itself."""
    return _ByFloat32() if slow_in_bfloat16(device) else contextlib.nullcontext()


def slow_in_bfloat16(device: torch.device | str) -> bool:
    """Whether it is a CPU on which products of bfloat16 are PyTorch's plain loop."""
    return torch.device(device).type == "cpu" and not cpu_multiplies_bfloat16()


def cpu_multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions that PyTorch takes for products of bfloat16."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class _ByFloat32(TorchDispatchMode):
    """Sees every operation of PyTorch, those of the backward pass, too."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in _PRODUCTS or not any(isinstance(a, torch.Tensor) and a.dtype is torch.bfloat16 for a in args):
            return func(*args, **kwargs)
        args, kwargs = tree_map_only(torch.Tensor, _widen, (args, kwargs))
        product = func(*args, **kwargs)
        if func is _ATTENTION:  # and the log of its sums, which is float32 for bfloat16, too
            return product[0].bfloat16(), *product[1:]
        return tree_map_only(torch.Tensor, torch.Tensor.bfloat16, product)


def _widen(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.dtype is torch.bfloat16 else tensor
