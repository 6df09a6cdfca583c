"""Muon for the matrices of the language model, AdamW for the rest.

Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/) replaces a matrix's momentum by the nearest
orthogonal matrix, found by five Newton-Schulz steps. Matrices of one shape are stacked: a tiny model has many, and
one kernel for each would cost more than the training step.

Not for the vision tower: it has no norm on queries and keys. With Muon its attention logits grew to a standard
deviation of 60 within 2,700 steps, its softmax saturated, and the model saw nothing but brightness.
"""

import torch
from torch import Tensor


def orthogonalise(x: Tensor, steps: int = 5) -> Tensor:
    """x: (n, rows, columns) -> matrices with singular values near 1, in bfloat16."""
    a, b, c = 3.4445, -4.7750, 2.0315  # the quintic of the reference implementation
    x = x.bfloat16()
    flip = x.shape[1] > x.shape[2]
    x = x.mT if flip else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x.mT if flip else x


class MuonAdamW:
    """Matrices of the decoder layers by Muon, everything else (vision, embeddings, norms) by AdamW.

    `step(scale)` applies one update with both learning rates multiplied by `scale`.
    """

    def __init__(
        self, model, muon_lr: float = 0.01, adamw_lr: float = 2e-3, momentum: float = 0.95, decay: float = 0.05
    ):
        groups: dict[tuple, list] = {}
        others = []
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and ".layers." in name:
                groups.setdefault(tuple(parameter.shape), []).append(parameter)
            else:
                others.append(parameter)
        self.groups = list(groups.values())
        self.momenta = [torch.zeros(len(g), *g[0].shape, device=g[0].device) for g in self.groups]
        self.muon_lr, self.adamw_lr, self.momentum, self.decay = muon_lr, adamw_lr, momentum, decay
        self.adamw = torch.optim.AdamW(
            others, lr=adamw_lr, betas=(0.9, 0.95), weight_decay=0.02, fused=others[0].is_cuda
        )
        self.parameters = [p for g in self.groups for p in g] + others

    @torch.no_grad()
    def step(self, scale: float) -> None:
        for group in self.adamw.param_groups:
            group["lr"] = self.adamw_lr * scale
        self.adamw.step()
        rate = self.muon_lr * scale
        for matrices, momentum in zip(self.groups, self.momenta, strict=False):
            gradient = torch.stack([p.grad for p in matrices])
            momentum.lerp_(gradient, 1 - self.momentum)
            update = orthogonalise(gradient.lerp_(momentum, self.momentum))  # Nesterov
            rows, columns = matrices[0].shape
            update = update.float() * (-rate * max(1, rows / columns) ** 0.5)
            torch._foreach_mul_(matrices, 1 - rate * self.decay)
            torch._foreach_add_(matrices, list(update.unbind()))

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None
