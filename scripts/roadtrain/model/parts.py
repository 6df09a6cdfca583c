"""The parts of a Qwen3-VL that can be frozen or have a learning rate of their own, by the names of its weights.

vision       the tower: patches, learned positions, blocks
projector    what carries the tower's outputs over to the language model: the merger and the deepstack mergers
language     the decoder's layers and its last norm
embeddings   the words' vectors and the head, which may be one matrix
"""

from collections.abc import Collection
from typing import Any

PARTS = ("vision", "projector", "language", "embeddings")
MERGERS = ("merger", "deepstack_merger_list")  # modules of the tower that are the projector's


def part_of(name: str) -> str:
    """Which part a weight (or a module) belongs to: `model.visual.merger.norm.weight` -> projector."""
    words = name.split(".")
    if "visual" in words:
        inside = words[words.index("visual") + 1 :]
        return "projector" if inside and inside[0] in MERGERS else "vision"
    return "embeddings" if "embed_tokens" in words or "lm_head" in words else "language"


def freeze_parts(model: Any, frozen: Collection[str]) -> None:
    """From here on the weights of these parts have no gradient. Raises ValueError for a part that the model lacks."""
    weights: dict[str, list[Any]] = {part: [] for part in PARTS}
    for name, parameter in model.named_parameters():
        weights[part_of(name)].append(parameter)
    for part in frozen:
        if not weights.get(part):
            raise ValueError(f"train.freeze: {part}: {type(model).__name__} has no such weights")
        for parameter in weights[part]:
            parameter.requires_grad_(False)


def trainable(model: Any) -> dict[str, Any]:
    """{name: weight} of those that are trained."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def frozen_weights(model: Any) -> set[Any]:
    """The weights that are not."""
    return {parameter for parameter in model.parameters() if not parameter.requires_grad}


def is_frozen(module: Any) -> bool:
    """Whether nothing in a module is trained."""
    return not any(parameter.requires_grad for parameter in module.parameters())


def tower_is_frozen(tower: Any) -> bool:
    """Whether the tower is: all of it but the mergers."""
    return all(part_of(f"visual.{name}") == "projector" or not p.requires_grad for name, p in tower.named_parameters())


def projector_is_frozen(tower: Any) -> bool:
    """Whether the mergers are."""
    return all(is_frozen(getattr(tower, merger)) for merger in MERGERS)
