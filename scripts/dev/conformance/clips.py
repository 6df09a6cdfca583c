"""A dozen clips that readers stumble over, every frame with its number in it; recorded videos beside them; the two published settings."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

BITS = 10
X264 = {"preset": "veryfast", "crf": "18", "bf": "2"}
SETTINGS: dict[str, dict[str, Any]] = {"nframes 8": {"nframes": 8}, "fps 1": {"fps": 1, "total_pixels": 8388608}}
TINY: dict[str, dict[str, Any]] = {  # the same in a hundredth of the pixels, for tests
    "nframes 8": {"nframes": 8, "min_pixels": 4096, "max_pixels": 17408},
    "fps 1": {"fps": 1, "min_pixels": 4096, "total_pixels": 98304},
}


@dataclass(frozen=True)
class Recipe:
    """How a numbered clip is made."""

    size: tuple[int, int] = (320, 240)  # width, height
    frames: int = 250
    rate: Fraction | int = 25
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=lambda: X264)
    keep: Callable[[int], bool] = lambda n: True  # frames that the video has: others are a gap in its times
    turned: bool = False  # 90 degrees, as a phone held upright writes it
    hidden: int = 0  # frames that an edit list hides
    window: tuple[float | None, float | None] = (None, None)  # seconds that are asked about


CLIPS = {
    "plain": Recipe(),
    "odd-size": Recipe(size=(321, 241), pixels="yuv444p"),
    "small": Recipe(size=(96, 64)),
    "large": Recipe(size=(1280, 720), frames=60),
    "portrait": Recipe(size=(240, 426), frames=150),
    "ntsc": Recipe(rate=Fraction(30000, 1001)),
    "12.5-fps": Recipe(rate=Fraction(25, 2), frames=130),
    "60-fps": Recipe(rate=60, frames=310),
    "odd-count": Recipe(frames=237),  # 9.48 s: an odd number of frames at one a second
    "short": Recipe(frames=12, rate=10),
    "variable": Recipe(keep=lambda n: n < 100 or n % 4 == 0),
    "far-key-frames": Recipe(options=X264 | {"g": "250", "bf": "3"}),
    "edit-list": Recipe(hidden=40),
    "turned": Recipe(turned=True),
    "window": Recipe(window=(3.0, 7.5)),
}
FAST = ("plain", "odd-size", "odd-count", "variable", "edit-list", "window")  # what tests look at


@dataclass(frozen=True)
class Case:
    """One clip under one setting."""

    clip: str
    setting: str
    file: str  # below the media folder
    start: float | None
    end: float | None
    vision: dict[str, Any]
    numbered: bool  # its frames carry their number

    @property
    def name(self) -> str:
        return f"{self.clip} {self.setting}"

    @property
    def is_window(self) -> bool:
        return self.start is not None or self.end is not None


def make_clips(media: Path, names: Sequence[str] = tuple(CLIPS)) -> None:
    """Every clip that isn't there yet."""
    media.mkdir(parents=True, exist_ok=True)
    for name in names:
        if not (path := media / f"{name}.mp4").exists():
            make_clip(path, CLIPS[name])


def cases(names: Sequence[str], settings: dict[str, dict[str, Any]], recorded: Sequence[str] = ()) -> list[Case]:
    """Every clip under every setting. `recorded`: further files of the media folder."""
    files = [(name, f"{name}.mp4", *CLIPS[name].window, True) for name in names]
    files += [(Path(file).stem, file, None, None, False) for file in recorded]
    return [
        Case(name, setting, file, start, end, vision, numbered)
        for setting, vision in settings.items()
        for name, file, start, end, numbered in files
    ]


def write_cases(root: Path, cases: Sequence[Case]) -> None:
    """For programs in other environments."""
    (root / "cases.json").write_text(json.dumps([vars(case) for case in cases], indent=1))


def read_cases(root: Path) -> list[Case]:
    return [Case(**value) for value in json.loads((root / "cases.json").read_text())]


def setting_name(setting: str) -> str:
    """Of files."""
    return setting.replace(" ", "")


def index_file(root: Path, case: Case) -> Path:
    return root / f"{setting_name(case.setting)}.json"


def picture(number: int, size: tuple[int, int]) -> np.ndarray:
    """uint8 [height, width, 3]: waves that move, and across the middle the number as black and white blocks, lowest bit left."""
    width, height = size
    yy, xx = np.mgrid[0:height, 0:width]
    waves = [np.sin((xx + 3 * number) / 30), np.sin((yy + 2 * number) / 25), np.sin((xx + yy - number) / 40)]
    frame = np.stack([100 + 40 * wave for wave in waves], axis=-1).astype(np.uint8)
    block = width / (BITS + 2)
    rows = slice(round(height / 2 - block), round(height / 2 + block))
    for bit in range(BITS):
        frame[rows, round(block * (1 + bit)) : round(block * (2 + bit))] = 255 * (number >> bit & 1)
    return frame


def number_of(frame: np.ndarray) -> int:
    """The number that a picture of any size carries."""
    height, width = frame.shape[:2]
    middle = frame[height // 2].astype(float).mean(-1)
    block = width / (BITS + 2)
    return sum(int(middle[int(block * (1.5 + bit))] > 128) << bit for bit in range(BITS))


def make_clip(path: Path, recipe: Recipe) -> None:
    """An mp4. An upright picture is written lying where `turned`, with a header that turns it back."""
    import av

    raw = path.with_suffix(".raw.mp4")
    with av.open(str(raw), "w") as container:
        stream = container.add_stream("libx264", rate=recipe.rate, options=recipe.options)
        stream.width, stream.height = recipe.size[::-1] if recipe.turned else recipe.size
        stream.pix_fmt, stream.thread_count = recipe.pixels, 1
        stream.codec_context.time_base = tick = 1 / Fraction(recipe.rate)
        for number in filter(recipe.keep, range(recipe.frames)):
            shown = picture(number, recipe.size)
            shown = np.ascontiguousarray(np.rot90(shown)) if recipe.turned else shown
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
            frame.pts, frame.time_base = number, tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if recipe.hidden:
        _hide(raw, path, recipe.hidden)
    elif recipe.turned:
        path.write_bytes(_turned(raw.read_bytes()))
    else:
        raw.rename(path)
    raw.unlink(missing_ok=True)


def _hide(source: Path, target: Path, frames: int) -> None:
    """The same packets with an edit list that hides the first frames, as mp4 files are cut without encoding."""
    import av

    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        video = before.streams.video[0]
        stream = after.add_stream_from_template(video)
        for packet in before.demux(video):
            if packet.dts is not None:
                shift = int(frames / video.average_rate / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, stream
                after.mux(packet)


def _turned(content: bytes) -> bytes:
    """An mp4 with the display matrix of a quarter turn to the right (ISO 14496-12, 8.3.2)."""
    one = 1 << 16
    plain = np.array([one, 0, 0, 0, one, 0, 0, 0, 1 << 30], ">i4").tobytes()
    right = np.array([0, one, 0, -one, 0, 0, 0, 0, 1 << 30], ">i4").tobytes()
    at = content.index(plain, content.index(b"tkhd"))
    return content[:at] + right + content[at + len(plain) :]
