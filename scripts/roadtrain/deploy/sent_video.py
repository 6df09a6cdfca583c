"""The video that is sent to a server: the file as it is, or the very frames that training saw, without loss.

A server samples and resizes what it is sent, by a reader of its own (vLLM's is OpenCV), which shows other moments of some files
(docs/videos.md). A video of just the frames of the vision setting, at their size, leaves it nothing to choose: H.264 in RGB without
loss, at a rate that puts every frame at its time.
"""

import io
from fractions import Fraction
from typing import Any

from roadtrain.frames.index import MediumFrames

MOST = 1_000_000  # of a rate's denominator: eight frames of two hours are 7/7200 a second, and 1/1000 would put the last 200 s early


def frames_video(medium: MediumFrames) -> bytes:
    """An MP4 of a medium's frames, which any decoder shows bit for bit. Its rate puts each frame at its time, counted from the first:
    no container tells a server more. A server that samples by `fps` takes every frame, since this rate is no higher, or they are
    `min_frames`."""
    import av  # here: asking a checkpoint doesn't need it in this process

    file = io.BytesIO()
    rate = Fraction(_rate(medium.metadata)).limit_denominator(MOST)
    frames = medium.frames.permute(0, 2, 3, 1).contiguous().numpy()
    with av.open(file, "w", format="mp4") as container:
        # No B-frames and one key frame after the other: a reader that jumps lands where it should.
        options = {"qp": "0", "preset": "veryfast", "g": "1", "bf": "0"}
        stream = container.add_stream("libx264rgb", rate=rate, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "rgb24"
        stream.codec_context.time_base = 1 / rate
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def frames_picture(medium: MediumFrames) -> bytes:
    """A PNG of a picture at the size of training, bit for bit."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(medium.frames[0].permute(1, 2, 0).contiguous().numpy()).save(file, "PNG")
    return file.getvalue()


def _rate(metadata: dict[str, Any]) -> float:
    """Frames a second of the chosen frames, which are evenly spread over the video."""
    indices = metadata["frames_indices"]
    return metadata["fps"] * (len(indices) - 1) / max(1, indices[-1] - indices[0])
