"""Qwen3-VL, small: every part of the real architecture (deepstack, M-RoPE, merger), 5.4 million parameters."""

import json
from pathlib import Path

ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [6, 5, 5], "mrope_interleaved": True}
TEXT = dict(
    hidden_size=192,
    intermediate_size=576,
    num_hidden_layers=6,
    num_attention_heads=6,
    num_key_value_heads=6,
    head_dim=32,
    max_position_embeddings=4096,
    rms_norm_eps=1e-6,
    tie_word_embeddings=True,
    bos_token_id=None,
)
VISION = dict(
    depth=4,
    hidden_size=128,
    intermediate_size=384,
    num_heads=4,
    patch_size=16,
    temporal_patch_size=2,
    spatial_merge_size=2,
    num_position_embeddings=256,
    deepstack_visual_indexes=[1, 2, 3],
)
# A model this narrow starts slowly with the usual 0.02: these were found by the prototypes.
INIT_STD, TEXT_STD, VISION_STD, QK_NORM = 0.02, 0.05, 0.04, 1.5


def build_model(processor, seed: int):
    """A randomly initialised Qwen3VLForConditionalGeneration in float32 that fits the processor's tokenizer."""
    import torch
    from transformers import GenerationConfig, Qwen3VLConfig, Qwen3VLForConditionalGeneration

    tokenizer = processor.tokenizer
    token = tokenizer.convert_tokens_to_ids
    text = dict(
        TEXT,
        vocab_size=-(-len(tokenizer) // 64) * 64,
        rope_parameters=dict(ROPE),
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=token("<|im_end|>"),
    )
    config = Qwen3VLConfig(
        text_config=text,
        vision_config=dict(VISION, out_hidden_size=TEXT["hidden_size"]),
        tie_word_embeddings=True,
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
    )
    torch.manual_seed(seed)
    model = Qwen3VLForConditionalGeneration(config).float()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim >= 2:
                parameter.mul_((VISION_STD if "visual" in name else TEXT_STD) / INIT_STD)
            elif "q_norm" in name or "k_norm" in name:
                parameter.fill_(QK_NORM)
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=[token("<|im_end|>"), token("<|endoftext|>")], pad_token_id=tokenizer.pad_token_id
    )
    return model


def save(model, processor, folder: Path) -> None:
    """Write a complete Hugging Face directory in bfloat16.

    transformers 5 writes only `rope_parameters`; 4.57 reads `rope_theta` and `rope_scaling`. Both are written.
    """
    import copy

    import torch

    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)
    path = Path(folder) / "config.json"
    config = json.loads(path.read_text())
    text = config["text_config"]
    text["rope_theta"] = ROPE["rope_theta"]
    text["rope_scaling"] = {key: value for key, value in ROPE.items() if key != "rope_theta"}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
