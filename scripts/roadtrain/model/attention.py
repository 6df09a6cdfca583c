"""Attention over a shared-video sequence: three ways to compute what the mask of sequences.py says.

dense      transformers' SDPA with the L x L mask: the definition, and the fallback everywhere
segments   on a CPU: a question sees the video's prefix and itself, so K questions of S tokens need K x S x (P + S) scores,
           not (P + K x S)^2. A loop over the questions is faster there than padding them to one length (1.07 times,
           measured on the sample), and the dense mask takes 1.27 times as long a training step
flex       on a GPU: flex_attention with the BlockMask, compiled

transformers calls the function that `use` names in every layer of the language model.
"""

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F

from roadtrain.model import compiled
from roadtrain.model.sequences import TokenSequence, block_mask, dense_mask, may_see

NAMES = {"dense": "sdpa", "segments": "roadtrain_segments", "flex": "roadtrain_flex"}


def use(model: Any, kind: str) -> None:
    """Let the language model attend in this way; the vision tower keeps SDPA."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAMES["segments"], segment_attention)
    AttentionInterface.register(NAMES["flex"], flex_attention)
    model.set_attn_implementation({"text_config": NAMES[kind], "vision_config": "sdpa"})


def used(model: Any) -> str:
    """dense, segments or flex."""
    name = model.config.text_config._attn_implementation
    return next(kind for kind, known in NAMES.items() if known == name)


def inputs(model: Any, sequence: TokenSequence, device: torch.device) -> dict[str, Any]:
    """What a decoder layer takes beside the hidden states. Always a mask of some kind: without one transformers 4.57 takes
    restarted positions for packed documents."""
    kind = used(model)
    if kind == "segments":
        return {"attention_mask": None, "segments": lengths(sequence)}
    owners = (ids.to(device, non_blocking=True) for ids in (sequence.clip_ids, sequence.segment_ids))
    if kind == "flex":
        return {"attention_mask": None, "block_mask": block_mask(*owners)}
    return {"attention_mask": dense_mask(*owners)}


def lengths(sequence: TokenSequence) -> list[list[int]]:
    """Tokens of every clip's prefix and of its questions, in the order in which they lie in the sequence."""
    clips = range(int(sequence.clip_ids[-1]) + 1)
    return [torch.bincount(sequence.segment_ids[sequence.clip_ids == clip]).tolist() for clip in clips]


def rows(sequence: TokenSequence) -> torch.Tensor:
    """bool [A, L]: which tokens the ones before an answer's see; their rows of the dense mask."""
    at, clips, segments = sequence.answer_positions, sequence.clip_ids, sequence.segment_ids
    seen = may_see(clips[at, None], clips[None], segments[at, None], segments[None])
    return seen & (at[:, None] >= torch.arange(len(clips)))


@lru_cache(maxsize=1024)
def _mask(own: int, prefix: int, device: torch.device) -> torch.Tensor:
    """bool [own, prefix + own]: a question's token sees the prefix and, causally, its own question."""
    return torch.ones(own, prefix + own, dtype=torch.bool, device=device).tril(prefix)


def segment_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None = None,
    *,
    segments: list[list[int]],
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers' attention functions: query [1, heads, L, d], key and value [1, key heads, L, d]
    -> [1, L, heads, d]. `segments`: what `lengths` gives."""
    every = [length for clip in segments for length in clip]
    pieces = zip(*(tensor.split(every, dim=2) for tensor in (query, key, value)))
    attend = lambda *qkv, **how: F.scaled_dot_product_attention(
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


def flex_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    *,
    block_mask: Any = None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """The same shapes. Without a BlockMask (a step of decoding) it is SDPA with the mask that is given."""
    grouped = query.shape[1] != key.shape[1]
    if block_mask is None:
        seen = F.scaled_dot_product_attention(
            query, key, value, attn_mask=attention_mask, scale=scaling, enable_gqa=grouped
        )
    else:
        # Heads one after the other in memory: in a compiled layer the rotation writes them so, and the kernel reads them faster.
        query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
        # In a compiled layer it is compiled with it. By itself it would write the L x L scores down: fit for a test.
        attend = _compiled_flex() if query.is_cuda and not torch.compiler.is_compiling() else _flex
        seen = attend(query, key, value, block_mask=block_mask, scale=scaling, enable_gqa=grouped)
    return seen.transpose(1, 2), None


def _flex(*args: Any, **kwargs: Any) -> torch.Tensor:
    from torch.nn.attention import flex_attention as flex

    return flex.flex_attention(*args, **kwargs)


@lru_cache(maxsize=1)
def _compiled_flex() -> Any:
    return compiled.compile_for_lengths(_flex)
