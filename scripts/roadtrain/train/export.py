"""A trained model as a complete Hugging Face checkpoint; a LoRA as that and as an adapter, or as an adapter alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from roadtrain.files import whole_directory
from roadtrain.model import checkpoints
from roadtrain.model.adapters import BaseNote, write_adapter
from roadtrain.model.lora import LoraSettings, adapted_layers, merged_weight
from roadtrain.model.rope_names import note_rope
from roadtrain.train.distributed import ALONE, Ranks, full_tensor
from roadtrain.train.toml_config import TrainRun

ADAPTER = "adapter"  # folder of a merged checkpoint


@dataclass(frozen=True)
class AdapterExport:
    """What becomes of the adapters."""

    settings: LoraSettings
    base: BaseNote
    merge: bool  # False: the adapter is the checkpoint

    @classmethod
    def of(cls, run: TrainRun, base_sha256: str) -> "AdapterExport | None":
        """Of a run; None where the weights themselves are trained."""
        if run.lora is None:
            return None
        lora = run.lora
        settings = LoraSettings(lora.rank, lora.alpha, lora.dropout, lora.targets, lora.rslora)
        return cls(settings, {"model": run.model, "sha256": base_sha256}, lora.merge)

    def note(self, checkpoint: Path) -> checkpoints.AdapterNote:
        """For the manifest of a checkpoint."""
        path = checkpoint / ADAPTER if self.merge else checkpoint
        return {"path": path.as_posix(), "rank": self.settings.rank, "merged": self.merge}


def export_checkpoint(
    path: Path, model: Any, processor: Any, ranks: Ranks = ALONE, adapter: AdapterExport | None = None
) -> None:
    """Weights in bfloat16, config, generation config, tokenizer, processor and chat template. Written whole, by the first
    rank; every rank has to call it."""
    of_adapter = {
        f"{name}.{matrix}": full_tensor(getattr(layer, matrix)).detach()
        for name, layer in adapted_layers(model)
        for matrix in ("lora_A", "lora_B")
    }
    weights = {} if adapter and not adapter.merge else _whole_weights(model, of_adapter, ranks)
    if ranks.first:
        with whole_directory(path) as directory:
            if weights:
                model.save_pretrained(directory, state_dict=weights)
                checkpoints.note_dtype(
                    directory / "config.json", "bfloat16"
                )  # save_pretrained notes the model's float32
                note_rope(directory / "config.json")
            if adapter:
                matrices = {name: matrix.float().cpu() for name, matrix in of_adapter.items()}
                write_adapter(directory / ADAPTER if weights else directory, matrices, adapter.settings, adapter.base)
            processor.save_pretrained(directory)
    ranks.wait()


def _whole_weights(model: Any, of_adapter: Mapping[str, torch.Tensor], ranks: Ranks) -> dict[str, torch.Tensor]:
    """{name: weight in bfloat16} of the model with its adapters added, on the first rank; every rank has to call it."""
    scales = {f"{name}.weight": layer.scale for name, layer in adapted_layers(model)}
    names = {name for name, _ in model.named_parameters()}
    every_name = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    tied = every_name - names  # the head, where it is the embeddings
    weights: dict[str, torch.Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name in tied or name in of_adapter:
            continue
        tensor = full_tensor(tensor)  # one at a time: the GPUs needn't hold the model twice
        if not ranks.first:
            continue
        if name in scales:
            layer = name.removesuffix("weight")
            a, b = of_adapter[f"{layer}lora_A"], of_adapter[f"{layer}lora_B"]
            tensor = merged_weight(tensor, a, b, scales[name])
        weights[name] = tensor.to(torch.bfloat16).cpu()
    return weights
