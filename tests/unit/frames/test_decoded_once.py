"""A video is decoded once for all settings, and again only where something changed."""

import json
import os

import pytest

from roadtrain.frames import building, decoding, recipe_reader
from roadtrain.frames import cache as frames
from roadtrain.frames.index import FrameIndex
from support.clips import render, spoil
from support.frame_cache import (
    SETTINGS,
    TRIMMED,
    TURNED,
    VIDEOS,
    WHOLE,
    WINDOW,
    CountedReader,
    CountedRecipeReader,
    decode_in_process,
    decode_settings,
    inspect_clips,
    make_video,
    small_split,
)


@pytest.mark.parametrize("name", ["plain.mp4", "b-frames.mp4", "uneven.mp4", "turned-90.mp4", "matroska.mkv"])
def test_one_pass_over_a_video_for_all_settings_and_windows(tmp_path, monkeypatch, name):
    video = make_video(tmp_path, name)
    counter = CountedReader(monkeypatch)
    rows = decoding.decode(inspect_clips(video, (WHOLE, WINDOW), SETTINGS, tmp_path / "cache"))
    numbers = {number for per_setting in rows for row in per_setting for number in row["frames_indices"]}
    assert counter.opened == [name] and counter.frames == len(numbers)
    decoding.decode(inspect_clips(video, (WHOLE, WINDOW), SETTINGS, tmp_path / "cache"))
    assert counter.opened == [name]  # all of it is in the cache now


@pytest.mark.parametrize("name", ["open-groups.mp4", "open-groups.mpg", "open-hevc.mp4", "trimmed.mp4", "transport.ts"])
def test_decord_reads_each_clip_alone_where_a_jump_could_change_a_picture(tmp_path, monkeypatch, name):
    video = make_video(tmp_path, name)
    counter = CountedRecipeReader(monkeypatch)
    decoding.decode(inspect_clips(video, (WHOLE,), SETTINGS, tmp_path / "cache", "decord"))
    assert counter.opened == [name] * 2
    assert not recipe_reader.jumps_are_safe(video)


def test_decord_reads_each_clip_alone_when_it_complains(tmp_path, monkeypatch, capfd):
    """decord fills the holes of damaged pictures with what it saw before. It says so on the error stream only."""
    video = spoil(make_video(tmp_path, "b-frames.mp4"), tmp_path / "spoilt.mp4", seed=0)
    assert recipe_reader.jumps_are_safe(video)
    counter = CountedRecipeReader(monkeypatch)
    rows = decoding.decode(inspect_clips(video, (WHOLE,), SETTINGS, tmp_path / "cache", "decord"))
    assert counter.opened == ["spoilt.mp4"] * 3 and all("file" in row for (row,) in rows)
    assert "spoilt.mp4: decord's decoder complained" in capfd.readouterr().err


def test_few_frames_are_held_decoded(tmp_path, monkeypatch):
    """However many frames a clip has: each is resized, written and let go before the next but one comes."""
    counter = CountedReader(monkeypatch)
    inspection = inspect_clips(make_video(tmp_path, "narrow.mp4"), (WHOLE,), SETTINGS, tmp_path / "cache")
    (rows,) = zip(*decoding.decode(inspection), strict=True)
    assert counter.frames == len({i for row in rows for i in row["frames_indices"]}) > 8
    assert counter.most_held <= 2


@pytest.mark.slow
def test_two_settings_at_once_write_what_each_alone_writes(decoded_cache, tmp_path):
    """Including its name: what was decoded together counts for whoever asks alone, and for numbers written otherwise."""
    root, llava, indexes = decoded_cache
    for n, setting in enumerate([SETTINGS[0], {**SETTINGS[1], "fps": 2}]):
        times = {path: path.stat().st_mtime_ns for path in (root / "cache").rglob("*.safetensors")}
        index = tmp_path / "index.json"
        command = ["--llava", llava, "--media", root / "media", "--cache", root / "cache", "--workers", 0]
        assert decode_in_process(*command, "--vision", json.dumps(setting), "--index", index) == 0
        assert index.read_bytes() == indexes[n].read_bytes()
        assert times == {path: path.stat().st_mtime_ns for path in (root / "cache").rglob("*.safetensors")}


def test_the_index_is_in_the_order_of_the_questions_each_clip_once(decoded_cache):
    _, _, indexes = decoded_cache
    index = json.loads(indexes[0].read_text())
    clips = [(row["video"], row["start"], row["end"]) for row in index["clips"]]
    expected = [(name, *window) for name in [*VIDEOS, *TURNED, *TRIMMED] for window in (WHOLE, WINDOW)]
    assert clips == [clip for clip in expected if clip in set(clips)]
    assert index["vision"] == SETTINGS[0] and index["image_patch_size"] == 16 and index["reader"] == "pyav"


def test_a_changed_video_or_setting_is_redone_alone(tmp_path, monkeypatch):
    llava, media = small_split(tmp_path)
    _, (index,) = decode_settings(llava, media, SETTINGS[:1])
    old = {row["video"]: row["file"] for row in FrameIndex.load(index).rows()}
    render(media / "v1.mp4", seed=99)
    os.utime(media / "v0.mp4")  # touched, not changed
    counter = CountedReader(monkeypatch)
    decode_settings(llava, media, SETTINGS[:1])
    new = {row["video"]: row["file"] for row in FrameIndex.load(index).rows()}
    assert counter.opened == ["v1.mp4"]
    assert {video for video in old if old[video] != new[video]} == {"v1.mp4"}
    decode_settings(llava, media, SETTINGS)  # the second setting is new
    assert counter.opened == ["v1.mp4", "v0.mp4", "v1.mp4", "v2.mp4"]


def test_the_key_holds_everything_that_decides_a_pixel():
    plain = ("a" * 64, {"nframes": 8}, None, None, {"decord": "1"})
    others = [
        ("b" * 64, *plain[1:]),
        (plain[0], {"nframes": 6}, *plain[2:]),
        (*plain[:2], 0.0, None, plain[4]),
        (*plain[:3], 2.0, plain[4]),
        (*plain[:4], {"decord": "2"}),
    ]
    files = {frames.clip_file("cache", frames.clip_source(*parts)) for parts in [plain, *others]}
    assert len(files) == 6


def test_the_other_settings_of_a_run_are_decoded_in_the_same_pass(tmp_path, monkeypatch):
    """Two jobs, two indexes, each video opened once; and the bytes are those of each setting alone."""
    llava, media = small_split(tmp_path)
    counter = CountedReader(monkeypatch)
    indexes = []
    for setting in SETTINGS:
        code, (index,) = decode_settings(llava, media, [setting], "--also", json.dumps(SETTINGS))
        assert code == 0
        indexes.append(index.read_bytes())
    assert counter.opened == ["v0.mp4", "v1.mp4", "v2.mp4"]
    files = {path: path.read_bytes() for path in (tmp_path / "cache").rglob("*.safetensors")}
    for path in files:
        path.unlink()
    for setting, before in zip(SETTINGS, indexes, strict=True):
        _, (index,) = decode_settings(llava, media, [setting])
        assert index.read_bytes() == before
    assert files == {path: path.read_bytes() for path in (tmp_path / "cache").rglob("*.safetensors")}


def test_one_job_at_a_time_decodes_a_split(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    with building._one_job_a_split("train.json", tmp_path):
        (lock,) = tmp_path.glob(".*.lock")
        with open(lock, "w") as second, pytest.raises(BlockingIOError):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with building._one_job_a_split("val.json", tmp_path):
            pass
    with building._one_job_a_split("train.json", tmp_path):
        pass


@pytest.mark.slow
def test_same_bytes_whatever_the_workers(tmp_path):
    """And wherever it is done."""
    results = []
    for workers in (0, 1, 3):
        llava, media = small_split(tmp_path / str(workers), 4)
        _, indexes = decode_settings(llava, media, SETTINGS, "--workers", workers)
        texts = [index.read_text().replace(str(llava.parent), "") for index in indexes]
        cache = llava.parent / "cache"
        results.append((texts, {path.name: path.read_bytes() for path in cache.rglob("*.safetensors")}))
    assert results[0] == results[1] == results[2]
