"""Qwen3-VL's forward over transformers' own modules, for the sequences of roadtrain.model.sequences.

transformers' forward is written for prompts of its processor: it runs the vision tower's attention frame pair by frame
pair, waits for the GPU to compare counts of tokens, and computes positions that a shared-video sequence has already. This
one runs the same modules with the same weights (tests/unit/model/test_sequences.py compares every gradient with transformers'
forward in float64), all frame pairs of one size together, and never waits for the device.

L is the length of a sequence, A its answer tokens, N the patches of its videos and pictures, V = N / 4 its vision tokens.
"""

import types
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F

from roadtrain.model import attention
from roadtrain.model.sequences import TokenSequence

Runs = tuple[tuple[int, int], ...]  # (frame pairs, patches of each), in the order of the patches


def answer_logits(model: Any, sequence: TokenSequence, cache: Any = None) -> torch.Tensor:
    """Logits [A, vocabulary] where an answer's token comes next; the head is not computed elsewhere. `cache` collects the
    keys and values of the sequence."""
    device = model.lm_head.weight.device
    moved = {"device": device, "non_blocking": True}  # from pinned memory, where it was prefetched
    core = model.model
    x = core.language_model.embed_tokens(sequence.input_ids.to(**moved))
    levels: list[torch.Tensor] = []
    at = visual_positions(model.config, sequence)
    if len(at):
        grid = tuple(map(tuple, torch.cat([sequence.grid, sequence.image_grid]).tolist()))
        pixels = torch.cat([sequence.pixels, sequence.image_pixels]) if len(sequence.image_grid) else sequence.pixels
        seen, levels = see(core.visual, pixels.to(**moved, dtype=x.dtype), grid)
        at = at.to(**moved)
        x = x.index_copy(0, at, seen.to(x.dtype))
    how, wanted = attention.inputs(model, sequence, device), sequence.answer_positions.to(**moved)
    # Of the last layer only the answers' rows are used. On a GPU layers are compiled, each as a whole.
    only = (wanted, attention.rows(sequence)) if "segments" in how else None
    hidden = text(core.language_model, x, sequence.position_ids.to(**moved), cache, how, at, levels, only)
    return model.lm_head(hidden if only else hidden[wanted])


def visual_positions(config: Any, sequence: TokenSequence) -> torch.Tensor:
    """int64 [V]: where the vision tokens lie; the videos' first, then the pictures', as their patches do."""
    ids = sequence.input_ids
    return torch.cat([(ids == config.video_token_id).nonzero()[:, 0], (ids == config.image_token_id).nonzero()[:, 0]])


def see(
    tower: Any, pixels: torch.Tensor, grid: tuple[tuple[int, int, int], ...]
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Patches [N, 1536] -> vision tokens [V, width], and what each deepstack level adds to them in the decoder."""
    _take_frames_together(tower)
    runs, *tables = _layout(tower, grid, pixels.device)
    projection = tower.patch_embed.proj  # a convolution without overlap is a matrix product, and faster as one
    x = F.linear(pixels, projection.weight.flatten(1), projection.bias)
    x = x + _learned_positions(tower, grid, tables[0]).to(x.dtype)
    levels = []
    for number, block in enumerate(tower.blocks):
        x = block(x, cu_seqlens=None, position_embeddings=tuple(tables[1:]), runs=runs)
        if number in tower.deepstack_visual_indexes:
            levels.append(tower.deepstack_merger_list[tower.deepstack_visual_indexes.index(number)](x))
    return tower.merger(x), levels


def text(
    decoder: Any,
    x: torch.Tensor,
    position_ids: torch.Tensor,
    cache: Any,
    how: dict[str, Any],
    visual_at: torch.Tensor | None = None,
    levels: Sequence[torch.Tensor] = (),
    only: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Embedded tokens [L, width] at M-RoPE positions [3, L] -> last hidden states [L, width]. `how`: what the attention
    takes (attention.inputs). `only`: (rows [A], which keys each of them sees [A, L]) -> [A, width], theirs alone."""
    x = x[None]
    position_embeddings = decoder.rotary_emb(x, position_ids[:, None])
    for number, layer in enumerate(decoder.layers):
        # FSDP2's hooks are on the whole layer's call: a sharded one (it has `unshard`) computes every row.
        if only and number == len(decoder.layers) - 1 >= len(levels) and not hasattr(layer, "unshard"):
            return decoder.norm(_some_rows(layer, x, position_embeddings, cache, *only))[0]
        x = layer(x, position_embeddings=position_embeddings, past_key_values=cache, **how)
        if number < len(levels):
            x = x.index_add(1, visual_at, levels[number].to(x.dtype)[None])
    x = decoder.norm(x)
    return x[0, only[0]] if only else x[0]


def _some_rows(
    layer: Any, x: torch.Tensor, position_embeddings: Any, cache: Any, rows: torch.Tensor, seen: torch.Tensor
) -> torch.Tensor:
    """Qwen3VLTextDecoderLayer.forward: [1, L, width] -> [1, A, width], for some rows. All give keys and values."""
    attend = layer.self_attn
    own, every = x.index_select(1, rows), layer.input_layernorm(x)
    cos, sin = (part[:, None] for part in position_embeddings)
    split = lambda part: part.unflatten(-1, (-1, attend.head_dim))
    query = attend.q_norm(split(attend.q_proj(every.index_select(1, rows)))).transpose(1, 2)
    query = _rotated(query, cos.index_select(2, rows), sin.index_select(2, rows))
    key = _rotated(attend.k_norm(split(attend.k_proj(every))).transpose(1, 2), cos, sin)
    value = split(attend.v_proj(every)).transpose(1, 2)
    if cache is not None:
        key, value = cache.update(key, value, attend.layer_idx)
    grouped = query.shape[1] != key.shape[1]
    out = F.scaled_dot_product_attention(
        query, key, value, attn_mask=seen[None, None], scale=attend.scaling, enable_gqa=grouped
    )
    own = own + attend.o_proj(out.transpose(1, 2).flatten(2))
    return own + layer.mlp(layer.post_attention_layernorm(own))


def _rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


def _take_frames_together(tower: Any) -> None:
    """Replace the attention of the vision tower, once. transformers' own forward of the model goes on working."""
    for block in tower.blocks:
        if "forward" not in vars(block.attn):
            block.attn.forward = types.MethodType(_frame_attention, block.attn)


def _frame_attention(
    self: Any,
    hidden_states: torch.Tensor,
    cu_seqlens: torch.Tensor | None,
    position_embeddings: Any,
    *,
    runs: Runs | None = None,
    **_: Any,
) -> torch.Tensor:
    """Qwen3VLVisionAttention.forward: [N, width] -> [N, width]; a patch sees its own frame pair. `runs` stands for
    cu_seqlens without asking the device."""
    from transformers.models.qwen3_vl import modeling_qwen3_vl as qwen

    runs = tuple((1, patches) for patches in cu_seqlens.diff().tolist()) if runs is None else runs
    q, k, v = self.qkv(hidden_states).reshape(len(hidden_states), 3, self.num_heads, -1).unbind(1)
    q, k = qwen.apply_rotary_pos_emb_vision(q, k, *position_embeddings)
    sizes = [pairs * patches for pairs, patches in runs]
    seen = []
    for (pairs, patches), *qkv in zip(runs, *(tensor.split(sizes) for tensor in (q, k, v))):
        together = (tensor.reshape(pairs, patches, self.num_heads, -1).transpose(1, 2) for tensor in qkv)
        out = F.scaled_dot_product_attention(*together, scale=self.scaling)
        seen.append(out.transpose(1, 2).reshape(pairs * patches, -1))
    return self.proj(seen[0] if len(seen) == 1 else torch.cat(seen))


def _learned_positions(tower: Any, grid: tuple, tables: list) -> torch.Tensor:
    """[N, width]: the learned position grid, resampled to each frame pair's rows and columns."""
    parts = []
    for (pairs, rows, columns), (indices, weights) in zip(grid, tables):
        one = (tower.pos_embed(indices) * weights[:, :, None]).sum(1)
        parts.append(one.expand(pairs, -1, -1).flatten(0, 1))
    return torch.cat(parts)


def _layout(tower: Any, grid: tuple, device: torch.device) -> tuple[Runs, list, torch.Tensor, torch.Tensor]:
    """What depends on the shapes of the videos only: runs, indices and weights of the learned positions, cosine and sine
    [N, head dim] of the rotary ones."""
    sides = (
        tower.num_grid_per_side,
        tower.interpolation_mode,
        tower.interpolation_align_corners,
        tower.spatial_merge_size,
    )
    return _made_layout(tower.rotary_pos_emb, sides, grid, device)


@lru_cache(maxsize=64)
def _made_layout(
    rotary: Any, sides: tuple, grid: tuple, device: torch.device
) -> tuple[Runs, list, torch.Tensor, torch.Tensor]:
    """Of the tower only its rotary module, which has no weights: a cache that holds a tower keeps a deleted model in memory."""
    from transformers.models.qwen3_vl import modeling_qwen3_vl as qwen

    per_side, mode, align_corners, merge = sides
    runs: list[tuple[int, int]] = []
    learned, cosines = [], []
    for pairs, rows, columns in grid:
        if runs and runs[-1][1] == rows * columns:
            runs[-1] = (runs[-1][0] + pairs, rows * columns)
        else:
            runs.append((pairs, rows * columns))
        one = torch.tensor([[1, rows, columns]])
        tables = qwen.get_vision_interpolation_indices_and_weights(
            one,
            num_grid_per_side=per_side,
            mode=mode,
            align_corners=align_corners,
            spatial_merge_size=merge,
            kwargs={},
        )
        learned.append([table.to(device) for table in tables])
        places = qwen.get_vision_position_ids(one, merge, kwargs={}).to(device)
        cosines.append([part.repeat(pairs, 1) for part in rotary(torch.empty(0, device=device), places)])
    return tuple(runs), learned, *(torch.cat(parts) for parts in zip(*cosines))
