"""Muon where torch's own step is slow: for weights that lie in shards on several ranks, and on CPUs without bfloat16.

torch multiplies shards where they lie (DTensor), which sends each matrix in every iteration: 6 to 36 bytes a weight and step, by its
shape and the number of ranks. Here a rank gathers the matrix's update in bfloat16, in which Muon multiplies, and orthogonalizes it by
itself: 2 bytes a weight, and the arithmetic of one rank. At 2B the products that every rank repeats are 4.5e13 operations a step, 75 ms
at 600 TFLOP/s.

torch rounds to bfloat16 for the products' speed alone. A CPU without instructions for it (model/bfloat16_products.py) is faster in
float32 from end to end.
"""

import math
from typing import Any

import torch

from roadtrain.model.bfloat16_products import slow_in_bfloat16
from roadtrain.train.distributed import full_tensor, shard_like


class GatheredMuon(torch.optim.Muon):
    """As torch.optim.Muon with `adjust_lr_fn="match_rms_adamw"`, with the same state."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update every matrix; all ranks have to call this."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)

    def _update(self, weight: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient, memory_format=torch.preserve_format)
        momentum = state["momentum_buffer"].lerp_(gradient, 1 - group["momentum"])
        direction = gradient.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum
        whole = full_tensor(direction.bfloat16())
        change = orthogonalized(whole.float() if slow_in_bfloat16(weight.device) else whole, group)
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(shard_like(change, weight), alpha=-group["lr"])


def orthogonalized(direction: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
    """A whole matrix [rows, columns] after Muon's Newton-Schulz iterations in its own dtype, at the root mean square of an AdamW
    step of the rate 1; in float32. Jordan et al., 2024; the scale is Liu et al.'s, 2025."""
    a, b, c = group["ns_coefficients"]
    high = direction.size(0) > direction.size(1)
    matrix = direction.mT if high else direction
    matrix = matrix / matrix.norm().clamp(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = matrix @ matrix.mT
        matrix = torch.addmm(matrix, torch.addmm(gram, gram, gram, beta=b, alpha=c), matrix, beta=a)
    return (matrix.mT if high else matrix).float() * (0.2 * math.sqrt(max(direction.shape)))
