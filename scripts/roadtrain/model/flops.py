"""Sizes of a Qwen3-VL, and the operations of its forward pass: what plans, memory estimates and benchmarks reckon with.

An addition and a multiplication are two operations. A training step is three forward passes (four with gradient
checkpointing, of which the fourth is not counted as the model's).
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.files import read_json
from roadtrain.model import sizes
from roadtrain.model.hub import name_and_revision


@dataclass(frozen=True)
class Architecture:
    """Counts of weights, and widths and numbers of layers."""

    parameters: int  # all weights but norms and biases
    layers: int
    width: int
    inner: int  # width between the two matrices of a decoder layer's MLP
    attention: int  # the heads' width together
    key_value: int  # that of the keys' heads
    weights: int  # of the decoder layers
    head: int  # of the embeddings and the head: once when they are tied
    largest: int  # of the largest single matrix
    vision: int  # of the tower without its mergers
    vision_blocks: int  # of these: linear layers of its blocks
    projector: int  # of the mergers
    mergers: int  # how many
    vision_weights: float  # that a patch meets
    vision_width: int
    vision_inner: int
    vision_layers: int


def architecture(model: str) -> Architecture | None:
    """Of a model's directory, or of a published model by its name; None when neither is known."""
    file = Path(model) / "config.json"
    config = read_json(file) if file.exists() else sizes.CONFIGS.get(name_and_revision(model)[0])
    return None if config is None else of_config(config)


def of_config(config: dict[str, Any]) -> Architecture:
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
    return Architecture(
        parameters=weights + vocabulary + blocks + mergers + patches + vision["num_position_embeddings"] * size,
        layers=text["num_hidden_layers"],
        width=width,
        inner=text["intermediate_size"],
        attention=heads * head,
        key_value=text["num_key_value_heads"] * head,
        weights=weights,
        head=vocabulary,
        largest=text["vocab_size"] * width,
        vision_blocks=blocks,
        vision=blocks + patches + vision["num_position_embeddings"] * size,
        projector=mergers,
        mergers=1 + len(vision["deepstack_visual_indexes"]),
        vision_weights=blocks + mergers / 4,  # mergers see a token of four patches
        vision_width=size,
        vision_inner=vision["intermediate_size"],
        vision_layers=vision["depth"],
    )


def linear_layers(arch: Architecture) -> dict[str, tuple[int, int, int]]:
    """{target of an adapter: (inputs, outputs, how many layers)}."""
    width, size = arch.width, arch.vision_width
    merged = 4 * size  # four patches of a token
    sizes = {
        "language.q_proj": (width, arch.attention, arch.layers),
        "language.k_proj": (width, arch.key_value, arch.layers),
        "language.v_proj": (width, arch.key_value, arch.layers),
        "language.o_proj": (arch.attention, width, arch.layers),
        "language.gate_proj": (width, arch.inner, arch.layers),
        "language.up_proj": (width, arch.inner, arch.layers),
        "language.down_proj": (arch.inner, width, arch.layers),
        "projector.linear_fc1": (merged, merged, arch.mergers),
        "projector.linear_fc2": (merged, width, arch.mergers),
        "vision.qkv": (size, 3 * size, arch.vision_layers),
        "vision.proj": (size, size, arch.vision_layers),
        "vision.linear_fc1": (size, arch.vision_inner, arch.vision_layers),
        "vision.linear_fc2": (arch.vision_inner, size, arch.vision_layers),
    }
    return sizes


def adapter_weights(arch: Architecture, rank: int, targets: Collection[str]) -> int:
    """Weights of low-rank adapters of so many rows in these targets: a part of the model, or one kind of its layers."""
    layers = linear_layers(arch)
    adapted = [kind for kind in layers if kind in targets or kind.split(".")[0] in targets]
    return sum(rank * (layers[kind][0] + layers[kind][1]) * layers[kind][2] for kind in adapted)


def forward(arch: Architecture, patches: int, patch_pairs: float, prefix: int, segments: list[int]) -> float:
    """Operations of one forward pass over a clip (`patches`, of which `patch_pairs` see each other; `prefix` tokens) and
    its segments (tokens of each). The head is not counted: it is computed at answers only."""
    return vision_forward(arch, patches, patch_pairs) + text_forward(arch, prefix, segments)


def vision_forward(arch: Architecture, patches: int, patch_pairs: float) -> float:
    """Of the vision tower and its mergers."""
    return 2 * arch.vision_weights * patches + 4 * arch.vision_width * arch.vision_layers * patch_pairs


def text_forward(arch: Architecture, prefix: int, segments: list[int]) -> float:
    """Of the decoder."""
    return text_linear(arch, prefix, segments) + text_attention(arch, prefix, segments)


def text_linear(arch: Architecture, prefix: int, segments: list[int]) -> float:
    """Of the decoder's linear layers."""
    return 2 * arch.weights * (prefix + sum(segments))


def text_attention(arch: Architecture, prefix: int, segments: list[int]) -> float:
    """Of the decoder's attention."""
    pairs = prefix**2 / 2 + sum(s * prefix + s * s / 2 for s in segments)
    return 4 * arch.attention * arch.layers * pairs
