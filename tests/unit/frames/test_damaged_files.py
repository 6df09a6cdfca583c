"""Randomly damaged files: nothing hangs, nothing crashes, and no picture is another one than it claims to be.

Where a codec has no redundancy (HEVC, VP9, AV1) and its container no checksums, a changed byte that is as valid as the one
before draws garbage, which nothing can tell: such a picture is like none that was drawn. It must not come from any other
file, and nowhere a good picture of another moment.
"""

import os
from functools import cache

import numpy as np
import pytest

from roadtrain.frames.checksums import damaged_ranges
from roadtrain.frames.containers import Unreadable
from roadtrain.frames.reading import Damage, VideoFile
from roadtrain.workers import JobLimits, WorkerDied, run_jobs
from support.numbered import FAST, NUMBERED, Kind, damage, make_numbered, number_of, picture, x264

FILES = int(os.environ.get("ROADTRAIN_FUZZ_FILES") or 30)
SOURCES = {
    "h264.mp4": Kind(frames=100, options=x264(g="25", bf="2")),
    "h264.mkv": Kind(frames=100, options=x264(g="25", bf="2")),
    "h264.ts": Kind(frames=100, options=x264(g="25", bf="2"), format="mpegts"),
    "h264.avi": Kind(frames=100, options=x264(g="25")),
    "fragments.mp4": Kind(frames=100, options=x264(g="25"), container=NUMBERED["fragments.mp4"].container),
    "hevc.mp4": Kind(frames=100, codec="libx265", options=NUMBERED["hevc.mp4"].options),
    "mpeg4.avi": Kind(frames=100, codec="mpeg4", options={"g": "25"}, bit_rate=4_000_000),
    "mpeg2.mpg": Kind(frames=100, codec="mpeg2video", options={"g": "12"}, bit_rate=4_000_000, format="mpeg"),
    "vp9.webm": Kind(frames=100, codec="libvpx-vp9", options=NUMBERED["vp9.webm"].options, bit_rate=1_000_000),
    "av1.mp4": Kind(frames=50, codec="libsvtav1", options=NUMBERED["av1.mp4"].options),
    "hevc.mkv": Kind(frames=100, codec="libx265", options=NUMBERED["hevc.mp4"].options),
    "vp9.mkv": Kind(frames=100, codec="libvpx-vp9", options=NUMBERED["vp9.webm"].options, bit_rate=1_000_000),
    "hevc-hashes.mp4": Kind(
        frames=100, codec="libx265", options={"preset": "ultrafast", "x265-params": "log-level=none:hash=1"}
    ),
    "ffv1.avi": Kind(frames=30, codec="ffv1", options={"level": "3", "slicecrc": "1"}),
}
# H.264 and the MPEGs notice nearly every wrong byte, and no more: a file of a hundred may show garbage. (Which bytes are hit differs from
# run to run: x264 doesn't write the same file twice.)
CHECKED = ("hevc.mkv", "vp9.mkv", "hevc-hashes.mp4", "ffv1.avi", "h264.mkv")
UNCHECKED = ("hevc.mp4", "vp9.webm", "av1.mp4")  # FFmpeg writes checksums into Matroska, and none into WebM


# Of 255: the mean difference from every picture that was drawn. An undamaged picture's is below the first; between the two
# lies one whose lost blocks were filled in from its neighbours, which shows no moment rightly.
INTACT, GARBAGE = 2.0, 5.0


@cache
def drawn_pictures() -> np.ndarray:
    """Every one, much smaller."""
    return np.stack([picture(n, (320, 240))[::8, ::8] for n in range(110)]).astype(np.float32)


def moment_of(shown: np.ndarray) -> tuple[int, float]:
    """(the frame that a picture is most like, how far off it is), by all of it: damage can draw other blocks."""
    apart = np.abs(drawn_pictures() - shown[::8, ::8].astype(np.float32)).mean((1, 2, 3))
    return int(apart.argmin()), float(apart.min())


def look(path: str) -> dict[int, tuple[float, int, float] | str] | str:
    """{frame: (when it is shown in frames, which it is like, how far off) or why it can't be had}, or why the video can't
    be read. What a worker does."""
    try:
        video = VideoFile(path)
        timeline = video.timeline
        step = max(1, timeline.frames // 12)
        found: dict[int, tuple[float, int, float] | str] = {}
        for number, shown in video.pictures(range(0, timeline.frames, step)):
            place = timeline.picture_at(number)
            claim = float((timeline.times[place] - timeline.times[0]) * timeline.tick * 25)
            if isinstance(shown, Damage):
                found[number] = shown.reason
            elif shown.shape == (240, 320, 3):  # another size can be no other moment
                found[number] = (claim, *moment_of(shown))
        return found
    except Unreadable as error:
        return str(error)


@pytest.mark.slow
def test_damaged_files_hang_nothing_crash_nothing_and_show_no_other_moment(tmp_path):
    sources = [make_numbered(tmp_path / name, kind) for name, kind in SOURCES.items()]
    files = []
    for seed in range(FILES):
        source = sources[seed % len(sources)]
        files.append(str(damage(source, tmp_path / f"{seed}-{source.name}", seed)))
    # Two times: what is found must not differ from run to run.
    limits = JobLimits(seconds=20, memory=2_000_000_000)
    first, second = (dict(run_jobs(look, files, 2, limits=limits)) for _ in range(2))
    assert first == second
    assert not {path: result.reason for path, result in first.items() if isinstance(result, WorkerDied)}
    good, garbage, wrong = 0, [], []
    for path, result in first.items():
        for seen in [] if isinstance(result, str) else result.values():
            if isinstance(seen, str):
                continue
            claim, like, apart = seen
            good += apart < GARBAGE
            if apart >= GARBAGE and not path.endswith(UNCHECKED):
                garbage.append((path, claim, apart))
            if apart < INTACT and abs(claim - like) > 1.5:
                wrong.append((path, claim, like, apart))
    assert not wrong
    assert not [seen for seen in garbage if seen[0].endswith(CHECKED)]
    assert len({path for path, *_ in garbage}) <= max(1, len(files) // 100), garbage
    assert good > 3 * len(files)  # it is no test of refusals only


def pictures_of(path) -> tuple[list[int], list[str]]:
    """(numbers of the pictures that are shown, reasons of the others)."""
    video = VideoFile(path)
    pictures = [picture for _, picture in video.pictures(range(video.timeline.frames))]
    good = [picture for picture in pictures if not isinstance(picture, Damage)]
    return [number_of(picture) for picture in good], [one.reason for one in pictures if isinstance(one, Damage)]


def test_a_changed_byte_is_seen_by_matroskas_checksum_and_costs_its_group_only(tmp_path):
    """As valid as the one before: the decoder says nothing. FFmpeg begins a cluster at each key frame."""
    source = make_numbered(
        tmp_path / "v.mkv", Kind(frames=60, codec="libvpx-vp9", options=FAST | {"g": "20"}, bit_rate=1_000_000)
    )
    shown, reasons = pictures_of(source)
    assert shown == list(range(60)) and not reasons and damaged_ranges(source) == []
    content = bytearray(source.read_bytes())
    begin, end = damaged_ranges_after(
        tmp_path, content, content.index(bytes.fromhex("1f43b675"), len(content) // 2) + 2000
    )
    assert 0 < begin < end < len(content)
    shown, reasons = pictures_of(tmp_path / "changed.mkv")
    assert shown[:20] == list(range(20)) and reasons and all("checksum" in reason for reason in reasons)
    assert shown == sorted(set(shown)) and len(shown) + len(reasons) == 60


def damaged_ranges_after(folder, content: bytearray, at: int) -> tuple[int, int]:
    """What the checksums say of a file whose byte at a place was changed."""
    content[at] ^= 1
    (folder / "changed.mkv").write_bytes(content)
    ((begin, end),) = damaged_ranges(folder / "changed.mkv")
    assert begin <= at < end
    return begin, end


def test_two_recordings_that_were_joined_have_no_moments(tmp_path):
    """Their clock is set back in the middle: sorted by time their pictures would take turns."""
    parts = [make_numbered(tmp_path / f"{n}.ts", Kind(frames=50, format="mpegts", start=n)) for n in (40, 0)]
    (tmp_path / "joined.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(Unreadable, match="its clock is set back"):
        VideoFile(tmp_path / "joined.ts")


def test_a_stream_that_nothing_here_decodes_is_named(tmp_path):
    content = make_numbered(tmp_path / "v.mp4", Kind(frames=9)).read_bytes()
    (tmp_path / "v.mp4").write_bytes(content.replace(b"avc1", b"zzzz"))
    with pytest.raises(Unreadable, match="unreadable: no decoder for its codec"):
        VideoFile(tmp_path / "v.mp4")
