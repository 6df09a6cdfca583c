"""One training run on one or several GPUs, of one machine or several: PyTorch's FSDP2, a process a GPU, started by torchrun.

Trained weights, gradients and the optimizer's moments are float32 and lie in equal shards on the GPUs; a pass computes
with bfloat16 copies. Frozen weights are bfloat16 and whole on each GPU, unless they have too little room there. A single GPU is a group of one and runs the same code: what FSDP2 brings there is that the copies are
made once an optimizer step, not once a pass, and that gradients of several passes add up in float32. A CPU alone needs
none of this and gets none; several processes on CPUs (gloo) run it as GPUs do, for the tests.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from roadtrain.model.forward import AnswerModel
from roadtrain.model.parts import frozen_weights

Pass = TypeVar("Pass")


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run."""

    rank: int
    count: int
    device: torch.device
    on_node: int = 1  # how many of them this machine has

    @property
    def first(self) -> bool:
        """Writes files, draws the progress bar."""
        return self.rank == 0

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


ALONE = Ranks(0, 1, torch.device("cpu"))


def join_ranks() -> Ranks:
    """The group that torchrun's environment describes; without it a group of one on a GPU, and none on a CPU."""
    rank, count, local = (
        int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0))
    )
    on_node = int(os.environ.get("LOCAL_WORLD_SIZE", count))
    if not torch.cuda.is_available():
        if count > 1:
            dist.init_process_group("gloo")
        return Ranks(rank, count, torch.device("cpu"), on_node)
    device = torch.device("cuda", local)
    torch.cuda.set_device(device)
    if count > 1:
        dist.init_process_group("nccl", device_id=device)
    else:  # no address, no port: nobody else joins
        dist.init_process_group("nccl", store=dist.HashStore(), rank=0, world_size=1)
    return Ranks(rank, count, device, on_node)


def leave_ranks() -> None:
    """The end of the group, where there is one."""
    if dist.is_initialized():
        dist.destroy_process_group()


def shard_model(
    model: AnswerModel, ranks: Ranks, dtype: str, gather_always: bool = False, shard_frozen: bool = False
) -> None:
    """The model's trained float32 weights in shards on the ranks' devices; passes compute in `dtype`. With `gather_always`
    a layer's copy is gathered for each use and dropped after it (ZeRO-3: the memory of one layer, traffic in every pass);
    without, copies stay until the optimizer's step. Frozen weights come whole to each device, or with `shard_frozen` in
    shards, too."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    compute = None if dtype == "float32" else getattr(torch, dtype)
    whole = set() if shard_frozen else frozen_weights(model)
    for weight in whole:
        weight.data = weight.data.to(ranks.device)
    options: dict[str, Any] = {
        "mesh": init_device_mesh(ranks.device.type, (ranks.count,)),
        # Inputs stay as they are: the tables of the rotary positions are float32 on purpose.
        "mp_policy": MixedPrecisionPolicy(param_dtype=compute, reduce_dtype=torch.float32, cast_forward_inputs=False),
        "reshard_after_forward": gather_always,
        "ignored_params": whole,
    }
    if ranks.count > 1:  # one GPU exchanges nothing that computing could hide: one part has the fewest hooks
        for part in _parts(model.qwen):
            if not whole.issuperset(part.parameters()):
                fully_shard(part, **options)
    fully_shard(model, **options)


def _parts(qwen: Any) -> list[torch.nn.Module]:
    """The modules whose weights are exchanged together, while others compute."""
    core = qwen.model
    parts = [*core.visual.blocks, *core.language_model.layers]
    if qwen.lm_head.weight is core.language_model.embed_tokens.weight:
        return parts  # tied ones have to be gathered together, with the model
    return [*parts, core.language_model.embed_tokens, qwen.lm_head]


def announce_pass(model: Any, is_last: bool, gather_always: bool = False) -> None:
    """To be called before every pass of a sharded model: only the last one of an optimizer step exchanges gradients, and
    drops the copies."""
    model.set_requires_gradient_sync(is_last or gather_always)
    model.set_reshard_after_backward(is_last or gather_always)
    model.set_is_last_backward(is_last)


def passes_of_rank(passes: Sequence[Pass], ranks: Ranks) -> list[tuple[Pass, bool]]:
    """A step's passes that are this rank's, and whether they count. Every rank gets as many: FSDP2's exchanges need all
    ranks. Who has less to do repeats a pass that counts nothing."""
    rounds = -(-len(passes) // ranks.count)
    counting = [(one_pass, True) for one_pass in passes[ranks.rank :: ranks.count]]
    return counting + [(passes[0], False)] * (rounds - len(counting))


def local_shard(tensor: torch.Tensor) -> torch.Tensor:
    """This rank's shard of a tensor; the tensor where nothing is sharded."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def shard_like(tensor: torch.Tensor, pattern: torch.Tensor) -> torch.Tensor:
    """A whole tensor, on any device, sharded as `pattern` is and on its device."""
    from torch.distributed.tensor import DTensor

    if not isinstance(pattern, DTensor):
        return tensor.to(pattern.device)

    mesh = pattern.device_mesh
    shards = tensor.chunk(mesh.size()) if tensor.ndim else (tensor,)  # as FSDP2 cuts: by the first dimension
    shard = shards[mesh.get_local_rank()] if mesh.get_local_rank() < len(shards) else tensor[:0]
    return DTensor.from_local(
        shard.to(pattern.device), mesh, pattern.placements, shape=tensor.shape, stride=tensor.stride()
    )


def full_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """A sharded tensor gathered; every rank has to ask."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
