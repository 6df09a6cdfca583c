"""Frames -> the bytes of an H.264 file in an MP4 container.

Same frames, same bytes: one encoder thread, fixed settings, no clock and no version string in the container.
"""

import io
from collections.abc import Iterable
from fractions import Fraction

import av
import numpy as np

ONE_THREAD = "threads=1:lookahead_threads=1:sliced_threads=0"
CODEC = {"preset": "veryfast", "crf": "23", "bf": "0", "x264-params": ONE_THREAD}


def encode(frames: Iterable[np.ndarray], fps: Fraction) -> bytes:
    """Encodes uint8 (height, width, 3) RGB frames of one size, width and height even, as yuv420p.

    Raises ValueError when there are no frames.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = None
        for frame in frames:
            if stream is None:
                height, width = frame.shape[:2]
                stream = container.add_stream("libx264", rate=fps, width=width, height=height, pix_fmt="yuv420p")
                stream.options = CODEC
                stream.thread_count = 1
                stream.gop_size = max(1, round(2 * fps))  # a key frame every 2 s: cheap to seek
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        if stream is None:
            raise ValueError("a video needs at least one frame")
        container.mux(stream.encode())
    return file.getvalue()
