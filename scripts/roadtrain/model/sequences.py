"""Shared-video sequences: [video] [Q1 A1] .. [QK AK] as one sequence with the loss of K separate ones.

Segment k sees the prefix and, causally, itself; its M-RoPE positions begin right after the prefix. Then every logit
at an answer equals that of the sequence [video] [Qk Ak] alone (tests/unit/model/test_sequences.py), and the vision tower and
the prefix are computed once instead of K times. Several clips can stand in one sequence: a segment belongs to one.

No engine code here. The letters of shapes are those of roadtrain.model.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import torch

from roadtrain.model.prompts import Prefix, Segment

NO_ANSWER = -100  # Hugging Face's label of a token that has no loss


@dataclass(frozen=True)
class TokenSequence:
    """One or several clips with their questions."""

    input_ids: torch.Tensor  # int64 [L]
    position_ids: torch.Tensor  # int64 [3, L]: time, row, column
    clip_ids: torch.Tensor  # int64 [L]: which clip a token belongs to
    segment_ids: torch.Tensor  # int64 [L]: 0 in a prefix, 1..K in its questions
    answer_positions: torch.Tensor  # int64 [A]: where the next token is an answer's
    targets: torch.Tensor  # int64 [A]: that token
    target_questions: torch.Tensor  # int64 [A]: which question it belongs to, 0.. in order
    pixels: torch.Tensor  # float [N, 1536] of all videos
    grid: torch.Tensor  # int64 [M, 3]: frame pairs, rows and columns of each video
    questions: int
    image_pixels: torch.Tensor  # float [N, 1536] of all pictures
    image_grid: torch.Tensor  # int64 [M, 3]
    # In the place of pixels: a frozen tower's outputs, a tensor a level (model/features.py).
    features: tuple[torch.Tensor, ...] = ()  # of all videos
    image_features: tuple[torch.Tensor, ...] = ()

    def labels(self) -> torch.Tensor:
        """int64 [L] as Hugging Face wants them: an answer's token at its own place, -100 elsewhere."""
        labels_L = torch.full_like(self.input_ids, NO_ANSWER)
        labels_L[self.answer_positions + 1] = self.targets
        return labels_L

    def padded(self, multiple: int) -> "TokenSequence":
        """Longer, to a multiple of so many tokens: few lengths, for code that is compiled for a length. What is added is
        a clip of its own that no question sees."""
        more = -len(self.input_ids) % multiple
        if not more:
            return self
        last_clip, places = int(self.clip_ids[-1]), torch.arange(more)
        return replace(
            self,
            input_ids=torch.cat([self.input_ids, self.input_ids[:1].expand(more)]),
            position_ids=torch.cat([self.position_ids, places.expand(3, -1)], dim=1),
            clip_ids=torch.cat([self.clip_ids, torch.full((more,), last_clip + 1)]),
            segment_ids=torch.cat([self.segment_ids, torch.zeros(more, dtype=torch.long)]),
        )

    def pinned(self, dtype: torch.dtype) -> "TokenSequence":
        """In page-locked memory, pixels in `dtype`: a copy to a GPU needn't wait for the GPU then."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, part in parts.items():
            if name in ("pixels", "image_pixels"):
                part = part.to(dtype)
            if torch.is_tensor(part) and part.numel() and name not in ("grid", "image_grid"):  # those stay here
                parts[name] = part.pin_memory()
            if name in ("features", "image_features"):
                parts[name] = tuple(level.pin_memory() for level in part)
        return TokenSequence(**parts)


def vision_positions(prefix: Prefix, video_token: int, merge: int = 2) -> tuple[torch.Tensor, int]:
    """M-RoPE positions [3, P] of a prefix, and the position of the token that follows it.

    As Qwen3-VL's get_rope_index: text advances by one; the tokens of a frame pair, or of a picture, share the time,
    their rows and columns count from it; text goes on after the largest.
    """
    frames = {
        token: iter([(rows // merge, columns // merge) for pairs, rows, columns in grid.tolist() for _ in range(pairs)])
        for token, grid in ((video_token, prefix.grid), (prefix.image_token, prefix.image_grid))
    }
    parts, position, start, ids = [], 0, 0, prefix.input_ids.tolist()
    while start < len(ids):
        if ids[start] in frames:
            rows, columns = next(frames[ids[start]])
            parts.append(_frame_positions(rows, columns) + position)
            position += max(rows, columns)
            start += rows * columns
        else:
            end = start
            while end < len(ids) and ids[end] not in frames:
                end += 1
            parts.append((torch.arange(end - start) + position).expand(3, -1))
            position += end - start
            start = end
    return torch.cat(parts, dim=1), position


@lru_cache(maxsize=64)
def _frame_positions(rows: int, columns: int) -> torch.Tensor:
    """int64 [3, rows * columns]: time, row and column of each token of a frame pair."""
    return torch.stack(
        [
            torch.zeros(rows * columns, dtype=torch.long),
            torch.arange(rows).repeat_interleave(columns),
            torch.arange(columns).repeat(rows),
        ]
    )


def build(clips: Sequence[tuple[Prefix, Sequence[Segment]]], video_token: int, answers: bool = True) -> TokenSequence:
    """Clips with their questions -> one sequence. `answers=False` leaves the answers out, to be generated:
    answer_positions are then the last tokens of the questions."""
    ids, positions, clip_ids, segment_ids = [], [], [], []  # a tensor a prefix and a segment, joined below
    answer_positions: list[int] = []
    targets: list[int] = []
    target_questions: list[int] = []
    length = question = 0

    def add(ids_S: torch.Tensor, positions_3S: torch.Tensor, clip: int, segment: int) -> None:
        nonlocal length
        ids.append(ids_S)
        positions.append(positions_3S)
        clip_ids.append(torch.full((len(ids_S),), clip))
        segment_ids.append(torch.full((len(ids_S),), segment))
        length += len(ids_S)

    for clip, (prefix, segments) in enumerate(clips):
        positions_3P, next_position = vision_positions(prefix, video_token)
        add(prefix.input_ids, positions_3P, clip, 0)
        for k, segment in enumerate(segments, start=1):
            first = length + len(segment.prompt_ids) - 1
            answer = segment.answer_ids if answers else [NO_ANSWER]
            answer_positions += range(first, first + len(answer))
            targets += answer
            target_questions += [question] * len(answer)
            question += 1
            tokens = segment.prompt_ids + (segment.answer_ids if answers else [])
            add(torch.tensor(tokens), (torch.arange(len(tokens)) + next_position).expand(3, -1), clip, k)
    return TokenSequence(
        input_ids=torch.cat(ids),
        position_ids=torch.cat(positions, dim=1),
        clip_ids=torch.cat(clip_ids),
        segment_ids=torch.cat(segment_ids),
        answer_positions=torch.tensor(answer_positions),
        targets=torch.tensor(targets),
        target_questions=torch.tensor(target_questions),
        pixels=_joined([prefix.pixels for prefix, _ in clips]),
        grid=torch.cat([prefix.grid for prefix, _ in clips]),
        questions=question,
        image_pixels=_joined([prefix.image_pixels for prefix, _ in clips]),
        image_grid=torch.cat([prefix.image_grid for prefix, _ in clips]),
        features=_joined_levels([prefix.features for prefix, _ in clips]),
        image_features=_joined_levels([prefix.image_features for prefix, _ in clips]),
    )


def _joined_levels(clips: Sequence[tuple[torch.Tensor, ...]]) -> tuple[torch.Tensor, ...]:
    """Each level's rows of all clips; some have none."""
    return tuple(_joined(list(level)) for level in zip(*filter(None, clips), strict=True))


def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
    """One part is not copied: it may lie in page-locked memory."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def may_see(
    query_clip: torch.Tensor, key_clip: torch.Tensor, query_segment: torch.Tensor, key_segment: torch.Tensor
) -> torch.Tensor:
    """The rule without causality: same clip, and the key is in the prefix or in the query's own segment. Shapes that
    broadcast -> bool of their common shape."""
    return (query_clip == key_clip) & ((key_segment == 0) | (key_segment == query_segment))


def dense_mask(clip_ids_L: torch.Tensor, segment_ids_L: torch.Tensor) -> torch.Tensor:
    """bool [1, 1, L, L] for SDPA: row = query, column = key, True = may see."""
    place_L = torch.arange(len(segment_ids_L), device=segment_ids_L.device)
    visible_LL = may_see(clip_ids_L[:, None], clip_ids_L[None], segment_ids_L[:, None], segment_ids_L[None])
    return (visible_LL & (place_L[:, None] >= place_L[None]))[None, None]


def block_mask(clip_ids_L: torch.Tensor, segment_ids_L: torch.Tensor, block: int = 128) -> Any:
    """The same rule as a BlockMask for flex_attention, for a multiple of `block` tokens (TokenSequence.padded). Which blocks
    are empty, full or in part is read off the dense mask: about a millisecond on a GPU, where the generic
    create_block_mask has to be compiled to be as fast."""
    from torch.nn.attention.flex_attention import BlockMask

    count = len(segment_ids_L) // block
    tiles = dense_mask(clip_ids_L, segment_ids_L).view(count, block, count, block)
    some, every = tiles.any(3).any(1), tiles.all(3).all(1)  # bool [count, count]

    def rule(batch: Any, head: Any, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        visible = may_see(clip_ids_L[query], clip_ids_L[key], segment_ids_L[query], segment_ids_L[key])
        return visible & (query >= key)

    return BlockMask.from_kv_blocks(*_block_lists(some & ~every), *_block_lists(every), BLOCK_SIZE=block, mask_mod=rule)


def _block_lists(blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """bool [rows, columns] -> how many columns of a row are set, int32 [1, 1, rows], and which, these first."""
    numbers = blocks.sum(1, dtype=torch.int32)
    columns = torch.argsort(blocks.to(torch.int8), dim=1, descending=True, stable=True).to(torch.int32)
    return numbers[None, None], columns[None, None]


def vision_inputs(sequence: TokenSequence, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """What transformers' own forward takes for videos and pictures; a sequence may lack either. Kept features stand where
    pixels would, as [levels, rows, D] (quantize/recipe.py has a tower that takes them)."""
    inputs: dict[str, torch.Tensor] = {}
    if len(sequence.grid):
        pixels = torch.stack(sequence.features) if sequence.features else sequence.pixels
        inputs |= {"pixel_values_videos": pixels.to(dtype), "video_grid_thw": sequence.grid}
    if len(sequence.image_grid):
        pixels = torch.stack(sequence.image_features) if sequence.image_features else sequence.image_pixels
        inputs |= {"pixel_values": pixels.to(dtype), "image_grid_thw": sequence.image_grid}
    return inputs
