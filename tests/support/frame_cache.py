"""Videos of many kinds, and the frame cache that the program makes of them."""

import json
import sys
import weakref
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import decode_frames
from roadtrain import torchvision_cpu
from roadtrain.data.llava import entry_json, write_entries
from roadtrain.frames import decoding
from roadtrain.frames.jobs import Inspection, decoding_jobs, inspect_video
from roadtrain.frames.reading import VideoFile
from roadtrain.media import Medium
from support.clips import render, trim, turn

SETTINGS = [
    {"nframes": 8, "min_pixels": 4096, "max_pixels": 17408},
    {"fps": 2.0, "min_pixels": 4096, "total_pixels": 81920},
]
WHOLE, WINDOW = (None, None), (0.3, 1.9)
NTSC = Fraction(30000, 1001)
VIDEOS = {
    "plain.mp4": {},
    "odd-length.mp4": {"frames": 31, "size": (98, 66)},
    "eight-frames.mp4": {"frames": 8, "size": (64, 64), "fps": 4},
    "nine-frames.mp4": {"frames": 9, "size": (320, 180), "fps": 5},
    "half-rate.mp4": {"frames": 64, "size": (178, 100), "fps": Fraction(25, 2)},
    "upright.mp4": {"frames": 50, "size": (100, 178), "fps": 25},
    "wide.mp4": {"frames": 45, "size": (352, 208), "fps": 15},
    "large.mp4": {"frames": 24, "size": (640, 360), "fps": 8},
    "narrow.mp4": {"frames": 90, "size": (64, 130), "fps": 30},
    "ntsc.mp4": {"frames": 75, "size": (426, 240), "fps": NTSC},
    "odd-sides.mp4": {"size": (97, 65), "pixels": "yuv444p"},
    "b-frames.mp4": {"frames": 100, "preset": "veryfast", "bf": "3", "g": "12"},
    "uneven.mp4": {"frames": 60, "uneven": True},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4.mp4": {"codec": "mpeg4", "frames": 40},
    "quicktime.mov": {"frames": 20},
    "matroska.mkv": {"frames": 33, "g": "5"},
    "transport.ts": {"frames": 50, "g": "12", "preset": "veryfast"},
    "bt709.mp4": {"size": (320, 180), "colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709"},
    # A jump to a key frame of these shows pictures that depend on what was decoded before.
    "open-groups.mp4": {
        "frames": 120,
        "preset": "veryfast",
        "bf": "3",
        "g": "12",
        "x264-params": "open-gop=1:scenecut=0",
    },
    "open-groups.mpg": {"frames": 120, "codec": "mpeg2video", "g": "12", "bf": "2", "fps": 25},
    "open-hevc.mp4": {
        "frames": 120,
        "codec": "libx265",
        "size": (128, 96),
        "fps": 25,
        "x265-params": "open-gop=1:keyint=12:min-keyint=12:bframes=3:scenecut=0:log-level=none",
    },
}
TURNED = {f"turned-{degrees}.mp4": degrees for degrees in (90, 180, 270)}
TRIMMED = {"trimmed.mp4": 17, "trimmed-at-key-frame.mp4": 12}


def make_video(media: Path, name: str) -> Path:
    if name in TURNED:
        return turn(make_video(media, "upright.mp4"), media / name, TURNED[name])
    if name in TRIMMED:
        return trim(make_video(media, "b-frames.mp4"), media / name, TRIMMED[name])
    return media / name if (media / name).exists() else render(media / name, seed=len(name), **VIDEOS[name])


RECIPE = ("--frames", '{"reader": "decord"}')


def decode_in_process(*arguments: object) -> str | int:
    """Run the program in this process. Its exit code, or what it says when it stops."""
    keep, sys.argv = sys.argv, ["decode_frames.py", *map(str, arguments)]
    try:
        decode_frames.main()
    except SystemExit as end:
        return end.code
    finally:
        sys.argv = keep
    return 0


def decode_arguments(llava: Path, media: Path, settings: list[dict]) -> tuple[list, list[Path]]:
    indexes = [llava.parent / f"index{n}.json" for n in range(len(settings))]
    command = ["--llava", llava, "--media", media, "--cache", llava.parent / "cache"]
    for setting, index in zip(settings, indexes, strict=True):
        command += ["--vision", json.dumps(setting), "--index", index]
    return command, indexes


def decode_settings(llava: Path, media: Path, settings: list[dict], *more: object) -> tuple[str | int, list[Path]]:
    command, indexes = decode_arguments(llava, media, settings)
    return decode_in_process(*command, "--workers", 0, *more), indexes


def write_conversations(path: Path, videos: list[str], windows: tuple = (WHOLE,)) -> Path:
    write_entries(
        path,
        [
            entry_json(
                id=f"{n}", scenario="s", video=video, type="t", phase="p", human="<video> q", answer="A", start=a, end=b
            )
            for n, video in enumerate(videos)
            for a, b in windows
            for _ in range(2)
        ],
    )
    return path


def small_split(tmp_path: Path, count: int = 3) -> tuple[Path, Path]:
    videos = [f"v{n}.mp4" for n in range(count)]
    for n, video in enumerate(videos):
        render(tmp_path / "media" / video, seed=n)
    return write_conversations(tmp_path / "x.llava.json", videos), tmp_path / "media"


def inspect_clips(video: Path, windows: tuple, settings: list[dict], cache: Path, reader: str = "pyav") -> Inspection:
    (job,) = decoding_jobs(
        [Medium(video.name, *window) for window in windows], str(video.parent), tuple(settings), str(cache), reader
    )
    return inspect_video(job)


class CountedReader:
    """VideoFile that counts: how often a video was opened, how many pictures were asked for, and how many of them were
    in use at once."""

    def __init__(self, monkeypatch):
        self.opened, self.frames, self.most_held, counter = [], 0, 0, self
        held: list[weakref.ref] = []

        class Reader(VideoFile):
            def __init__(self, path):
                counter.opened.append(Path(path).name)
                super().__init__(path)

            def pictures(self, numbers):
                counter.frames += len(numbers)
                for number, picture in super().pictures(numbers):
                    held.append(weakref.ref(picture))
                    counter.most_held = max(counter.most_held, sum(reference() is not None for reference in held))
                    yield number, picture

        monkeypatch.setattr(decoding, "VideoFile", Reader)


class CountedRecipeReader:
    """decord.VideoReader that counts: how often a video was opened, how many frames were asked for, and how many
    batches of them were in use at once."""

    def __init__(self, monkeypatch):
        torchvision_cpu.ensure()
        import decord

        self.opened, self.frames, self.most_held, plain, counter = [], 0, 0, decord.VideoReader, self
        held: list[weakref.ref] = []

        class Reader(plain):
            def __init__(self, uri, **options):
                counter.opened.append(Path(uri).name)
                super().__init__(uri, **options)

            def get_batch(self, indices):
                counter.frames += len(indices)
                batch = super().get_batch(indices).asnumpy()
                held.append(weakref.ref(batch))  # alive as long as anything that shares its memory
                counter.most_held = max(counter.most_held, sum(reference() is not None for reference in held))
                return SimpleNamespace(asnumpy=lambda: batch)

        monkeypatch.setattr(decord, "VideoReader", Reader)
