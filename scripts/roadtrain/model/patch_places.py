"""Where the patches of a frame lie: their order, their share of the learned position grid, their rotary angles.

Written down here, not asked of transformers, whose functions for it have other names in every release; that both releases that
run here (4.57 beside cosmos-rl, 5 elsewhere) compute the same is tested (tests/unit/model/test_patch_places.py, tests/engines/test_cosmos_rl.py).
The letters of shapes are those of roadtrain.model; here N is the patches of one frame pair.
"""

import torch


def merge_order(rows: int, columns: int, merge: int) -> torch.Tensor:
    """int64 [N, 2]: row and column of each patch. Those that become one token (`merge` x `merge`) follow one another."""
    places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
    tiles = places.view(rows // merge, merge, columns // merge, merge, 2)
    return tiles.transpose(1, 2).reshape(-1, 2)


def grid_taps(places_N2: torch.Tensor, rows: int, columns: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Bilinear resampling of the learned grid, `side` x `side`, to a frame of rows x columns, corner on corner: which four of
    the grid's entries a patch takes, int64 [N, 4], and how much of each, float32 [N, 4]."""
    row_taps, row_shares = _axis_taps(places_N2[:, 0], rows, side)
    column_taps, column_shares = _axis_taps(places_N2[:, 1], columns, side)
    taps = row_taps[:, :, None] * side + column_taps[:, None]
    return taps.flatten(1), (row_shares[:, :, None] * column_shares[:, None]).flatten(1)


def _axis_taps(index_N: torch.Tensor, size: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The entry below and the one above, and how near each is, [N, 2] both."""
    place_N = index_N.float() * (side - 1) / max(size - 1, 1)
    below_N = place_N.floor()
    both = torch.arange(2)
    shares = 1 - (place_N[:, None] - below_N[:, None] - both).abs()
    return (below_N.long()[:, None] + both).clamp(max=side - 1), shares.clamp(min=0)


def rotary_angles(places_N2: torch.Tensor, frequencies: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosine and sine [N, E]: a quarter of a head turns with the row, a quarter with the column, and both again. `frequencies`:
    [E / 4]."""
    angles = places_N2[..., None].float() * frequencies.float()  # [N, 2, E / 4]
    return angles.cos().flatten(1).repeat(1, 2), angles.sin().flatten(1).repeat(1, 2)
