"""Load a Qwen3-VL and its processor from a directory or the Hugging Face hub, or say how to get it."""

import os
from pathlib import Path
from typing import Any

from roadtrain import torchvision_cpu
from roadtrain.cli import UserError
from roadtrain.model import adapters
from roadtrain.model.hub import download_command, name_and_revision, terms_page
from roadtrain.model.remote_code import refuse_code


def locate(model: str) -> Path:
    """The directory of a model: as given, or the hub's local copy (of `name@revision`: that one), downloaded when it may be.

    Raises UserError saying what to do when it can't be had, or when it brings code to run.
    """
    directory = _find(model)
    refuse_code(directory)
    return directory


def _find(model: str) -> Path:
    """As `locate`, whatever the directory holds."""
    if Path(model).is_dir():
        if not (Path(model) / "config.json").exists():
            raise UserError(f"{model}: no config.json: not a Hugging Face model directory")
        return Path(model)
    name, revision = name_and_revision(model)
    if model.startswith((".", "/")) or name.count("/") != 1:
        raise UserError(f"{model}: no such directory (model in the spec)")
    if revision == "":
        raise UserError(f"{model}: no revision after the @: a branch, a tag or a commit (model in the spec)")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        patterns = ["*.json", "*.safetensors", "*.jinja", "*.txt"]
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns))
    except GatedRepoError:
        raise UserError(
            f"{model}: access is by request: accept its terms at {terms_page(model)}, then set HF_TOKEN"
        ) from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{model}: neither a directory nor on this machine, and it can't be downloaded ({reason});"
            f" fetch it where there is a network: {download_command(model)}"
        ) from None


def load_processor(path: str | Path) -> Any:
    """Its tokenizer, chat template and video processor."""
    torchvision_cpu.ensure()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers import AutoProcessor

    refuse_code(path)
    return AutoProcessor.from_pretrained(path, trust_remote_code=False)


def load_model(path: str | Path, dtype: str = "auto", merge: bool = True) -> Any:
    """The model on the CPU, attention by SDPA. A compressed-tensors checkpoint is loaded with its quantization
    simulated (run_compressed=False), so that it runs on any device. An adapter is loaded with its base, and with `merge`
    added to its weights; raises ValueError when that isn't the base that it was trained on."""
    torchvision_cpu.ensure()
    if adapters.is_adapter(path):
        from roadtrain.model.lora import merge_adapters

        model = load_model(adapters.checked_base(path), dtype)
        adapters.load_adapter(model, path)
        if merge:
            merge_adapters(model)
        return model
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    refuse_code(path)
    kwargs: dict[str, Any] = {"trust_remote_code": False, "dtype": dtype if dtype == "auto" else getattr(torch, dtype)}
    config = AutoConfig.from_pretrained(path, trust_remote_code=False)
    if getattr(config, "quantization_config", None) is not None:
        from transformers.utils.quantization_config import CompressedTensorsConfig

        kwargs["quantization_config"] = CompressedTensorsConfig(run_compressed=False)
        # For scales of keys and values compressed-tensors before 0.19 (vLLM pins one) asks the whole model's config, which
        # has these in its part for the language model.
        for name in ("num_attention_heads", "num_key_value_heads", "head_dim"):
            setattr(config, name, getattr(config.text_config, name))
        kwargs["config"] = config
    model = AutoModelForImageTextToText.from_pretrained(
        path, attn_implementation="sdpa", use_safetensors=True, **kwargs
    )
    if "quantization_config" in kwargs:
        from compressed_tensors.offload import remove_dispatch

        # transformers leaves every module's weights where they may be offloaded, and asks at each use: half of a step of decoding.
        remove_dispatch(model)
        # Decompressed 4-bit weights come as bfloat16 whatever was asked for.
        return model if dtype == "auto" else model.to(kwargs["dtype"])
    return model
