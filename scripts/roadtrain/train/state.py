"""A training run on disk, for an exact resume: the float32 weights that are trained, the optimizer's moments, and how far
it is. Frozen weights are the base's.

Data order comes from the seed and nothing is random in a step, so this is all that is needed.
"""

import contextlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from roadtrain.files import read_json, whole_directory, whole_path, write_json
from roadtrain.model.parts import trainable
from roadtrain.train.distributed import ALONE, Ranks, local_shard, shard_like
from roadtrain.train.optimizer import Optimizers


@dataclass
class Progress:
    """How far a run is."""

    step: int = 0  # optimizer steps
    questions: int = 0
    seconds: float = 0.0  # of the steps
    peak_bytes: int = 0  # memory of this rank's GPU, or of its process on a CPU


def save_state(
    root: Path, model: torch.nn.Module, optimizer: Optimizers, progress: Progress, ranks: Ranks = ALONE
) -> None:
    """Below root/state, written whole; every rank writes its shards and has to call this."""
    from safetensors.torch import save_file

    tensors = {f"weight/{name}": parameter.detach() for name, parameter in trainable(model).items()} | optimizer.state()
    shards = {name: local_shard(tensor).contiguous().cpu() for name, tensor in tensors.items()}
    with whole_path(root / f".state_rank_{ranks.rank}") as file:
        save_file(shards, file)
    ranks.wait()
    if ranks.first:
        with whole_directory(root / "state") as directory:
            for rank in range(ranks.count):
                os.replace(root / f".state_rank_{rank}", directory / f"rank_{rank}.safetensors")
            write_json(directory / "progress.json", asdict(progress) | {"ranks": ranks.count})
    ranks.wait()


def load_state(root: Path, model: torch.nn.Module, optimizer: Optimizers) -> Progress | None:
    """Put back what save_state wrote, on as many ranks or on others; None when there is nothing."""
    from safetensors import safe_open

    if not (root / "state/progress.json").exists():
        return None
    value = read_json(root / "state/progress.json")
    rank_count = value.pop("ranks")
    progress = Progress(**value)
    with contextlib.ExitStack() as stack:
        files = [
            stack.enter_context(safe_open(root / f"state/rank_{rank}.safetensors", framework="pt"))
            for rank in range(rank_count)
        ]

        def read(name: str) -> torch.Tensor:
            shards = [file.get_tensor(name) for file in files]
            return shards[0] if len(shards) == 1 else torch.cat(shards)

        with torch.no_grad():
            for name, parameter in trainable(model).items():
                parameter.copy_(shard_like(read(f"weight/{name}"), parameter))
        names = files[0].keys()
        moments = [name for name in names if not name.startswith("weight/")]
        optimizer.load({name: read(name) for name in moments}, progress.step)
    return progress
