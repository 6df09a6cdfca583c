"""The picture shown is the moment asked for: by videos whose frames carry their numbers."""

import os
import shutil

import numpy as np
import pytest

from roadtrain.frames.containers import Unreadable
from roadtrain.frames.probe import Bad, probe
from roadtrain.frames.reading import Damage, VideoFile
from support.clips import trim, turn
from support.numbered import NAMES, NUMBERED, Kind, make_numbered, number_of, numbers_in, picture, write_wrong, x264

A_DOZEN = "base.mp4 base.ts x264.avi hevc-open.mkv open-groups.ts intra.mkv fragments-index.mp4 thinned.mkv"
A_DOZEN += " interlaced.mp4 av1.webm wmv2.wmv mpeg2.mpg raw.h264 vp8-hidden.mkv starts-late.mp4"
SLOW = [name for name in NUMBERED if name not in A_DOZEN.split()]
EVERY = [*A_DOZEN.split(), *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
APART = 6  # of 255: the mean difference that a codec may make of a picture


def shown(video: VideoFile, numbers: list[int]) -> list[int]:
    pictures = dict(video.pictures(numbers))
    assert list(pictures) == numbers and not [p for p in pictures.values() if isinstance(p, Damage)]
    return [number_of(picture) for picture in pictures.values()]


@pytest.mark.parametrize("name", EVERY)
def test_every_frame_is_the_one_that_its_number_and_time_say(tmp_path, name):
    """One by one, some by jumps, and in time; and the audit counts what is decoded."""
    kind, video = NUMBERED[name], VideoFile(make_numbered(tmp_path / name))
    timeline, there = video.timeline, numbers_in(kind)
    assert timeline.frames == len(there) and timeline.variable == (len(there) < kind.frames)
    if not timeline.variable:
        assert timeline.fps == float(kind.rate)
    expected = [there[timeline.picture_at(n)] for n in range(timeline.frames)]
    for number in range(timeline.frames):  # a player shows the last picture whose time has come
        moment = number / timeline.fps * float(kind.rate)
        assert expected[number] == max(n for n in there if n <= moment + 0.01)
    assert shown(video, list(range(timeline.frames))) == expected
    for places in ([timeline.frames - 1], [timeline.frames // 3, timeline.frames // 3 * 2], [0, timeline.frames - 1]):
        assert shown(video, sorted(set(places))) == [expected[n] for n in sorted(set(places))]
    header = probe(str(tmp_path / name))
    assert (header.frames, header.fps, header.variable) == (timeline.frames, timeline.fps, timeline.variable)
    ((_, first),) = video.pictures([0])
    assert np.abs(first.astype(int) - picture(there[0], kind.size)).mean() < (20 if name.endswith("gif") else APART)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_turned_video_is_shown_upright(tmp_path, degrees):
    source = make_numbered(tmp_path / "base.mp4", Kind(frames=9))
    ((_, first),) = VideoFile(turn(source, tmp_path / "turned.mp4", degrees)).pictures([0])
    # FFmpeg turns against the clock what the header turns with it.
    assert np.abs(np.rot90(first, degrees // 90).astype(int) - picture(0, (320, 240))).mean() < APART
    header = probe(str(tmp_path / "turned.mp4"))
    assert (header.height, header.width) == first.shape[:2]


def test_what_an_edit_list_hides_is_not_shown(tmp_path):
    source = make_numbered(tmp_path / "base.mp4", Kind(options=x264(g="50", bf="3")))
    video = VideoFile(trim(source, tmp_path / "trimmed.mp4", 76))
    header = probe(str(tmp_path / "trimmed.mp4"))
    assert header.frames == video.timeline.frames
    numbers = shown(video, list(range(video.timeline.frames)))
    assert numbers == list(range(numbers[0], 250)) and 74 <= numbers[0] <= 77


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_read_as_a_pattern_or_an_address(tmp_path, name):
    shutil.copy(make_numbered(tmp_path / "base.mp4", Kind(frames=4)), tmp_path / name)
    assert shown(VideoFile(tmp_path / name), [0, 3]) == [0, 3]


def test_only_regular_files_of_known_containers_are_opened(tmp_path):
    for name, reason in write_wrong(tmp_path / "wrong").items():
        with pytest.raises(Unreadable, match=reason):
            VideoFile(tmp_path / "wrong" / name)
        assert isinstance(probe(str(tmp_path / "wrong" / name)), Bad), name
    assert shown(VideoFile(tmp_path / "wrong" / "base.mp4"), [0, 9]) == [0, 9]


@pytest.mark.parametrize("name", ["base.mp4", "base.mkv", "x264.avi", "fragments.mp4", "base.ts"])
def test_a_file_that_breaks_off_is_refused_or_shows_what_is_there(tmp_path, name):
    content = make_numbered(tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 5])
    if name == "base.ts":  # nothing says how long it was: what is there is what it is
        video = VideoFile(tmp_path / name)
        assert 20 < video.timeline.frames < 130 and probe(str(tmp_path / name)).frames == video.timeline.frames
        pictures = dict(video.pictures(range(video.timeline.frames)))
        shown = {n: number_of(p) for n, p in pictures.items() if not isinstance(p, Damage)}
        # A picture that is decoded before the one at hand may be there, and the one at hand be cut off: as a player, the
        # one before stays.
        last = video.timeline.frames - 3
        assert [n for n, number in shown.items() if number != n and not (n >= last and n - 2 <= number < n)] == []
        return
    with pytest.raises(Unreadable):
        VideoFile(tmp_path / name)
    assert probe(str(tmp_path / name)).kind in ("truncated", "unreadable")


def test_encoding_av1_for_a_test_leaves_no_real_time_process_behind(tmp_path):
    """As root, SVT-AV1 made this thread one, and all that the tests started later starved the rest."""
    before = os.sched_getscheduler(0)
    make_numbered(tmp_path / "av1.webm")
    assert os.sched_getscheduler(0) == before
