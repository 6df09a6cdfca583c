"""Odd videos that people have: the picture shown is the moment asked for, or there is none, and audit and reader agree."""

import gc
from fractions import Fraction

import av
import numpy as np
import pytest

from roadtrain.frames.containers import Unreadable
from roadtrain.frames.probe import Bad, probe
from roadtrain.frames.reading import Damage, VideoFile
from support.numbered import NUMBERED, X265, Kind, make_numbered, number_of, picture, x264
from support.odd_videos import (
    edited,
    field_by_field,
    from_key_frame,
    mirrored,
    not_coded,
    shared_time,
    two_programmes,
)


def shown(path, numbers=None) -> dict[int, int | str]:
    """{frame: the number in its picture, or why there is none}"""
    video = VideoFile(path)
    numbers = range(video.timeline.frames) if numbers is None else numbers
    return {n: p.reason if isinstance(p, Damage) else number_of(p) for n, p in video.pictures(numbers)}


def test_two_pictures_of_one_time_leave_all_others_theirs(tmp_path):
    """All times were given up for one that was there twice: 5 s showed what is at 14 s."""
    path = shared_time(tmp_path)
    timeline, seen = VideoFile(path).timeline, probe(str(path))
    assert timeline.variable and seen.variable and seen.frames == timeline.frames == 140
    for seconds in (0.5, 1.24, 3, 4.4, 5, 8, 12, 16):
        frame = int(seconds * timeline.fps + 0.5)
        ((number, value),) = shown(path, [frame]).items()
        claimed = number / timeline.fps * 25  # in frames at 25 a second
        assert claimed - 10 < value <= claimed + 0.5, seconds


@pytest.mark.parametrize("name", ["repeats.avi", "repeats.mp4"])
def test_a_packet_that_says_the_same_again_shifts_no_other_picture(name, tmp_path):
    repeats = {30, 31, 32, 50, 60}
    path, numbers = not_coded(tmp_path, name, repeats)
    pictures = shown(path)
    assert len(pictures) == 100
    for n, value in pictures.items():
        assert value == numbers[n] if n not in repeats else "no picture" in str(value), n
    assert shown(path, [33, 51, 70, 99]) == {33: 33, 51: 51, 70: 70, 99: 99}


@pytest.mark.parametrize(
    ("matrix", "upright"),
    [
        ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
        ((1, 0, 0, -1), lambda p: p[::-1]),
        ((0, 1, 1, 0), lambda p: p.swapaxes(0, 1)),
        ((0, -1, -1, 0), lambda p: p.swapaxes(0, 1)[::-1, ::-1]),
        ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),  # turned only
    ],
)
def test_a_mirrored_video_is_shown_as_a_player_shows_it(matrix, upright, tmp_path):
    path = mirrored(tmp_path, "m.mp4", matrix)
    ((_, value),) = VideoFile(path).pictures([5])
    expected = upright(picture(5, (320, 240)).astype(int))
    seen = probe(str(path))
    assert value.shape == expected.shape and (seen.height, seen.width) == expected.shape[:2]
    assert np.abs(value.astype(int) - expected).mean() < 4


def test_pictures_do_not_depend_on_what_else_is_asked_for(tmp_path):
    """x264's intra refresh: its key frames are recovery points, from which nothing whole comes for a while."""
    path = make_numbered(tmp_path / "refresh.mp4", Kind(options=x264("intra-refresh=1:keyint=50", bf="0"), frames=160))
    assert shown(path) == {n: n for n in range(160)}
    for n in (50, 60, 100, 110, 150):
        assert shown(path, [n]) == {n: n}
    assert shown(path, [10, 60, 159]) == {10: 10, 60: 60, 159: 159}


@pytest.mark.parametrize(
    ("name", "format"), [("hevc.mkv", None), ("hevc.ts", "mpegts"), ("mpeg2.ts", "mpegts"), ("mpeg2.mpg", "mpeg")]
)
def test_a_recording_begins_with_the_first_picture_that_can_be_decoded(name, format, tmp_path):
    """A cut at an open group: what is shown before its key frame was made from a picture that isn't there."""
    hevc = Kind(
        codec="libx265", options=X265 | {"x265-params": "log-level=none:open-gop=1:keyint=24:bframes=4"}, frames=96
    )
    mpeg2 = Kind("mpeg2video", {"g": "12", "bf": "2", "flags": "-cgop"}, frames=96, bit_rate=4_000_000, format=format)
    source = make_numbered(tmp_path / f"whole-{name}", hevc if "hevc" in name else mpeg2)
    path = from_key_frame(source, tmp_path / name, 1, format)
    seen, pictures = probe(str(path)), shown(path)
    first = pictures[0]
    assert isinstance(first, int) and 10 <= first <= 26
    assert pictures == {n: first + n for n in range(96 - first)} and seen.frames == 96 - first


@pytest.mark.parametrize("name", ["fields.ts", "fields.h264", "fields.mpg"])
def test_packets_of_one_field_are_refused_with_the_true_reason(name, tmp_path):
    """They were counted as pictures: twice as many as there are, and a clip of the whole file was "damaged"."""
    seen = probe(str(field_by_field(tmp_path / name, {"ts": "mpegts", "mpg": "mpeg"}.get(name.split(".")[1], "h264"))))
    assert isinstance(seen, Bad) and "one field a packet" in seen.reason and "remux" in seen.reason


def test_fields_are_read_where_a_packet_is_a_picture(tmp_path):
    path = field_by_field(tmp_path / "fields.mkv", "matroska")
    assert shown(path) == {n: n for n in range(60)} and probe(str(path)).frames == 60


def test_audit_and_reader_agree_where_times_are_coarse(tmp_path):
    """Ticks as long as frames, three of which aren't there: numbers don't give times."""
    kept = [n for n in range(250) if n not in (83, 150, 200)]
    kind = Kind(frames=250, keep=lambda n: n in kept, options=x264(bf="0"), container={"video_track_timescale": "25"})
    path = make_numbered(tmp_path / "coarse.mp4", kind)
    with av.open(str(path)) as container:
        assert container.streams.video[0].time_base == Fraction(1, 25)
    timeline, seen = VideoFile(path).timeline, probe(str(path))
    assert (seen.variable, seen.frames) == (timeline.variable, timeline.frames) == (True, 247)
    assert seen.fps == pytest.approx(timeline.fps)


def test_an_ordinary_video_is_what_it_was(tmp_path):
    path = make_numbered(tmp_path / "base.ts", NUMBERED["base.ts"])
    assert shown(path) == {n: n for n in range(250)} and probe(str(path)).frames == 250


def test_pictures_are_freed_as_they_are_handed_out(tmp_path):
    """One in a cycle keeps its conversion's threads until somebody collects it: memory, and then threads, ran out."""
    path = make_numbered(tmp_path / "many.mp4", Kind(frames=60))
    gc.collect()
    gc.disable()
    try:
        for _ in VideoFile(path).pictures(range(60)):
            pass
        frames = sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects())
    finally:
        gc.enable()
    assert frames <= 2


@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        ([(4, 0, 2)], "plays it at another speed"),
        ([(2, 0, 1), (1, 2, 0), (2, 2, 1)], "plays it at another speed"),  # it holds a picture
        ([(2, 0, 1), (1, None, 1), (2, 4, 1)], "shows 2 pieces of it one after the other"),
        ([(2, 4, 1), (2, 0, 1), (1, 6, 1)], "shows 3 pieces of it one after the other"),
        ([(4, 2, 1), (1, None, 1)], "ends with a pause"),
    ],
)
def test_an_edit_list_that_ffmpeg_does_not_follow_is_refused(edits, reason, tmp_path):
    path = edited(tmp_path, "edited.mp4", edits)
    assert reason in probe(str(path)).reason
    with pytest.raises(Unreadable, match=f"{reason}.*: encode it anew"):
        VideoFile(path)


@pytest.mark.parametrize("edits", [[(4, 2, 1)], [(1, None, 1), (4, 2, 1)]])
def test_an_edit_list_of_one_piece_is_followed(edits, tmp_path):
    path = edited(tmp_path, "edited.mp4", edits)
    assert probe(str(path)).frames == VideoFile(path).timeline.frames == 100
    assert shown(path) == {n: n + 50 for n in range(100)}


def test_of_a_transport_stream_with_several_programmes_no_clock_is_guessed(tmp_path):
    path = two_programmes(tmp_path, "two.ts")
    assert "2 programmes, each with a clock of its own: keep one" in probe(str(path)).reason
    with pytest.raises(Unreadable, match="2 programmes"):
        VideoFile(path)
    alone = two_programmes(tmp_path, "alone.ts", second=False)
    assert shown(alone) == {n: n for n in range(VideoFile(alone).timeline.frames)}


@pytest.mark.parametrize(
    "groups",
    [
        x264("open-gop=1:keyint=24:ref=6:b-pyramid=normal", bf="6"),
        x264("open-gop=1:keyint=40:ref=5:b-pyramid=strict", bf="5"),
    ],
)
def test_what_the_decoder_misses_after_a_jump_is_no_damage(groups, tmp_path):
    """Open groups with many references: after a jump H.264's decoder complains of pictures that it was never given. In order it
    doesn't, and such clips of undamaged files were left out."""
    path = make_numbered(tmp_path / "open.mp4", Kind(frames=250, options=groups))
    for numbers in ([70, 75], [130], [33, 90, 150, 222]):
        assert shown(path, numbers) == {n: n for n in numbers}
