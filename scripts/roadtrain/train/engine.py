"""The local engine's parts: the loss of shared-video sequences, state on disk."""

import contextlib
import os
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from roadtrain.files import read_json, whole_directory, whole_path, write_json
from roadtrain.model import checkpoints
from roadtrain.model.sequences import TokenSequence
from roadtrain.train import distributed
from roadtrain.train.distributed import Ranks
from roadtrain.train.optimizer import Optimizers

ALONE = Ranks(0, 1, torch.device("cpu"))


def answer_loss(logits: torch.Tensor, sequence: TokenSequence) -> torch.Tensor:
    """Sum over the sequence's questions of the mean cross-entropy of their answer's tokens. Divided by the questions of
    the whole optimizer step it is the mean of the losses that a sequence a question would have."""
    owner = sequence.target_questions.to(logits.device)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    loss = F.cross_entropy(logits, sequence.targets.to(logits.device), reduction="none")
    return (loss / torch.bincount(owner)[owner]).sum()


def save_state(
    root: Path, model: torch.nn.Module, optimizer: Optimizers, progress: dict[str, Any], ranks: Ranks = ALONE
) -> None:
    """float32 weights, the optimizer's moments and `progress`, written whole; every rank writes its own shards. Data order
    comes from the seed and nothing is random in a step, so this is all that an exact resume needs."""
    from safetensors.torch import save_file

    tensors = {f"weight/{name}": parameter.detach() for name, parameter in model.named_parameters()} | optimizer.state()
    own = {name: distributed.own_part(tensor).contiguous().cpu() for name, tensor in tensors.items()}
    with whole_path(root / f".state_rank_{ranks.rank}") as file:
        save_file(own, file)
    ranks.wait()
    if ranks.first:
        with whole_directory(root / "state") as directory:
            for rank in range(ranks.count):
                os.replace(root / f".state_rank_{rank}", directory / f"rank_{rank}.safetensors")
            write_json(directory / "progress.json", progress | {"ranks": ranks.count})
    ranks.wait()


def load_state(root: Path, model: torch.nn.Module, optimizer: Optimizers) -> dict[str, Any] | None:
    """Put back what save_state wrote, on as many ranks or on others; None when there is nothing."""
    from safetensors import safe_open

    if not (root / "state/progress.json").exists():
        return None
    progress = read_json(root / "state/progress.json")
    with contextlib.ExitStack() as stack:
        files = [
            stack.enter_context(safe_open(root / f"state/rank_{rank}.safetensors", framework="pt"))
            for rank in range(progress.pop("ranks"))
        ]

        def read(name: str) -> torch.Tensor:
            parts = [file.get_tensor(name) for file in files]
            return parts[0] if len(parts) == 1 else torch.cat(parts)

        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(distributed.like(read(f"weight/{name}"), parameter))
        optimizer.load(
            {name: read(name) for name in files[0].keys() if not name.startswith("weight/")}, progress["step"]
        )
    return progress


def export(path: Path, model: Any, processor: Any, ranks: Ranks = ALONE) -> None:
    """A complete Hugging Face checkpoint in bfloat16: weights, config, generation config, tokenizer, processor, chat
    template. Written whole, by the first rank; every rank has to call it."""
    weights: dict[str, torch.Tensor] = {}
    own = {name for name, _ in model.named_parameters()}
    tied = {
        name for name, _ in model.named_parameters(remove_duplicate=False)
    } - own  # the head, where it is the embeddings
    for name, tensor in model.state_dict().items():
        if name in tied:
            continue
        tensor = distributed.whole(tensor)  # one at a time: the GPUs needn't hold the model twice
        if ranks.first:
            weights[name] = tensor.to(torch.bfloat16).cpu()
    if ranks.first:
        with whole_directory(path) as directory:
            model.save_pretrained(directory, state_dict=weights)
            processor.save_pretrained(directory)
            checkpoints.note_dtype(
                directory / "config.json", "bfloat16"
            )  # save_pretrained notes the model's own float32
    ranks.wait()
