"""Attention over a shared-video sequence without its L x L mask.

A question sees the video's prefix and itself, so K questions of S tokens need K x S x (P + S) scores, not
(P + K x S)^2: the dense mask throws the rest away. transformers calls `segment_attention` in every layer of the
language model once `use` has named it there; the masks of sequences.py stay the definition (tests/test_sequences.py).

Written for CPUs, where a loop over the questions is faster than padding them to one length (1.07 times, measured on
the sample) and the dense mask takes 1.27 times as long a training step.
"""

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F

from roadtrain.sequences import Sequence

NAME = "roadtrain_segments"


def lengths(sequence: Sequence) -> list[list[int]]:
    """Tokens of every clip's prefix and of its questions, in the order in which they lie in the sequence."""
    clips = range(int(sequence.clip_ids[-1]) + 1)
    return [torch.bincount(sequence.segment_ids[sequence.clip_ids == clip]).tolist() for clip in clips]


@lru_cache(maxsize=1024)
def _mask(own: int, prefix: int, device: torch.device) -> torch.Tensor:
    """bool [own, prefix + own]: a question's token sees the prefix and, causally, its own question."""
    return torch.ones(own, prefix + own, dtype=torch.bool, device=device).tril(prefix)


def segment_attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: None = None,
    *, segments: list[list[int]], scaling: float | None = None, **_: Any,
) -> tuple[torch.Tensor, None]:  # fmt: skip
    """As transformers' attention functions: query [1, heads, L, d], key and value [1, key heads, L, d]
    -> [1, L, heads, d]. `segments`: what `lengths` gives."""
    every = [length for clip in segments for length in clip]
    pieces = zip(*(tensor.split(every, dim=2) for tensor in (query, key, value)))
    attend = lambda *qkv, **how: F.scaled_dot_product_attention(  # noqa: E731
        *qkv, scale=scaling, enable_gqa=query.shape[1] != key.shape[1], **how
    )
    seen = []
    for prefix, *questions in segments:
        q, k, v = next(pieces)
        seen.append(attend(q, k, v, is_causal=True))
        for own in questions:
            q, own_k, own_v = next(pieces)
            mask = _mask(own, prefix, query.device)
            seen.append(attend(q, torch.cat([k, own_k], 2), torch.cat([v, own_v], 2), attn_mask=mask))
    return torch.cat(seen, dim=2).transpose(1, 2), None


def use(model: Any) -> None:
    """Let the language model attend by segments; the vision tower keeps its own. Forward then needs `segments`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, segment_attention)
    model.set_attn_implementation({"text_config": NAME, "vision_config": "sdpa"})


def used(model: Any) -> bool:
    return model.config.text_config._attn_implementation == NAME
