"""Files of vision features: found by content, written whole, refused when damaged or when the disk is too small."""

import shutil
from types import SimpleNamespace

import pytest
import torch

from roadtrain.cli import UserError
from roadtrain.frames.features import check_room, features_file, read_features, write_features

FRAMES = "cache/frames/ab/abcd.safetensors"


def test_they_lie_beside_the_frames_by_what_they_are_made_from():
    one, same, other = (features_file(FRAMES, {"frames": f, "tower": "t"}) for f in ("x", "x", "y"))
    assert one == same != other
    assert one.parts[:2] == ("cache", "features") and one.parent.name == one.name[:2]


def test_what_was_written_is_read_bit_for_bit(tmp_path):
    levels = [torch.randn(6, 4).to(torch.bfloat16), torch.randn(6, 8)]
    write_features(tmp_path / "features/ab/x.safetensors", levels, {"frames": "x"})
    read = read_features(tmp_path / "features/ab/x.safetensors", 6)
    assert all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(levels, read, strict=True))
    assert [path.name for path in (tmp_path / "features/ab").iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize("damage", ["cut off", "other rows"])
def test_damage_is_named(tmp_path, damage):
    path = tmp_path / "x.safetensors"
    write_features(path, [torch.zeros(6, 4)], {})
    if damage == "cut off":
        path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=rf"{path}: .*delete it"):
        read_features(path, 7 if damage == "other rows" else 6)


def test_a_disk_without_room_is_said_before_anything_is_computed(tmp_path, monkeypatch):
    file = tmp_path / "cache/features/ab/x.safetensors"
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**30))
    check_room(file, 2**29)
    with pytest.raises(UserError, match=r"features take 1\.00 GiB, and 1\.00 are free: .*train\.cache_features: off"):
        check_room(file, 2**30)


def test_two_levels_may_be_one_tensor(tmp_path):
    """The tower's last block can be a deepstack level, too."""
    level = torch.rand(6, 4)
    write_features(tmp_path / "x.safetensors", [level, torch.rand(6, 4), level, level.T.reshape(4, 6).T], {})
    levels = read_features(tmp_path / "x.safetensors", 6)
    assert torch.equal(levels[0], level) and torch.equal(levels[2], level) and len(levels) == 4
