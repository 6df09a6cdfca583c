"""Attention over a shared-video sequence: three ways to compute what the mask of sequences.py says.

dense      transformers' SDPA with the L x L mask: the definition, and the fallback everywhere
segments   on a CPU: a question sees the video's prefix and itself, so K questions of S tokens need K x S x (P + S) scores,
           not (P + K x S)^2. A loop over the questions is faster there than padding them to one length (1.07 times,
           measured on the sample), and the dense mask takes 1.27 times as long a training step
flex       on a GPU: flex_attention with the BlockMask, compiled

transformers calls the function that `set_attention` names in every layer of the language model. The letters of shapes are
those of roadtrain.model.
"""

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F

from roadtrain.model import compiled
from roadtrain.model.sequences import TokenSequence, block_mask, dense_mask, may_see

NAMES = {"dense": "sdpa", "segments": "roadtrain_segments", "flex": "roadtrain_flex"}


def set_attention(model: Any, kind: str) -> None:
    """Let the language model attend in this way; the vision tower keeps SDPA."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAMES["segments"], segment_attention)
    AttentionInterface.register(NAMES["flex"], flex_attention)
    model.set_attn_implementation({"text_config": NAMES[kind], "vision_config": "sdpa"})


def attention_kind(model: Any) -> str:
    """dense, segments or flex."""
    implementation = model.config.text_config._attn_implementation
    return next(kind for kind, name in NAMES.items() if name == implementation)


def mask_inputs(model: Any, sequence: TokenSequence, device: torch.device) -> dict[str, Any]:
    """What a decoder layer takes beside the hidden states. Always a mask of some kind: without one transformers 4.57 takes
    restarted positions for packed documents."""
    kind = attention_kind(model)
    if kind == "segments":
        return {"attention_mask": None, "segments": segment_lengths(sequence)}
    clip_ids_L = sequence.clip_ids.to(device, non_blocking=True)
    segment_ids_L = sequence.segment_ids.to(device, non_blocking=True)
    if kind == "flex":
        return {"attention_mask": None, "block_mask": block_mask(clip_ids_L, segment_ids_L)}
    return {"attention_mask": dense_mask(clip_ids_L, segment_ids_L)}


def segment_lengths(sequence: TokenSequence) -> list[list[int]]:
    """Tokens of every clip's prefix and of its questions, in the order in which they lie in the sequence."""
    clips = range(int(sequence.clip_ids[-1]) + 1)
    return [torch.bincount(sequence.segment_ids[sequence.clip_ids == clip]).tolist() for clip in clips]


def answer_mask(sequence: TokenSequence) -> torch.Tensor:
    """bool [A, L]: which tokens the ones before an answer's see; their rows of the dense mask."""
    at_A, clips_L, segments_L = sequence.answer_positions, sequence.clip_ids, sequence.segment_ids
    visible_AL = may_see(clips_L[at_A, None], clips_L[None], segments_L[at_A, None], segments_L[None])
    return visible_AL & (at_A[:, None] >= torch.arange(len(clips_L)))


@lru_cache(maxsize=1024)
def _question_mask(question: int, prefix: int, device: torch.device) -> torch.Tensor:
    """bool [S, P + S]: a question's token sees the prefix and, causally, its own question."""
    return torch.ones(question, prefix + question, dtype=torch.bool, device=device).tril(prefix)


def segment_attention(
    module: Any,
    q_1HLE: torch.Tensor,
    k_1GLE: torch.Tensor,
    v_1GLE: torch.Tensor,
    attention_mask: None = None,
    *,
    segments: list[list[int]],
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers' attention functions -> [1, L, H, E]. `segments`: what `segment_lengths` gives."""
    lengths = [length for clip in segments for length in clip]
    pieces = zip(*(tensor.split(lengths, dim=2) for tensor in (q_1HLE, k_1GLE, v_1GLE)), strict=True)
    options: dict[str, Any] = {"scale": scaling, "enable_gqa": q_1HLE.shape[1] != k_1GLE.shape[1]}
    outputs = []
    for prefix, *questions in segments:
        q_1HPE, k_1GPE, v_1GPE = next(pieces)
        outputs.append(F.scaled_dot_product_attention(q_1HPE, k_1GPE, v_1GPE, is_causal=True, **options))
        for question in questions:
            q_1HSE, k_1GSE, v_1GSE = next(pieces)
            keys, values = torch.cat([k_1GPE, k_1GSE], 2), torch.cat([v_1GPE, v_1GSE], 2)  # [1, G, P + S, E]
            mask = _question_mask(question, prefix, q_1HLE.device)
            outputs.append(F.scaled_dot_product_attention(q_1HSE, keys, values, attn_mask=mask, **options))
    return torch.cat(outputs, dim=2).transpose(1, 2), None


def flex_attention(
    module: Any,
    q_1HLE: torch.Tensor,
    k_1GTE: torch.Tensor,
    v_1GTE: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    *,
    block_mask: Any = None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers' attention functions -> [1, L, H, E]. Without a BlockMask (a step of decoding) it is SDPA with the
    mask that is given."""
    if block_mask is None:
        assert attention_mask is not None
        out_1HLE = _grouped_attention(q_1HLE, k_1GTE, v_1GTE, attention_mask, scaling)
    else:
        grouped = q_1HLE.shape[1] != k_1GTE.shape[1]
        # Heads one after the other in memory: in a compiled layer the rotation writes them so, and the kernel reads them faster.
        q_1HLE, k_1GTE, v_1GTE = q_1HLE.contiguous(), k_1GTE.contiguous(), v_1GTE.contiguous()
        # In a compiled layer it is compiled with it. By itself it would write the L x L scores down: fit for a test.
        attend = _compiled_flex() if q_1HLE.is_cuda and not torch.compiler.is_compiling() else _flex
        out_1HLE = attend(q_1HLE, k_1GTE, v_1GTE, block_mask=block_mask, scale=scaling, enable_gqa=grouped)
    return out_1HLE.transpose(1, 2), None


def _grouped_attention(
    q_1HLE: torch.Tensor, k_BGTE: torch.Tensor, v_BGTE: torch.Tensor, mask_B1KT: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    """SDPA -> [1, H, L, E] for few queries, K of each of B clips that have keys of their own. The heads that share keys are
    queries of one head: the kernels that take a mask know nothing of groups, and copies of the keys for every head would be
    most of a step's work."""
    clips, groups = k_BGTE.shape[:2]
    heads = q_1HLE.shape[1] // groups
    q_GNBKE = q_1HLE[0].unflatten(0, (groups, heads)).unflatten(2, (clips, -1))
    q_BGRE = q_GNBKE.permute(2, 0, 1, 3, 4).flatten(2, 3)
    mask = mask_B1KT.repeat(1, 1, heads, 1)
    out_BGRE = F.scaled_dot_product_attention(q_BGRE, k_BGTE, v_BGTE, attn_mask=mask, scale=scaling)
    return out_BGRE.unflatten(2, (heads, -1)).permute(1, 2, 0, 3, 4).reshape(q_1HLE.shape)


def _flex(*args: Any, **kwargs: Any) -> torch.Tensor:
    from torch.nn.attention import flex_attention as flex

    return flex.flex_attention(*args, **kwargs)


@lru_cache(maxsize=1)
def _compiled_flex() -> Any:
    return compiled.compile_for_lengths(_flex)
