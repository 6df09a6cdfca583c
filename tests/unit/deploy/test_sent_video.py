"""A video of just the frames that training saw has them at their times, however far apart these are."""

import io

import av
import pytest
import torch

from roadtrain.deploy.sent_video import frames_video
from roadtrain.frames.index import MediumFrames
from roadtrain.frames.sampling import frame_numbers


@pytest.mark.parametrize("fps", [25.0, 30000 / 1001])
@pytest.mark.parametrize(
    ("count", "seconds"), [(2, 1), (8, 60), (8, 1234.5), (16, 3601.7), (8, 7200), (4, 7200), (4, 86400)]
)
def test_frames_of_long_videos_are_at_their_times(count, seconds, fps):
    """A camera that records by the hour: a rate of 1/1000 was the least, which was 0, or put them minutes early."""
    indices, total = frame_numbers({"nframes": count}, total_frames=int(seconds * fps), fps=fps)
    pictures = torch.randint(0, 255, (count, 3, 32, 32), dtype=torch.uint8)
    metadata = {"fps": fps, "frames_indices": list(indices), "total_num_frames": total}
    with av.open(io.BytesIO(frames_video(MediumFrames(pictures, metadata, 1)))) as container:
        rate = container.streams.video[0].average_rate
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert times == pytest.approx([index / fps for index in indices], abs=2 / fps)
    assert (count - 1) / float(rate) == pytest.approx(times[-1], abs=0.01)  # readers that go by the rate
