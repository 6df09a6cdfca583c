"""Optimizers of the local engine, all torch's own: AdamW, or Muon with AdamW for what Muon can't take.

Muon orthogonalizes the update of a matrix (Jordan et al., 2024). It takes the linear layers' weights in the blocks of
both towers; embeddings, norms, biases, the patch convolution, the mergers between the towers and the head stay with
AdamW. Its step is scaled to the root mean square of AdamW's (Liu et al., 2025, "Muon is scalable for LLM training"),
so one learning rate serves both. Parts of the model may have rates of their own: a word that a base never saw is a few
rows of the embeddings and the head, and has to be learned before anything can be said with it.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from roadtrain.model.bfloat16_products import slow_in_bfloat16
from roadtrain.model.parts import part_of, trainable
from roadtrain.train.distributed import shard_like
from roadtrain.train.muon import GatheredMuon

BETAS = {"AdamW": (0.9, 0.999), "Muon": (0.9, 0.98)}  # of the AdamW part; (0.9, 0.98) as in probe_base.py


# Newton-Schulz iterations of Muon; torch's default is 5. On the sample (340 scenarios, batches of 20 questions, one seed)
# three take 0.95 times as long a step as five and end at a validation accuracy of 0.835, five at 0.847.
NS_STEPS = 3


def learning_rate(step: int, *, peak: float, schedule: str, warmup: int, total: int) -> float:
    """Rate of optimizer step `step` (from 0) of `total`: linear warm-up, then cosine or linear to zero, or constant."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    if schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * progress))
    return peak * (1 - progress) if schedule == "linear" else peak


class Optimizers:
    """One or two torch optimizers that step together, for the weights that are trained; frozen ones have no moments.

    `part_rates` are peaks of parts of the model (model/parts.py); they follow the schedule of `rate`, the peak for all
    else. Raises ValueError for one of which nothing is trained.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        name: str,
        rate: float,
        weight_decay: float,
        epsilon: float = 1e-8,
        part_rates: Mapping[str, float] | None = None,
    ):
        parameters = trainable(model)
        self._scales = {part: peak / rate for part, peak in (part_rates or {}).items()}
        for part in self._scales.keys() - {part_of(key) for key in parameters}:
            raise ValueError(f"learning_rates.{part}: nothing of it is trained (train in the spec)")
        first = next(iter(parameters.values()))
        fused = first.is_cuda or not hasattr(first, "device_mesh")  # there is no fused step for shards on CPUs
        matrices = self._matrices(model) & parameters.keys() if name == "Muon" else set()
        self._parameters = parameters
        groups = self._groups(key for key in parameters if key not in matrices)
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(groups, lr=rate, betas=BETAS[name], eps=epsilon, weight_decay=weight_decay, fused=fused)
        ]
        if matrices:
            several = hasattr(first, "device_mesh") and first.device_mesh.size() > 1
            self.parts.append(
                (GatheredMuon if several or slow_in_bfloat16(first.device) else torch.optim.Muon)(
                    self._groups(key for key in parameters if key in matrices),
                    lr=rate,
                    weight_decay=weight_decay,
                    ns_steps=NS_STEPS,
                    adjust_lr_fn="match_rms_adamw",
                )
            )
        self._part_of = {id(p): part for part in self.parts for group in part.param_groups for p in group["params"]}

    @staticmethod
    def _matrices(model: torch.nn.Module) -> set[str]:
        """Weights of the linear layers in transformer blocks."""
        linear = (name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear))
        return {f"{name}.weight" for name in linear if ".layers." in name or ".blocks." in name}

    def _groups(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """The weights of these names, those with one rate together; `scale`: that rate in terms of the others'."""
        groups: dict[float, list[Any]] = {}
        for name in names:
            groups.setdefault(self._scales.get(part_of(name), 1.0), []).append(self._parameters[name])
        return [{"params": weights, "scale": scale} for scale, weights in groups.items()]

    def step(self, rate: float) -> None:
        """Update the weights at this learning rate, and drop the gradients."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate * group["scale"]
            part.step()
            part.zero_grad(set_to_none=True)

    def state(self) -> dict[str, torch.Tensor]:
        """{"exp_avg/<weight>": ..}: all tensors but the step count."""
        return {
            f"{key}/{name}": tensor
            for name, parameter in self._parameters.items()
            for key, tensor in self._part_of[id(parameter)].state.get(parameter, {}).items()
            if key != "step"
        }

    def load(self, state: dict[str, torch.Tensor], step: int) -> None:
        """Put back what `state` gave after `step` steps."""
        for full, tensor in state.items():
            key, name = full.split("/", 1)
            parameter = self._parameters[name]
            part = self._part_of[id(parameter)]
            part.state[parameter][key] = shard_like(tensor, parameter)
            if isinstance(part, torch.optim.AdamW):
                part.state[parameter]["step"] = torch.tensor(float(step), device=parameter.device)
