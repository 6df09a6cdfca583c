"""A trained model as a complete Hugging Face checkpoint."""

from pathlib import Path
from typing import Any

import torch

from roadtrain.files import whole_directory
from roadtrain.model import checkpoints
from roadtrain.train.distributed import ALONE, Ranks, full_tensor


def export_checkpoint(path: Path, model: Any, processor: Any, ranks: Ranks = ALONE) -> None:
    """Weights in bfloat16, config, generation config, tokenizer, processor and chat template. Written whole, by the first
    rank; every rank has to call it."""
    names = {name for name, _ in model.named_parameters()}
    every_name = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    tied = every_name - names  # the head, where it is the embeddings
    weights: dict[str, torch.Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name in tied:
            continue
        tensor = full_tensor(tensor)  # one at a time: the GPUs needn't hold the model twice
        if ranks.first:
            weights[name] = tensor.to(torch.bfloat16).cpu()
    if ranks.first:
        with whole_directory(path) as directory:
            model.save_pretrained(directory, state_dict=weights)
            processor.save_pretrained(directory)
            checkpoints.note_dtype(directory / "config.json", "bfloat16")  # save_pretrained notes the model's float32
    ranks.wait()
