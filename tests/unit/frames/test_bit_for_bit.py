"""The frame cache holds the frames of qwen-vl-utils, bit for bit."""

from pathlib import Path

import pytest

from roadtrain.frames import cache as frames
from roadtrain.frames import decoding
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip, Medium
from support.clips import render
from support.frame_cache import SETTINGS, TRIMMED, TURNED, VIDEOS, WHOLE, WINDOW, inspect_clips, make_video

TOO_SHORT = {("eight-frames.mp4", WINDOW, 0), ("nine-frames.mp4", WINDOW, 0)}  # for the first setting's eight frames


@pytest.mark.parametrize("n", range(len(SETTINGS)))
@pytest.mark.parametrize("name", [*VIDEOS, *TURNED, *TRIMMED])
def test_decord_is_bit_for_bit_what_qwen_vl_utils_gives(recipe_cache, qwen_frames, name, n):
    """Whole and in a window, for both kinds of settings, though all four clips of a video came from one run."""
    import torch

    root, _, indexes = recipe_cache
    index = FrameIndex.load(indexes[n])
    for window in (WHOLE, WINDOW):
        try:
            theirs, metadata = qwen_frames(root / "media" / name, SETTINGS[n], window)
        except (OSError, ValueError):
            assert (name, window, n) in TOO_SHORT and index.left_out[Medium(name, *window)]
            continue
        ours = index.read(Clip((Medium(name, *window),))).media[0]
        assert torch.equal(ours.frames.float(), theirs)
        assert ours.metadata == metadata
        row = index.row(Medium(name, *window))
        pairs, height, width = len(ours.frames) // 2, row["height"] // 32, row["width"] // 32
        assert list(ours.frames.shape) == [row["frames"], 3, row["height"], row["width"]]
        assert ours.vision_tokens == row["vision_tokens"] == pairs * height * width


# decord shows other pictures than were asked for of these, as the numbers in test_right_frames.py tell.
DECORD_ERRS = {"uneven.mp4", "open-groups.mpg", "open-groups.mp4", "open-hevc.mp4", "transport.ts"}


@pytest.mark.parametrize("n", range(len(SETTINGS)))
@pytest.mark.parametrize("name", [*VIDEOS, *TURNED])
def test_bit_for_bit_what_qwen_vl_utils_gives_where_decord_is_right(decoded_cache, qwen_frames, name, n):
    import torch

    root, _, indexes = decoded_cache
    index, same = FrameIndex.load(indexes[n]), []
    for window in (WHOLE, WINDOW):
        try:
            theirs, metadata = qwen_frames(root / "media" / name, SETTINGS[n], window)
        except (OSError, ValueError):
            assert (name, window, n) in TOO_SHORT and index.left_out[Medium(name, *window)]
            continue
        ours = index.read(Clip((Medium(name, *window),))).media[0]
        same.append(torch.equal(ours.frames.float(), theirs))
        assert name in DECORD_ERRS or ours.metadata == metadata | {"video_backend": "pyav"}
    assert all(same) != (name in DECORD_ERRS)


PUBLISHED = [{"nframes": 8}, {"fps": 1, "total_pixels": 8388608}]


@pytest.mark.parametrize("name", ["full-hd.mp4", "large.mp4", "turned-90.mp4", "ntsc.mp4", "odd-sides.mp4"])
def test_bit_for_bit_with_the_published_ablations(tmp_path, qwen_frames, name):
    """In their own words: full HD is made smaller as WTS's videos are, small videos are made larger."""
    import torch

    if name == "full-hd.mp4":
        video = render(tmp_path / name, frames=25, size=(1920, 1080), fps=5, preset="veryfast")
    else:
        video = make_video(tmp_path, name)
    for window in (WHOLE, (0.2, 4.1)):
        rows = [row for (row,) in decoding.decode(inspect_clips(video, (window,), PUBLISHED, tmp_path / "cache"))]
        for setting, row in zip(PUBLISHED, rows, strict=True):
            theirs, metadata = qwen_frames(video, setting, window)
            assert torch.equal(frames.read_frames(row["file"]).float(), theirs)
            assert row["frames_indices"] == metadata["frames_indices"] and row["fps"] == metadata["fps"]
    if name == "full-hd.mp4":
        assert (rows[0]["height"], rows[0]["width"]) == (640, 1152) and len(rows[0]["frames_indices"]) == 8


def test_a_clip_is_mapped_not_read(decoded_cache):
    _, _, indexes = decoded_cache
    clip = FrameIndex.load(indexes[0]).read(Clip((Medium("large.mp4"),))).media[0]
    file = FrameIndex.load(indexes[0]).row(Medium("large.mp4"))["file"]
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no /proc here")
    assert file in maps.read_text() and clip.frames.is_contiguous()


@pytest.mark.parametrize("name", ["plain.mp4", "b-frames.mp4", "ntsc.mp4"])
def test_readers_are_compared_frame_by_frame(tmp_path, name):
    """Without torchcodec, or where it can't be loaded, its reason is said and the others are measured."""
    from dev import bench_readers

    readers, unusable = bench_readers.usable(render(tmp_path / "small.mp4"))
    assert {
        "decord",
        "PyAV",
        "PyAV seek",
    } <= readers.keys() and readers.keys() | unusable.keys() == bench_readers.READERS.keys()
    readers["broken"] = lambda path, numbers: bench_readers.by_decord(path, numbers)[:, :, ::-1]
    rows = bench_readers.measure(make_video(tmp_path, name), readers, 1)
    for row in rows:
        expected = 0 if row["reader"] == "broken" else row["frames"]
        assert row["reader"] == "torchcodec" or row["as_decord"] == expected, row
