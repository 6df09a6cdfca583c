"""Randomly damaged files: nothing hangs, nothing crashes, and no picture is another one than it claims to be.

A changed byte that is still valid (VP9 has no checksum at all) draws garbage, which no decoder can tell: such a picture is
like none that was drawn. What must not be is a good picture of another moment.
"""

import os

import numpy as np
import pytest

from roadtrain.frames.containers import Unreadable
from roadtrain.frames.reading import Damage, VideoFile
from roadtrain.workers import JobLimits, WorkerDied, run_jobs
from support.numbered import NUMBERED, Kind, damage, make_numbered, picture, x264

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
}


GARBAGE = 5.0  # of 255: the mean difference from every picture that was drawn; of an undamaged one it is below 2


def moment_of(shown: np.ndarray) -> tuple[int, float]:
    """(the frame that a picture is most like, how far off it is), by all of it: damage can draw other blocks."""
    drawn = np.stack([picture(n, (320, 240))[::8, ::8] for n in range(110)]).astype(np.float32)
    apart = np.abs(drawn - shown[::8, ::8].astype(np.float32)).mean((1, 2, 3))
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
    good, wrong = 0, []
    for path, result in first.items():
        for seen in [] if isinstance(result, str) else result.values():
            if isinstance(seen, str):
                continue
            claim, like, apart = seen
            good += apart < GARBAGE
            if apart < GARBAGE and abs(claim - like) > 1.5:
                wrong.append((path, claim, like, apart))
    assert not wrong
    assert good > 3 * len(files)  # it is no test of refusals only
