"""Small rendered videos for tests, and their frames."""

import json
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np

from support.programs import run_program


def decode(root: Path, vision: dict) -> None:
    """The frames of root/x.llava.json's clips below root/media, by the program: root/index.json and root/cache."""
    process = run_program(
        "decode_frames.py",
        llava=root / "x.llava.json",
        media=root / "media",
        vision=json.dumps(vision),
        index=root / "index.json",
        cache=root / "cache",
        workers=1,
    )
    assert process.returncode == 0, process.stderr


def render(
    path: Path,
    *,
    frames: int = 30,
    size: tuple[int, int] = (96, 64),
    fps: Fraction | int = 10,
    seed: int = 0,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    uneven: bool = False,
    header_first: bool = False,
    **options: str,
) -> Path:
    """A file with a moving block over noise; `size` is (width, height), both even for yuv420p.

    `uneven`: the frames' times are irregular. `header_first`: as files for streaming are written. `options` are the encoder's, in its words (bf="3", g="12", ..).
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    width, height = size
    still = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    if codec == "libx264":
        options = {"crf": "28", "preset": "ultrafast"} | options
    with av.open(str(path), "w", options={"movflags": "faststart"} if header_first else {}) as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.thread_count = 1  # with more, one x264 file in 200 has other bytes
        tick = Fraction(1, 1000) if uneven else 1 / Fraction(fps)
        if uneven:
            stream.codec_context.time_base = tick
        time = 0
        for n in range(frames):
            picture = still.copy()
            x = n * (width - 16) // max(1, frames - 1)
            picture[height // 4 : height // 2, x : x + 16] = (255, 40, 40)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, tick
            time += int(rng.integers(20, 200)) if uneven else 1
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def turn(source: Path, target: Path, degrees: int) -> Path:
    """An mp4 as a phone held upright writes it: the same pictures, and a header that says to turn them."""
    content = bytearray(source.read_bytes())
    header = content.index(b"tkhd") + 4
    matrix = header + 40  # ISO 14496-12, 8.3.2, version 0
    width, height = (side >> 16 for side in struct.unpack_from(">II", content, matrix + 36))
    cos, sin, x, y = {90: (0, 1, height, 0), 180: (-1, 0, width, height), 270: (0, -1, 0, width)}[degrees]
    unit = 1 << 16
    struct.pack_into(
        ">9i", content, matrix, cos * unit, sin * unit, 0, -sin * unit, cos * unit, 0, x * unit, y * unit, 1 << 30
    )
    target.write_bytes(content)
    return target


def trim(source: Path, target: Path, frames: int) -> Path:
    """The same packets with an edit list that hides the first `frames` frames: how mp4 files are cut without encoding."""
    import av

    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.dts is None:
                continue
            shift = int(frames / old.streams.video[0].average_rate / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
            new.mux(packet)
    return target


def spoil(source: Path, target: Path, seed: int, bytes: int = 5) -> Path:
    """Wrong bytes among the pictures, as a bad disk or a lossy link leaves them."""
    content, rng = bytearray(source.read_bytes()), np.random.default_rng(seed)
    first = content.index(b"mdat") + 900  # x264 writes its settings there first
    for _ in range(bytes):
        content[rng.integers(first, len(content) * 9 // 10)] ^= int(rng.integers(1, 255))
    target.write_bytes(content)
    return target
