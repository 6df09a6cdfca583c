"""Sizes of a Qwen3-VL, and the operations of its forward pass: what plans, memory estimates and benchmarks reckon with.

An addition and a multiplication are two operations. A training step is three forward passes (four with gradient
checkpointing, of which the fourth is not counted as the model's).
"""

from pathlib import Path
from typing import Any

from roadtrain.files import read_json

# Models that are known without being here: Qwen3-VL's published configurations.
KNOWN = {
    "nvidia/Cosmos-Reason2-2B": dict(
        parameters=2.12e9,
        layers=28,
        width=2048,
        inner=6144,
        weights=1.41e9,
        head=0.31e9,
        largest=0.31e9,
        attention=2048,
        vision_weights=0.327e9,
        vision_width=1024,
        vision_inner=4096,
        vision_layers=24,
    ),
    "nvidia/Cosmos-Reason2-8B": dict(
        parameters=8.76e9,
        layers=36,
        width=4096,
        inner=12288,
        weights=6.95e9,
        head=1.24e9,
        largest=0.62e9,
        attention=4096,
        vision_weights=0.451e9,
        vision_width=1152,
        vision_inner=4304,
        vision_layers=27,
    ),
}


def architecture(model: str) -> dict[str, float] | None:
    """Sizes from config.json, or by name; None when neither is known. `weights` are those of the decoder layers,
    `vision_weights` those that a patch meets, `head` those of the embeddings and the head (once when they are tied),
    `largest` those of the largest single matrix, `parameters` all; `attention` is the heads' width together."""
    file = Path(model) / "config.json"
    if not file.exists():
        return KNOWN.get(model)
    return of_config(read_json(file))


def of_config(config: dict[str, Any]) -> dict[str, float]:
    """The same of a config.json."""
    text, vision = config["text_config"], config["vision_config"]
    width, heads = text["hidden_size"], text["num_attention_heads"]
    head = text.get("head_dim") or width // heads
    attention = width * head * (2 * heads + 2 * text["num_key_value_heads"])
    layer = attention + 3 * width * text["intermediate_size"]
    size = vision["hidden_size"]
    merged = size * vision["spatial_merge_size"] ** 2
    mergers = (merged * merged + merged * width) * (1 + len(vision["deepstack_visual_indexes"]))
    blocks = vision["depth"] * (4 * size * size + 2 * size * vision["intermediate_size"])
    tied = config.get("tie_word_embeddings", text.get("tie_word_embeddings", True))
    weights, vocabulary = text["num_hidden_layers"] * layer, text["vocab_size"] * width * (1 if tied else 2)
    patches = vision["temporal_patch_size"] * vision["in_channels"] * vision["patch_size"] ** 2 * size
    return dict(
        parameters=weights + vocabulary + blocks + mergers + patches + vision["num_position_embeddings"] * size,
        layers=text["num_hidden_layers"],
        width=width,
        inner=text["intermediate_size"],
        attention=heads * head,
        weights=weights,
        head=vocabulary,
        largest=text["vocab_size"] * width,
        vision_weights=blocks + mergers / 4,  # mergers see a token of four patches
        vision_width=size,
        vision_inner=vision["intermediate_size"],
        vision_layers=vision["depth"],
    )


def forward(arch: dict[str, float], patches: int, patch_pairs: float, prefix: int, segments: list[int]) -> float:
    """Operations of one forward pass over a clip (`patches`, of which `patch_pairs` see each other; `prefix` tokens) and
    its segments (tokens of each). The head is not counted: it is computed at answers only."""
    vision = 2 * arch["vision_weights"] * patches + 4 * arch["vision_width"] * arch["vision_layers"] * patch_pairs
    tokens = prefix + sum(segments)
    pairs = prefix**2 / 2 + sum(s * prefix + s * s / 2 for s in segments)
    return vision + 2 * arch["weights"] * tokens + 4 * arch["attention"] * arch["layers"] * pairs
