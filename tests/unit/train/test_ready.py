"""Before the first job: lost weights and frames, and files dated in the future, are named in one line each."""

import json
import os
import time

import pytest

from roadtrain.cli import UserError
from roadtrain.model.checkpoints import describe, write_manifest
from roadtrain.train.preflight.ready import lost_frames, lost_weights, remove_leftovers, seconds_ahead


@pytest.fixture
def manifest(tmp_path):
    folder = tmp_path / "weights/epoch_1"
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    path = tmp_path / "epoch_1.json"
    write_manifest(path, describe(folder, precision="float32", epoch=1, step=1, base_model="base"))
    return path


def test_weights_that_are_there_are_no_problem(manifest):
    assert list(lost_weights([str(manifest)], set())) == []


def test_lost_weights_are_named_once(manifest, tmp_path):
    (tmp_path / "weights/epoch_1/model.safetensors").unlink()
    (line,) = lost_weights([str(manifest), str(manifest)], set())
    assert line.startswith(f"{tmp_path}/weights/epoch_1/model.safetensors: missing, and {manifest} names it: fetch it")
    (tmp_path / "weights").rename(tmp_path / "elsewhere")
    (line,) = lost_weights([str(manifest)], set())
    assert line == (
        f"{tmp_path}/weights/epoch_1: the checkpoint is missing: fetch it (dvc pull) or delete its manifest to make it again"
    )


def test_weights_that_are_made_anew_may_be_lost(manifest, tmp_path):
    (tmp_path / "weights").rename(tmp_path / "elsewhere")
    best = tmp_path / "best.json"
    best.write_text(json.dumps({"manifest": str(manifest)}))
    assert len(list(lost_weights([str(best)], set()))) == 1
    assert list(lost_weights([str(best), str(manifest)], {str(manifest)})) == []
    assert list(lost_weights([str(tmp_path / "not_yet.json")], set())) == []


def test_lost_frames_are_counted(tmp_path):
    clips = [{"video": f"v{n}.mp4", "file": str(tmp_path / f"{n}.safetensors")} for n in range(3)]
    index = tmp_path / "train.json"
    index.write_text(json.dumps({"clips": clips}))
    (tmp_path / "0.safetensors").touch()
    (line,) = lost_frames([str(index)], set())
    assert line.startswith(
        f"{tmp_path}/1.safetensors: the frames of v1.mp4, and of 1 more of 3 clips, are not in the cache"
    )
    assert line.endswith(f"or delete {index} to decode them again")
    assert list(lost_frames([str(index)], {str(index)})) == []
    for n in range(3):
        (tmp_path / f"{n}.safetensors").touch()
    assert list(lost_frames([str(index)], set())) == []


@pytest.mark.parametrize("text", ["{broken", "[]", "7", '{"files": 7}', '{"manifest": ["x"]}', "{}"])
def test_a_damaged_manifest_is_a_line(text, tmp_path):
    path = tmp_path / "epoch_1.json"
    path.write_text(text)
    (line,) = lost_weights([str(path)], {"x"})
    assert str(path) in line and "\n" not in line


@pytest.mark.parametrize("text", ["{broken", "[]", '{"clips": 7}', '{"clips": [{"video": "v.mp4"}]}', "{}"])
def test_a_damaged_index_is_a_line_with_the_remedy(text, tmp_path):
    path = tmp_path / "train.json"
    path.write_text(text)
    (line,) = lost_frames([str(path)], set())
    assert line.startswith(f"{path}: not an index of frames") and line.endswith("delete it to decode them again")


# ------------------------------------------------------------------------------------------------------------- clocks
def dated(path, seconds):
    path.touch()
    os.utime(path, (time.time() + seconds,) * 2)
    return str(path)


def test_files_of_the_past_wait_for_nothing(tmp_path):
    files = [dated(tmp_path / "a", -1), dated(tmp_path / "b", -1e9), str(tmp_path / "absent")]
    assert seconds_ahead(files, tmp_path / "results") == (0, "")
    assert list((tmp_path / "results").iterdir()) == []  # the probe is gone


def test_a_file_server_that_is_20_seconds_ahead_is_waited_for(tmp_path):
    ahead, file = seconds_ahead([dated(tmp_path / "a", 10), dated(tmp_path / "b", 20)], tmp_path)
    assert 15 < ahead <= 20 and file == str(tmp_path / "b")


def test_a_clock_that_went_back_is_named_with_the_remedy(tmp_path):
    files = [dated(tmp_path / "a", 3600), dated(tmp_path / "b", 7200), dated(tmp_path / "c", -5)]
    with pytest.raises(
        UserError, match=r"/b: dated .*, and 1 more files are, after now, .* `touch` what is dated ahead"
    ):
        seconds_ahead(files, tmp_path)


def test_a_link_is_as_late_as_what_it_leads_to(tmp_path):
    (tmp_path / "link").symlink_to(dated(tmp_path / "a", 20))
    assert seconds_ahead([str(tmp_path / "link")], tmp_path)[1] == str(tmp_path / "link")


def test_what_killed_programs_left_goes_after_a_day(tmp_path):
    (tmp_path / "paper/.folder.part").mkdir(parents=True)
    old = [dated(tmp_path / name, -90_000) for name in (".a.json.17.part", "paper/.b.pdf.part")]
    kept = [dated(tmp_path / "paper/a.json.part", -90_000), dated(tmp_path / ".new.json.18.part", -3600)]
    assert remove_leftovers(tmp_path) == 2
    assert not any(os.path.exists(file) for file in old) and all(os.path.exists(file) for file in kept)
    assert remove_leftovers(tmp_path / "absent") == 0
