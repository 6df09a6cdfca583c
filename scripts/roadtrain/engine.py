"""The local engine's parts: the loss of shared-video sequences, state on disk."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from roadtrain import checkpoints
from roadtrain.files import read_json, whole_directory, write_json
from roadtrain.optimizer import Optimizers
from roadtrain.sequences import Sequence


def answer_loss(logits: torch.Tensor, sequence: Sequence) -> torch.Tensor:
    """Sum over the sequence's questions of the mean cross-entropy of their answer's tokens. Divided by the questions of
    the whole optimizer step it is the mean of the losses that a sequence a question would have."""
    owner = sequence.target_questions.to(logits.device)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    loss = F.cross_entropy(logits, sequence.targets.to(logits.device), reduction="none")
    return (loss / torch.bincount(owner)[owner]).sum()


def save_state(root: Path, model: torch.nn.Module, optimizer: Optimizers, progress: dict[str, Any]) -> None:
    """float32 weights, the optimizer's moments and `progress`, written whole. Data order comes from the seed and nothing
    is random in a step, so this is all that an exact resume needs."""
    from safetensors.torch import save_file

    tensors = {f"weight/{name}": parameter.detach() for name, parameter in model.named_parameters()} | optimizer.state()
    with whole_directory(root / "state") as directory:
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, directory / "state.safetensors")
        write_json(directory / "progress.json", progress)


def load_state(root: Path, model: torch.nn.Module, optimizer: Optimizers) -> dict[str, Any] | None:
    """Put back what save_state wrote; None when there is nothing."""
    from safetensors.torch import load_file

    if not (root / "state/progress.json").exists():
        return None
    progress = read_json(root / "state/progress.json")
    tensors = load_file(root / "state/state.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors.pop(f"weight/{name}"))
    optimizer.load(tensors, progress["step"])
    return progress


def export(path: Path, model: Any, processor: Any) -> None:
    """A complete Hugging Face checkpoint in bfloat16: weights, config, generation config, tokenizer, processor, chat
    template. Written whole."""
    with whole_directory(path) as directory:
        weights = {name: tensor.to(torch.bfloat16) for name, tensor in model.state_dict().items()}
        model.save_pretrained(directory, state_dict=weights)
        processor.save_pretrained(directory)
        checkpoints.note_dtype(directory / "config.json", "bfloat16")  # save_pretrained notes the model's own float32
