"""Qwen3-VL's vision tower over transformers' own modules: all frame pairs of one size attend together.

The letters of shapes are those of roadtrain.model; here D is the tower's width until the mergers change it to the model's.
"""

import contextlib
import types
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F

from roadtrain.model.parts import tower_is_frozen
from roadtrain.model.patch_places import grid_taps, merge_order, rotary_angles

Grid = tuple[tuple[int, int, int], ...]  # (frame pairs, rows, columns) in patches, of each medium
Runs = tuple[tuple[int, int], ...]  # (frame pairs, patches of each), in the order of the patches


def features(tower: Any, pixels: torch.Tensor, grid: Grid) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Patches [N, 1536] -> vision tokens [V, D], and what each deepstack level adds to them in the decoder [V, D]."""
    return project(tower, hidden_states(tower, pixels, grid))


def project(tower: Any, states_ND: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """What `hidden_states` gives -> what `features` gives: the mergers."""
    last_ND, *levels_ND = states_ND
    indexes = tower.deepstack_visual_indexes
    mergers = [tower.deepstack_merger_list[indexes.index(number)] for number in sorted(indexes)]
    return tower.merger(last_ND), [merger(level) for merger, level in zip(mergers, levels_ND, strict=True)]


def of_kept(tower: Any, levels: Sequence[torch.Tensor], count: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """A medium's kept features (model/features.py) -> what `features` gives, for `count` vision tokens."""
    first, *others = levels
    if len(first) == count:
        return first, others
    return project(tower, levels)  # rows are patches: cut off before the mergers


def hidden_states(tower: Any, pixels: torch.Tensor, grid: Grid) -> list[torch.Tensor]:
    """Patches [N, 1536] -> what comes out of the last block and of each deepstack level's [N, D]. A frozen tower keeps
    nothing for a backward pass."""
    with contextlib.nullcontext() if _keeps_graph(tower) else torch.no_grad():
        return _run_blocks(tower, pixels, grid)


def _keeps_graph(tower: Any) -> bool:
    return torch.is_grad_enabled() and not tower_is_frozen(tower)


def _run_blocks(tower: Any, pixels: torch.Tensor, grid: Grid) -> list[torch.Tensor]:
    _take_frames_together(tower)
    runs, tables, cos_NE, sin_NE = _layout(tower, grid, pixels.device)
    projection = tower.patch_embed.proj  # a convolution without overlap is a matrix product, and faster as one
    x_ND = F.linear(pixels, projection.weight.flatten(1), projection.bias)
    x_ND = x_ND + _learned_positions(tower, grid, tables).to(x_ND.dtype)
    levels_ND = []
    for number, block in enumerate(tower.blocks):
        x_ND = block(x_ND, cu_seqlens=None, position_embeddings=(cos_NE, sin_NE), runs=runs)
        if number in tower.deepstack_visual_indexes:
            levels_ND.append(x_ND)
    return [x_ND, *levels_ND]


def _take_frames_together(tower: Any) -> None:
    """Replace the attention of the vision tower, once. transformers' own forward of the model goes on working."""
    for block in tower.blocks:
        if "forward" not in vars(block.attn):
            block.attn.forward = types.MethodType(_frame_attention, block.attn)


def _frame_attention(
    self: Any,
    x_ND: torch.Tensor,
    cu_seqlens: torch.Tensor | None,
    position_embeddings: Any,
    *,
    runs: Runs | None = None,
    **_: Any,
) -> torch.Tensor:
    """Qwen3VLVisionAttention.forward -> [N, D]; a patch sees its own frame pair. `runs` stands for cu_seqlens without
    asking the device."""
    if runs is None:
        assert cu_seqlens is not None
        runs = tuple((1, patches) for patches in cu_seqlens.diff().tolist())
    q_NHE, k_NHE, v_NHE = self.qkv(x_ND).reshape(len(x_ND), 3, self.num_heads, -1).unbind(1)
    cos_N1E, sin_N1E = (part[:, None] for part in position_embeddings)
    q_NHE, k_NHE = _rotated(q_NHE, cos_N1E, sin_N1E), _rotated(k_NHE, cos_N1E, sin_N1E)
    sizes = [pairs * patches for pairs, patches in runs]
    outputs = []
    for (pairs, patches), *run in zip(runs, *(tensor.split(sizes) for tensor in (q_NHE, k_NHE, v_NHE)), strict=True):
        # [pairs, H, patches of a pair, E]
        q, k, v = (tensor.reshape(pairs, patches, self.num_heads, -1).transpose(1, 2) for tensor in run)
        out = F.scaled_dot_product_attention(q, k, v, scale=self.scaling)
        outputs.append(out.transpose(1, 2).reshape(pairs * patches, -1))
    return self.proj(outputs[0] if len(outputs) == 1 else torch.cat(outputs))


def _rotated(x_NHE: torch.Tensor, cos_N1E: torch.Tensor, sin_N1E: torch.Tensor) -> torch.Tensor:
    """As transformers' apply_rotary_pos_emb_vision: in float32 or wider. Not asked for there: a compiled block can't import."""
    wide = torch.promote_types(x_NHE.dtype, torch.float32)
    first, second = x_NHE.to(wide).chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1) * sin_N1E.to(wide)
    return (x_NHE.to(wide) * cos_N1E.to(wide) + turned).to(x_NHE.dtype)


def _learned_positions(tower: Any, grid: Grid, tables: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """[N, D]: the learned position grid, resampled to each frame pair's rows and columns."""
    parts = []
    for (pairs, _, _), (indices, weights) in zip(grid, tables, strict=True):
        of_pair = (tower.pos_embed(indices) * weights[:, :, None]).sum(1)
        parts.append(of_pair.expand(pairs, -1, -1).flatten(0, 1))
    return torch.cat(parts)


Layout = tuple[Runs, list[tuple[torch.Tensor, torch.Tensor]], torch.Tensor, torch.Tensor]


def _layout(tower: Any, grid: Grid, device: torch.device) -> Layout:
    """What depends on the shapes of the videos only: runs, indices and weights of each one's learned positions, cosine and
    sine [N, E] of the rotary ones."""
    return _computed_layout(tower.rotary_pos_emb, tower.num_grid_per_side, tower.spatial_merge_size, grid, device)


@lru_cache(maxsize=64)
def _computed_layout(rotary: Any, side: int, merge: int, grid: Grid, device: torch.device) -> Layout:
    """Of the tower only its rotary module, which has no weights: a cache that holds a tower keeps a deleted model in memory."""
    runs: list[tuple[int, int]] = []
    learned, rotations = [], []
    for pairs, rows, columns in grid:
        if runs and runs[-1][1] == rows * columns:
            runs[-1] = (runs[-1][0] + pairs, rows * columns)
        else:
            runs.append((pairs, rows * columns))
        places = merge_order(rows, columns, merge)
        taps, shares = grid_taps(places, rows, columns, side)
        learned.append((taps.to(device), shares.to(device)))
        angles = rotary_angles(places.to(device), rotary.inv_freq.to(device))
        rotations.append([part.repeat(pairs, 1) for part in angles])
    cos_NE, sin_NE = (torch.cat(parts) for parts in zip(*rotations, strict=True))
    return tuple(runs), learned, cos_NE, sin_NE
