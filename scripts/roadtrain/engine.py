"""The local engine's parts: forward and loss of shared-video sequences, state on disk."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from roadtrain import attention, checkpoints
from roadtrain.files import read_json, whole_directory, write_json
from roadtrain.optimizer import Optimizers
from roadtrain.sequences import Sequence, dense_mask


def hidden_states(model: Any, sequence: Sequence, use_cache: bool = False, **kwargs: Any) -> Any:
    """Output of the language model for a whole sequence: last_hidden_state [1, L, width]. Attention is by segments
    where `attention.use` was called, else by SDPA with the dense mask. Always with a mask: without one transformers
    4.57 takes restarted positions for packed documents."""
    device = next(model.parameters()).device
    if attention.used(model):
        mask, kwargs = None, kwargs | {"segments": attention.lengths(sequence)}
    else:
        mask = dense_mask(sequence.clip_ids.to(device), sequence.segment_ids.to(device))
    return model.model(
        input_ids=sequence.input_ids[None].to(device),
        position_ids=sequence.position_ids[:, None].to(device),
        attention_mask=mask,
        use_cache=use_cache,
        **vision_inputs(sequence, device, next(model.parameters()).dtype),
        **kwargs,
    )


def vision_inputs(sequence: Sequence, device: Any, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The forward's arguments for videos and pictures; a sequence may lack either."""
    found = {}
    if len(sequence.grid):
        found |= {"pixel_values_videos": sequence.pixels.to(device, dtype), "video_grid_thw": sequence.grid.to(device)}
    if len(sequence.image_grid):
        found |= {"pixel_values": sequence.image_pixels.to(device, dtype), "image_grid_thw": sequence.image_grid.to(device)}
    return found


def answer_logits(model: Any, hidden: torch.Tensor, sequence: Sequence) -> torch.Tensor:
    """Logits [A, vocabulary] where an answer's token comes next: the head is not computed elsewhere."""
    return model.lm_head(hidden[0, sequence.answer_positions.to(hidden.device)])


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
