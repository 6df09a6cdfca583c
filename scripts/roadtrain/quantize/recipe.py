"""Compress the language model's Linears with llmcompressor, calibrated on traffic video.

The vision tower, lm_head and the embeddings stay as they are: that is what NIM's vLLM serves, and what the recipe
quantizes. Calibration sees what evaluation will ask: the frames of training clips with all their questions, through the
same prompts and the same code of the tower (model/vision.py), or what that tower gave when it was kept: the same bits.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from roadtrain.model import vision
from roadtrain.model.bfloat16_products import products_by_float32
from roadtrain.model.sequences import TokenSequence, dense_mask, vision_inputs

SCHEMES = {"fp8": "FP8", "fp8_dynamic": "FP8_DYNAMIC", "nvfp4": "NVFP4"}
CALIBRATED = {"fp8", "nvfp4"}  # activations have scales that must be measured
# A scale a tensor for keys and for values: what vLLM and NIM read.
KV_CACHE = {
    "none": None,
    "fp8": {"num_bits": 8, "type": "float", "strategy": "tensor", "dynamic": False, "symmetric": True},
}
# Module names of transformers 5: model.visual.*, model.language_model.*, lm_head.
IGNORE = ["re:.*lm_head", "re:.*visual.*"]


def calibrated(precision: str, kv_cache: str) -> bool:
    """Are there scales that must be measured?"""
    return precision in CALIBRATED or kv_cache != "none"


def quantize_model(
    model: Any, precision: str, sequences: Callable[[], Iterator[TokenSequence]], count: int, kv_cache: str = "none"
) -> None:
    """Quantize `model` in place. `sequences` makes the `count` calibration sequences, one at a time, where scales are
    measured. Raises ValueError for an unknown precision."""
    from llmcompressor import oneshot
    from llmcompressor.modifiers.quantization import QuantizationModifier

    if precision not in SCHEMES:
        raise ValueError(f"{precision}: unknown precision; known: {', '.join(SCHEMES)}")
    recipe = QuantizationModifier(
        targets="Linear", scheme=SCHEMES[precision], ignore=IGNORE, kv_cache_scheme=KV_CACHE[kv_cache]
    )
    if not calibrated(precision, kv_cache):
        oneshot(model=model, recipe=recipe)
        return
    text, dtype = model.config.text_config, next(model.parameters()).dtype
    use_cache, text.use_cache = text.use_cache, False

    class Calibration(torch.utils.data.IterableDataset):
        def __len__(self) -> int:
            return count

        def __iter__(self) -> Iterator[dict[str, Any]]:
            return (model_inputs(sequence, dtype) for sequence in sequences())

    loader = torch.utils.data.DataLoader(Calibration(), batch_size=None)
    # "basic": whole forward passes, so that a sequence's mask and positions reach every layer as they are.
    with tower_takes_features(model.model.visual), products_by_float32(model.device):
        oneshot(model=model, recipe=recipe, dataset=loader, num_calibration_samples=count, pipeline="basic")
    text.use_cache = use_cache


@contextlib.contextmanager
def tower_takes_features(tower: Any) -> Iterator[None]:
    """Within it, transformers' forward gets vision tokens and deepstack levels of vision.py, from patches [N, 1536] or
    from what was kept of them [levels, rows, D]."""
    from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

    def forward(pixels: torch.Tensor, grid_thw: torch.Tensor, **_: Any) -> Any:
        if pixels.ndim == 2:
            tokens, levels = vision.features(tower, pixels, tuple(map(tuple, grid_thw.tolist())))
        else:
            count = int(grid_thw.prod(1).sum()) // tower.spatial_merge_unit
            tokens, levels = vision.of_kept(tower, list(pixels), count)
        return BaseModelOutputWithDeepstackFeatures(pooler_output=tokens, deepstack_features=levels)

    tower.forward = forward
    try:
        yield
    finally:
        del tower.forward


def model_inputs(sequence: TokenSequence, dtype: torch.dtype) -> dict[str, Any]:
    """Keyword arguments of the model's forward for a shared-video sequence."""
    return {
        "input_ids": sequence.input_ids[None],
        "position_ids": sequence.position_ids[:, None],
        "attention_mask": dense_mask(sequence.clip_ids, sequence.segment_ids),
        **vision_inputs(sequence, dtype),
        "logits_to_keep": torch.tensor([len(sequence.input_ids) - 1]),  # llmcompressor moves tensors only
    }


def stored_layers(directory: str | Path) -> list[str]:
    """Names of the layers whose weights a compressed-tensors directory stores quantized, sorted."""
    return sorted(key.removesuffix(".weight_scale") for key in _keys(directory) if key.endswith(".weight_scale"))


def kv_scales(directory: str | Path) -> int:
    """How many scales for keys and values a directory has: two a layer."""
    return sum(key.endswith((".k_scale", ".v_scale")) for key in _keys(directory))


def _keys(directory: str | Path) -> Iterator[str]:
    from safetensors import safe_open

    for file in sorted(Path(directory).glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            yield from tensors.keys()
