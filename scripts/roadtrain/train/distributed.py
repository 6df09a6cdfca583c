"""One training run on one or several GPUs: PyTorch's FSDP2, a process a GPU, started by torchrun.

Weights, gradients and the optimizer's moments are float32 and lie in equal shards on the GPUs; a pass computes with
bfloat16 copies. A single GPU is a group of one and runs the same code: what FSDP2 brings there is that the copies are
made once an optimizer step, not once a pass, and that gradients of several passes add up in float32. A CPU alone needs
none of this and gets none; several processes on CPUs (gloo) run it as GPUs do, for the tests.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run."""

    rank: int
    count: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Writes files, draws the progress bar."""
        return self.rank == 0

    @property
    def sharded(self) -> bool:
        return dist.is_initialized()

    def sum(self, value: float) -> float:
        """The sum of every rank's value."""
        if self.count == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(total)
        return total.item()

    def wait(self) -> None:
        """Until every rank is here."""
        if self.count > 1:
            dist.barrier()


def join() -> Ranks:
    """The group that torchrun's environment describes; without it a group of one on a GPU, and none on a CPU."""
    rank, count, local = (
        int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
    )
    if not torch.cuda.is_available():
        if count > 1:
            dist.init_process_group("gloo")
        return Ranks(rank, count, torch.device("cpu"))
    device = torch.device("cuda", local)
    torch.cuda.set_device(device)
    if count > 1:
        dist.init_process_group("nccl", device_id=device)
    else:  # no address, no port: nobody else joins
        dist.init_process_group("nccl", store=dist.HashStore(), rank=0, world_size=1)
    return Ranks(rank, count, device)


def leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def shard(model: Any, ranks: Ranks, dtype: str, gather_always: bool = False) -> Any:
    """The model's float32 weights in shards on the ranks' devices; passes compute in `dtype`. With `gather_always` a
    layer's copy is gathered for each use and dropped after it (ZeRO-3: the memory of one layer, traffic in every pass);
    without, copies stay until the optimizer's step."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    compute = None if dtype == "float32" else getattr(torch, dtype)
    how = {
        "mesh": init_device_mesh(ranks.device.type, (ranks.count,)),
        # Inputs stay as they are: the tables of the rotary positions are float32 on purpose.
        "mp_policy": MixedPrecisionPolicy(param_dtype=compute, reduce_dtype=torch.float32, cast_forward_inputs=False),
        "reshard_after_forward": gather_always,
    }
    parts = []
    if (
        ranks.count > 1
    ):  # one GPU exchanges nothing that computing could hide: the model as a whole has the fewest hooks
        parts = [*model.model.visual.blocks, *model.model.language_model.layers]
        if (
            model.lm_head.weight is not model.model.language_model.embed_tokens.weight
        ):  # tied ones have to be gathered together
            parts += [model.model.language_model.embed_tokens, model.lm_head]
    for part in parts:
        fully_shard(part, **how)
    return fully_shard(model, **how)


def last_pass(model: Any, is_last: bool, gather_always: bool = False) -> None:
    """To be said before every pass: only the last one of an optimizer step exchanges gradients, and drops the copies."""
    model.set_requires_gradient_sync(is_last or gather_always)
    model.set_reshard_after_backward(is_last or gather_always)
    model.set_is_last_backward(is_last)


def share(passes: Sequence[Any], ranks: Ranks) -> list[tuple[Any, bool]]:
    """A step's passes that are this rank's, and whether they count. Every rank gets as many: FSDP2's exchanges need all
    ranks. Who has less to do repeats a pass that counts nothing."""
    rounds = -(-len(passes) // ranks.count)
    own = [(one, True) for one in passes[ranks.rank :: ranks.count]]
    return own + [(passes[0], False)] * (rounds - len(own))


def own_part(tensor: torch.Tensor) -> torch.Tensor:
    """This rank's shard of a tensor; the tensor where nothing is sharded."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def like(whole: torch.Tensor, pattern: torch.Tensor) -> torch.Tensor:
    """A whole tensor, on any device, sharded as `pattern` is and on its device."""
    if not hasattr(pattern, "device_mesh"):
        return whole.to(pattern.device)
    from torch.distributed.tensor import DTensor

    mesh = pattern.device_mesh
    parts = whole.chunk(mesh.size()) if whole.ndim else (whole,)  # as FSDP2 cuts: by the first dimension
    own = parts[mesh.get_local_rank()] if mesh.get_local_rank() < len(parts) else whole[:0]
    return DTensor.from_local(
        own.to(pattern.device), mesh, pattern.placements, shape=whole.shape, stride=whole.stride()
    )


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A sharded tensor gathered; every rank has to ask."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
