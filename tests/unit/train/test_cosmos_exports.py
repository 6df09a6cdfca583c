"""What cosmos-rl left is looked at before it becomes a checkpoint: only whole exports and whole states count."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from roadtrain.train.cosmos import exports

TENSORS = {"a": np.zeros((3, 4), np.float32), "b": np.ones(5, np.float32)}


@pytest.fixture
def folder(tmp_path):
    """A base, and a run's folder with the same tensors exported after step 6."""
    (tmp_path / "base").mkdir()
    export = tmp_path / "cosmos-rl/20260101000000/safetensors/step_6"
    export.mkdir(parents=True)
    save_file(TENSORS, tmp_path / "base/model.safetensors")
    save_file(TENSORS, export / "00000.safetensors")
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(TENSORS, "00000.safetensors")}
    (export / exports.INDEX).write_text(json.dumps(index))
    return tmp_path


def find(folder):
    return exports.find_export(folder / "cosmos-rl", 6, folder / "base")


def test_a_whole_export_is_found_and_the_newest_is_taken(folder):
    assert find(folder).parts[-3] == "20260101000000"
    newer = folder / "cosmos-rl/20260102000000/safetensors/step_6"
    newer.mkdir(parents=True)
    save_file(TENSORS, newer / "00000.safetensors")
    assert find(folder) == newer
    assert exports.find_export(folder / "cosmos-rl", 7, folder / "base") is None


DAMAGES = {
    "cut off": lambda content: content[:-1],
    "half of it": lambda content: content[: len(content) // 2],
    "in the header": lambda content: content[:20],
    "empty": lambda content: b"",
    "longer": lambda content: content + b"\0",
    "something else": lambda content: b"<html>not found</html>",
}


@pytest.mark.parametrize("change", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_not_used_and_named(folder, capsys, change):
    file = find(folder) / "00000.safetensors"
    file.write_bytes(change(file.read_bytes()))
    assert find(folder) is None
    (line,) = capsys.readouterr().out.splitlines()
    assert f"{file}: not a whole safetensors file: " in line and line.endswith(": not used")


def test_a_damaged_export_gives_way_to_an_older_whole_one(folder, capsys):
    older = find(folder)
    newer = folder / "cosmos-rl/20260102000000/safetensors/step_6"
    newer.mkdir(parents=True)
    (newer / "00000.safetensors").write_bytes((older / "00000.safetensors").read_bytes()[:-4])
    assert find(folder) == older and str(newer) in capsys.readouterr().out


@pytest.mark.parametrize(
    "tensors, says",
    [
        ({"a": TENSORS["a"]}, "tensor b is only in .*base"),
        (TENSORS | {"c": TENSORS["b"]}, "tensor c is only in .*step_6"),
        (TENSORS | {"b": np.ones(6, np.float32)}, r"tensor b has shape \[6\], in .*base \[5\]"),
        (TENSORS | {"lm_head.weight": TENSORS["a"]}, "doesn't name the tensors that are there"),
    ],
    ids=["missing", "more", "shape", "index"],
)
def test_other_tensors_than_the_bases(folder, tensors, says):
    export = find(folder)
    save_file(tensors, export / "00000.safetensors")
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(exports.export_damage(export, folder / "base"))


def test_an_index_that_transformers_would_not_load(folder):
    export = find(folder)
    (export / exports.INDEX).write_text("{}")
    assert "no metadata" in exports.export_damage(export, folder / "base")
    (export / exports.INDEX).write_text("{")
    assert exports.INDEX in exports.export_damage(export, folder / "base")
    (export / exports.INDEX).unlink()
    assert exports.export_damage(export, folder / "base") is None
    (export / "00000.safetensors").unlink()
    assert "no safetensors file" in exports.export_damage(export, folder / "base")


def test_states_beyond_a_lost_export_are_forgotten(tmp_path):
    """A state beyond an epoch that was never exported would make cosmos-rl go on after it."""
    for step in (6, 12):
        state = tmp_path / f"20260101000000/checkpoints/step_{step}/policy"
        state.mkdir(parents=True)
        (state / "cosmos_config").touch()
        (state / ".rank_0_complete").touch()
    assert exports.resume_step(tmp_path, 1) == 12 and exports.resume_step(tmp_path, 2) == 0
    exports.forget_states_from(tmp_path, 12)
    assert exports.resume_step(tmp_path, 1) == 6
