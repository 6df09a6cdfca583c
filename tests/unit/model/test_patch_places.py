"""Orders, learned positions and rotary angles of patches are transformers' own, bit for bit."""

import pytest
import torch
from transformers import vision_utils

from roadtrain.model.patch_places import grid_taps, merge_order, rotary_angles
from support import tiny

SIZES = [(2, 2), (4, 4), (6, 10), (40, 72), (38, 22), (2, 96)]


@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_order_and_angles_are_those_of_transformers(rows, columns):
    rotary = tiny.model("float32").model.visual.rotary_pos_emb
    grid = torch.tensor([[1, rows, columns]])
    places = vision_utils.get_vision_position_ids(grid, 2, kwargs={})
    assert torch.equal(merge_order(rows, columns, 2), places)
    expected = rotary(torch.empty(0), places)
    for ours, theirs in zip(rotary_angles(places, rotary.inv_freq), expected, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("side", [3, 16, 48])
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_the_learned_grid_is_resampled_as_transformers_does(rows, columns, side):
    expected = vision_utils.get_vision_interpolation_indices_and_weights(
        torch.tensor([[1, rows, columns]]), num_grid_per_side=side, align_corners=True, spatial_merge_size=2, kwargs={}
    )
    for ours, theirs in zip(grid_taps(merge_order(rows, columns, 2), rows, columns, side), expected, strict=True):
        assert torch.equal(ours, theirs)
