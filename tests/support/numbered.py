"""Videos whose every frame carries its number, as ten black and white blocks: what is shown is compared with what is claimed.

PyAV makes them all: a bare machine has no ffmpeg. `NUMBERED` has the kinds, `WRONG` files that hold no such video.
"""

import contextlib
import os
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

X264 = {"preset": "veryfast", "crf": "18"}
X265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
FAST = {"deadline": "realtime", "cpu-used": "8"}


@dataclass(frozen=True)
class Kind:
    """How a numbered video is made."""

    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: X264)
    pixels: str = "yuv420p"
    size: tuple[int, int] = (320, 240)
    frames: int = 250
    rate: Fraction | int = 25
    format: str | None = None
    container: dict[str, str] = field(default_factory=dict)
    keep: Callable[[int], bool] = lambda n: True  # frames that the video has: others are a gap in its times
    start: int = 0  # frames before the first
    bit_rate: int | None = None


def x264(params: str = "", **options: str) -> dict[str, str]:
    return X264 | ({"x264-params": params} if params else {}) | options


NTSC = Fraction(30000, 1001)
FRAGMENTED = "frag_keyframe+empty_moov"
NUMBERED = {
    "base.mp4": Kind(),
    "base.mkv": Kind(),
    "base.mov": Kind(),
    "base.ts": Kind(format="mpegts"),
    "base.flv": Kind(),
    "x264.avi": Kind(),
    "intra.mkv": Kind(options=x264(g="1")),
    "g25.mkv": Kind(options=x264(g="25")),
    "b-frames.mp4": Kind(options=x264(g="50", bf="3")),
    "negative.mp4": Kind(options=x264(bf="3"), container={"movflags": "+negative_cts_offsets"}),
    "open-groups.mp4": Kind(options=x264("open-gop=1:keyint=24", bf="3")),
    "open-groups.ts": Kind(options=x264("open-gop=1:keyint=24", bf="3"), format="mpegts"),
    "open-groups.mkv": Kind(options=x264("open-gop=1:keyint=24", bf="3")),
    "fragments.mp4": Kind(options=x264(g="25"), container={"movflags": FRAGMENTED}),
    "fragments-index.mp4": Kind(
        options=x264(g="25"), container={"movflags": FRAGMENTED + "+default_base_moof+global_sidx"}
    ),
    "fragment-a-frame.mp4": Kind(container={"movflags": "frag_every_frame+empty_moov"}),
    "index-first.mp4": Kind(container={"movflags": "faststart"}),
    "interlaced.mp4": Kind(options=x264("tff=1", flags="+ildct+ilme")),
    "ten-bits.mp4": Kind(pixels="yuv420p10le"),
    "444.mp4": Kind(pixels="yuv444p"),
    "rgb.mp4": Kind(codec="libx264rgb", pixels="rgb24"),
    "odd.mp4": Kind(pixels="yuv444p", size=(321, 241)),
    "hevc.mp4": Kind(codec="libx265", options=X265),
    "hevc-open.mkv": Kind(
        codec="libx265", options=X265 | {"x265-params": "log-level=none:open-gop=1:keyint=24:bframes=4"}
    ),
    "hevc-ten-bits.mp4": Kind(codec="libx265", options=X265, pixels="yuv420p10le"),
    "av1.mp4": Kind(codec="libsvtav1", options={"preset": "12", "crf": "20"}, frames=75),
    "av1.webm": Kind(codec="libsvtav1", options={"preset": "12", "crf": "20"}, frames=75),
    "vp8.webm": Kind(codec="libvpx", options=FAST | {"g": "25"}, bit_rate=1_000_000),
    "vp8-hidden.mkv": Kind(
        codec="libvpx",
        options={"deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "16"},
        bit_rate=1_000_000,
        frames=120,
    ),
    "vp9.webm": Kind(codec="libvpx-vp9", options=FAST, bit_rate=1_000_000),
    "mpeg4.avi": Kind(codec="mpeg4", options={"q": "3"}, bit_rate=4_000_000),
    "mpeg4-b.avi": Kind(codec="mpeg4", options={"bf": "2"}, bit_rate=4_000_000),
    "mpeg4.mp4": Kind(codec="mpeg4", options={"bf": "2"}, bit_rate=4_000_000),
    "mjpeg.avi": Kind(codec="mjpeg", options={}, pixels="yuvj420p", bit_rate=8_000_000),
    "mjpeg.mkv": Kind(codec="mjpeg", options={}, pixels="yuvj420p", bit_rate=8_000_000),
    "mpeg2.mpg": Kind(codec="mpeg2video", options={"g": "12", "bf": "2"}, bit_rate=4_000_000, format="mpeg"),
    "mpeg1.mpg": Kind(codec="mpeg1video", options={"g": "12", "bf": "2"}, bit_rate=4_000_000, format="mpeg"),
    "mpeg2.ts": Kind(codec="mpeg2video", options={"g": "12", "bf": "2"}, bit_rate=4_000_000, format="mpegts"),
    "wmv2.wmv": Kind(codec="wmv2", options={}, bit_rate=4_000_000, format="asf"),
    "prores.mov": Kind(codec="prores_ks", options={}, pixels="yuv422p10le", frames=50),
    "ffv1.mkv": Kind(codec="ffv1", options={}, frames=50),
    "png.mov": Kind(codec="png", options={}, pixels="rgb24", frames=50),
    "raw.avi": Kind(codec="rawvideo", options={}, frames=50),
    "raw.y4m": Kind(codec="rawvideo", options={}, frames=50, format="yuv4mpegpipe"),
    "raw.h264": Kind(format="h264"),
    "raw.hevc": Kind(codec="libx265", options=X265, format="hevc"),
    "animation.gif": Kind(codec="gif", options={}, pixels="rgb8", frames=40, rate=10),
    "ntsc.mp4": Kind(rate=Fraction(30000, 1001)),
    "ntsc.mkv": Kind(rate=Fraction(30000, 1001)),
    "fast.mp4": Kind(rate=120),
    "slow.mp4": Kind(rate=Fraction(1, 2), frames=30),
    "thinned.mp4": Kind(keep=lambda n: n < 100 or n % 3 == 0),
    "thinned.mkv": Kind(keep=lambda n: n < 100 or n % 10 == 0),
    "gap.mp4": Kind(keep=lambda n: n < 50 or n > 200),
    "starts-late.mkv": Kind(start=125),
    "starts-late.mp4": Kind(start=125),
    "starts-late.ts": Kind(start=125, format="mpegts"),
    "portrait.mp4": Kind(size=(240, 320), frames=50),
    "small.mp4": Kind(size=(64, 48), frames=50, options=x264(crf="1")),
    "4k.mp4": Kind(size=(3840, 2160), frames=12),
    **{f"frames{n}.mp4": Kind(frames=n) for n in (2, 3, 5, 8, 9)},
    **{f"frames{n}.mkv": Kind(frames=n) for n in (2, 3)},
    **{f"frames{n}.avi": Kind(frames=n, codec="mpeg4", options={}, bit_rate=4_000_000) for n in (2, 3)},
}
# Codecs in containers, each at every rate: with NUMBERED more than 150 files.
RATES = {"5": 5, "12.5": Fraction(25, 2), "23.976": Fraction(24000, 1001), "29.97": NTSC, "50": 50, "60": 60}
B_FRAMES, MPEG = x264(g="20", bf="3"), {"g": "12", "bf": "2"}
FAMILIES = {
    "x264-b.mp4": Kind(options=B_FRAMES),
    "x264-b.mkv": Kind(options=B_FRAMES),
    "x264-b.mov": Kind(options=B_FRAMES),
    "x264-b.ts": Kind(options=B_FRAMES, format="mpegts"),
    "x264-b.flv": Kind(options=B_FRAMES),
    "x264-b.avi": Kind(options=B_FRAMES),
    "x264-fragments.mp4": Kind(options=B_FRAMES, container={"movflags": FRAGMENTED}),
    "x265.mp4": Kind(codec="libx265", options=X265),
    "x265.mkv": Kind(codec="libx265", options=X265),
    "av1.mkv": Kind(codec="libsvtav1", options={"preset": "12", "crf": "20"}),
    "vp9.mkv": Kind(codec="libvpx-vp9", options=FAST, bit_rate=1_000_000),
    "mpeg4-b.mkv": Kind(codec="mpeg4", options={"bf": "2"}, bit_rate=4_000_000),
    "mjpeg.mov": Kind(codec="mjpeg", options={}, pixels="yuvj420p", bit_rate=8_000_000),
    "ffv1.avi": Kind(codec="ffv1", options={}),
}
AT_EVERY_RATE = {
    f"{rate}-{name}": replace(kind, rate=value, frames=70)
    for name, kind in FAMILIES.items()
    for rate, value in RATES.items()
}
NAMES = ["with space.mp4", "ünïcödé_日本.mp4", "quote'.mp4", "dollar$HOME.mp4", "-dash.mp4", "concat:x.mp4", "%03d.mp4"]
NAMES += ["*.mp4", "12:30.mp4", "back\\slash.mp4", "pipe|name.mp4", "hash#1.mp4", "tab\tname.mp4", "trailing .mp4 "]


def picture(number: int, size: tuple[int, int]) -> np.ndarray:
    """uint8 [height, width, 3]: things that move, and the number in the middle, least significant block left."""
    width, height = size
    yy, xx = np.mgrid[0:height, 0:width]
    frame = np.empty((height, width, 3), np.uint8)
    frame[..., 0] = 90 + 40 * np.sin((xx + 3 * number) / 30)
    frame[..., 1] = 110 + 40 * np.sin((yy + 2 * number) / 25)
    frame[..., 2] = 100 + 30 * np.sin((xx + yy - number) / 40)
    block = width / 12
    for bit in range(10):
        columns = slice(round(block * (1 + bit)), round(block * (2 + bit)))
        frame[round(height / 2 - block / 2) : round(height / 2 + block / 2), columns] = 255 * (number >> bit & 1)
    return frame


def number_of(frame: np.ndarray) -> int:
    """The number that a picture carries."""
    height, width = frame.shape[:2]
    grey = frame[height // 2].astype(int).mean(1)
    return sum(int(grey[int(width / 12 * (1.5 + bit))] > 128) << bit for bit in range(10))


def numbers_in(kind: Kind) -> list[int]:
    """The frames of a video, in order."""
    return [n for n in range(kind.frames) if kind.keep(n)]


@contextlib.contextmanager
def as_scheduled() -> Iterator[None]:
    """SVT-AV1 makes the thread that calls it a real-time one where it may (root), and what that starts later with it: two such
    processes on two cores, and nothing else runs."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def make_numbered(path: Path, kind: Kind | None = None) -> Path:
    kind = kind or (NUMBERED | AT_EVERY_RATE)[path.name]
    path.parent.mkdir(parents=True, exist_ok=True)
    with as_scheduled(), av.open(str(path.absolute()), "w", format=kind.format, options=kind.container) as container:
        stream = container.add_stream(kind.codec, rate=kind.rate, options=kind.options)
        stream.width, stream.height = kind.size
        stream.pix_fmt = kind.pixels
        stream.thread_count = 1
        if kind.bit_rate:
            stream.bit_rate = kind.bit_rate
        stream.codec_context.time_base = 1 / Fraction(kind.rate)
        for n in numbers_in(kind):
            frame = av.VideoFrame.from_ndarray(picture(n, kind.size), format="rgb24")
            frame.pts, frame.time_base = n + kind.start, 1 / Fraction(kind.rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def damage(source: Path, target: Path, seed: int) -> Path:
    """Cut off, or with wrong bytes, zeros, a hole, or bytes that were moved."""
    content, chance = bytearray(source.read_bytes()), random.Random(seed)
    at, length = chance.randrange(len(content)), chance.choice([1, 8, 64, 512, 4096, 32768])
    end = min(at + length, len(content))
    match chance.randrange(5):
        case 0:
            del content[at:]
        case 1:
            for n in range(at, end):
                content[n] = chance.randrange(256)
        case 2:
            content[at:end] = bytes(end - at)
        case 3:
            del content[at:end]
        case 4:
            for _ in range(length):
                content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    target.write_bytes(content)
    return target


def write_wrong(folder: Path) -> dict[str, str]:
    """{name: what the reason says} of things that are no video."""
    folder.mkdir(parents=True, exist_ok=True)
    base = make_numbered(folder / "base.mp4")
    texts = {
        "text.mp4": b"this is text",
        "one-byte.mp4": b"\0",
        "zeros.mp4": bytes(5000),
        "random.mp4": random.Random(0).randbytes(50_000),
    }
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    wrong = dict.fromkeys(texts, "unreadable: ")
    (folder / "empty.mp4").write_bytes(b"")
    list_ = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{base}\n#EXT-X-ENDLIST\n"
    (folder / "playlist.m3u8").write_text(list_)
    (folder / "playlist.mp4").write_text(list_)
    (folder / "concat.mp4").write_text(f"ffconcat version 1.0\nfile {base.name}\n")
    (folder / "drawing.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    wrong |= dict.fromkeys(["playlist.m3u8", "playlist.mp4", "concat.mp4", "drawing.svg"], "unreadable: ")
    (folder / "folder.mp4").mkdir()
    os.mkfifo(folder / "pipe.mp4")
    (folder / "device.mp4").symlink_to("/dev/zero")
    (folder / "nowhere.mp4").symlink_to("nothing")
    wrong |= {"folder.mp4": "a folder", "pipe.mp4": "a pipe", "device.mp4": "a device", "nowhere.mp4": "no such file"}
    return wrong | {"empty.mp4": ""}


def kinds_of(names: Iterable[str]) -> dict[str, Kind]:
    return {name: NUMBERED[name] for name in names}
