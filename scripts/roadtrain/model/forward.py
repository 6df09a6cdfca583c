"""Qwen3-VL's forward over transformers' own modules, for the sequences of roadtrain.model.sequences.

transformers' forward is written for prompts of its processor: it runs the vision tower's attention frame pair by frame
pair, waits for the GPU to compare counts of tokens, and computes positions that a shared-video sequence has already. This
one runs the same modules with the same weights (tests/unit/model/test_sequences.py compares every gradient with transformers'
forward in float64), all frame pairs of one size together, and never waits for the device.

The letters of shapes are those of roadtrain.model; the vision tower is in vision.py.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from roadtrain.model import attention, vision
from roadtrain.model.sequences import TokenSequence


class AnswerModel(torch.nn.Module):
    """A Qwen3-VL whose call is `answer_logits`, for training: hooks that others put on a module's call (FSDP2's) work.

    The Qwen3-VL itself is `qwen`, with the names of its weights as they are on disk.
    """

    def __init__(self, qwen: Any):
        super().__init__()
        self.qwen = qwen

    def forward(self, sequence: TokenSequence) -> torch.Tensor:
        """Logits [A, U]."""
        return answer_logits(self.qwen, sequence)


def answer_logits(model: Any, sequence: TokenSequence, cache: Any = None) -> torch.Tensor:
    """Logits [A, U] where an answer's token comes next; the head is not computed elsewhere. `cache` collects the keys and
    values of the sequence."""
    device = model.lm_head.weight.device
    moved = {"device": device, "non_blocking": True}  # from pinned memory, where it was prefetched
    core = model.model
    x_LD = core.language_model.embed_tokens(sequence.input_ids.to(**moved))
    levels_VD: list[torch.Tensor] = []
    at_V = visual_positions(model.config, sequence)
    if len(at_V):
        seen_VD, levels_VD = vision_outputs(core.visual, sequence, len(at_V), {**moved, "dtype": x_LD.dtype})
        at_V = at_V.to(**moved)
        x_LD = x_LD.index_copy(0, at_V, seen_VD.to(x_LD.dtype))
    mask = attention.mask_inputs(model, sequence, device)
    at_A = sequence.answer_positions.to(**moved)
    # Of the last layer only the answers' rows are used. On a GPU layers are compiled, each as a whole.
    answers = (at_A, attention.answer_mask(sequence)) if "segments" in mask else None
    position_ids_3L = sequence.position_ids.to(**moved)
    hidden = decoder_states(core.language_model, x_LD, position_ids_3L, cache, mask, at_V, levels_VD, answers)
    return model.lm_head(hidden if answers else hidden[at_A])


def vision_outputs(
    tower: Any, sequence: TokenSequence, count: int, moved: dict[str, Any]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What a sequence's `count` vision tokens are, as `vision.features` gives it: computed from the pixels, or read where a
    frozen tower's outputs were kept. `moved`: arguments of .to() for pixels."""
    if sequence.features or sequence.image_features:
        where = {key: value for key, value in moved.items() if key != "dtype"}
        kinds = [levels for levels in (sequence.features, sequence.image_features) if levels]
        levels = [torch.cat([part.to(**where) for part in parts]) for parts in zip(*kinds, strict=True)]
        return vision.of_kept(tower, levels, count)
    grid = tuple(map(tuple, torch.cat([sequence.grid, sequence.image_grid]).tolist()))
    pixels = torch.cat([sequence.pixels, sequence.image_pixels]) if len(sequence.image_grid) else sequence.pixels
    return vision.features(tower, pixels.to(**moved), grid)


def visual_positions(config: Any, sequence: TokenSequence) -> torch.Tensor:
    """int64 [V]: where the vision tokens lie; the videos' first, then the pictures', as their patches do."""
    ids_L = sequence.input_ids
    return torch.cat([(ids_L == token).nonzero()[:, 0] for token in (config.video_token_id, config.image_token_id)])


def decoder_states(
    decoder: Any,
    x_LD: torch.Tensor,
    position_ids_3L: torch.Tensor,
    cache: Any,
    mask: dict[str, Any],
    visual_at_V: torch.Tensor | None = None,
    levels_VD: Sequence[torch.Tensor] = (),
    answers: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Embedded tokens at M-RoPE positions -> last hidden states [L, D]. `mask`: what the attention takes
    (attention.mask_inputs). `levels_VD`: what the first layers add at the vision tokens. `answers`: (rows [A], which keys
    each of them sees [A, L]) -> [A, D], theirs alone."""
    x_1LD = x_LD[None]
    position_embeddings = decoder.rotary_emb(x_1LD, position_ids_3L[:, None])
    for number, layer in enumerate(decoder.layers):
        # FSDP2's hooks are on the whole layer's call: a sharded one (it has `unshard`) computes every row.
        if answers and number == len(decoder.layers) - 1 >= len(levels_VD) and not hasattr(layer, "unshard"):
            return decoder.norm(_some_rows(layer, x_1LD, position_embeddings, cache, *answers))[0]
        x_1LD = layer(x_1LD, position_embeddings=position_embeddings, past_key_values=cache, **mask)
        if number < len(levels_VD):
            x_1LD = x_1LD.index_add(1, visual_at_V, levels_VD[number].to(x_1LD.dtype)[None])
    x_1LD = decoder.norm(x_1LD)
    return x_1LD[0, answers[0]] if answers else x_1LD[0]


def _some_rows(
    layer: Any, x_1LD: torch.Tensor, position_embeddings: Any, cache: Any, rows_A: torch.Tensor, mask_AL: torch.Tensor
) -> torch.Tensor:
    """Qwen3VLTextDecoderLayer.forward, for some rows -> [1, A, D]. All give keys and values."""
    attend = layer.self_attn
    x_1AD, normed_1LD = x_1LD.index_select(1, rows_A), layer.input_layernorm(x_1LD)
    cos_11LE, sin_11LE = (part[:, None] for part in position_embeddings)

    def heads(part: torch.Tensor) -> torch.Tensor:
        return part.unflatten(-1, (-1, attend.head_dim))

    q_1HAE = attend.q_norm(heads(attend.q_proj(normed_1LD.index_select(1, rows_A)))).transpose(1, 2)
    q_1HAE = _rotated(q_1HAE, cos_11LE.index_select(2, rows_A), sin_11LE.index_select(2, rows_A))
    k_1GLE = _rotated(attend.k_norm(heads(attend.k_proj(normed_1LD))).transpose(1, 2), cos_11LE, sin_11LE)
    v_1GLE = heads(attend.v_proj(normed_1LD)).transpose(1, 2)
    if cache is not None:
        k_1GLE, v_1GLE = cache.update(k_1GLE, v_1GLE, attend.layer_idx)
    grouped = q_1HAE.shape[1] != k_1GLE.shape[1]
    out_1HAE = F.scaled_dot_product_attention(
        q_1HAE, k_1GLE, v_1GLE, attn_mask=mask_AL[None, None], scale=attend.scaling, enable_gqa=grouped
    )
    x_1AD = x_1AD + attend.o_proj(out_1HAE.transpose(1, 2).flatten(2))
    return x_1AD + layer.mlp(layer.post_attention_layernorm(x_1AD))


def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin
