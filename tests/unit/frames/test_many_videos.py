"""More than 150 kinds of videos whose frames carry their numbers: the frames of each setting, of the whole video and of windows, are
those of their moments. All of them: make test-videos; a few always."""

import numpy as np
import pytest

from roadtrain.frames.reading import Damage, VideoFile
from roadtrain.frames.sampling import frame_numbers
from support.numbered import AT_EVERY_RATE, NUMBERED, make_numbered, number_of, numbers_in

ALWAYS = ["29.97-x264-b.avi", "12.5-x264-b.ts", "60-mpeg4-b.mkv", "animation.gif"]
KINDS = NUMBERED | AT_EVERY_RATE
OTHERS = [pytest.param(name, marks=pytest.mark.videos) for name in KINDS if name not in ALWAYS]
SETTINGS = [{"nframes": 4}, {"fps": 2.0, "min_frames": 2}, {"fps": 7.0, "max_frames": 16}]


def test_there_are_more_than_150():
    assert len(KINDS) >= 150


@pytest.mark.parametrize("name", [*ALWAYS, *OTHERS])
def test_the_frames_of_windows_and_whole_videos_are_those_of_their_moments(tmp_path, name):
    kind, video = KINDS[name], VideoFile(make_numbered(tmp_path / name))
    timeline, there, rate = video.timeline, numbers_in(kind), float(kind.rate)
    seconds = float(timeline.times[-1] - timeline.times[0]) * timeline.tick
    clips: list[tuple[float, tuple[int, ...]]] = []
    for share in ((None, None), (0.0, 0.5), (0.31, 0.77), (0.6, None)):
        window = [None if part is None else part * seconds + timeline.begin for part in share]
        for setting in SETTINGS:
            start, end = timeline.window(*window)
            try:
                numbers, _ = frame_numbers(
                    setting, total_frames=timeline.frames, fps=timeline.fps, start=start, end=end
                )
            except ValueError:  # too few frames in it
                continue
            clips.append((share[0] or 0.0, numbers))
            first, last = (share[0] or 0.0) * seconds, (1.0 if share[1] is None else share[1]) * seconds
            moments = np.array(numbers) / timeline.fps
            assert moments.min() >= first - 1 / timeline.fps and moments.max() <= last + 1 / timeline.fps
    assert clips or timeline.frames < 4
    expected = {n: there[timeline.picture_at(n)] for _, numbers in clips for n in numbers}
    for number, frame in expected.items():  # a player shows the last picture whose time has come
        assert frame == max(n for n in there if n <= number / timeline.fps * rate + 0.01)
    for _, numbers in clips:  # each alone, with jumps of its own
        pictures = dict(video.pictures(sorted(set(numbers))))
        assert not [picture for picture in pictures.values() if isinstance(picture, Damage)]
        assert {n: number_of(picture) for n, picture in pictures.items()} == {n: expected[n] for n in numbers}
