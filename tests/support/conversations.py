"""Entries with pictures, several media and later turns, and how a user of the processor writes them."""

import json
from pathlib import Path

import numpy as np

from roadtrain.data.llava import write_entries
from roadtrain.frames.index import FrameIndex
from support.clips import render
from support.frame_cache import decode_in_process

VISION = {"nframes": 4, "min_pixels": 4096, "max_pixels": 17408}


def picture(path, mode: str = "RGB", size: tuple[int, int] = (97, 65), seed: int = 0, **options):
    """Smooth colours with noise, in one of Pillow's modes."""
    from PIL import Image

    width, height = size
    rng = np.random.default_rng(seed)
    channels = {"RGBA": 4, "LA": 2, "L": 1, "1": 1}.get(mode, 3)
    ramp = np.linspace(0, 200, width)[None, :, None] + np.linspace(0, 40, height)[:, None, None]
    pixels = (ramp + rng.integers(0, 16, (height, width, channels))).astype(np.uint8)
    image = Image.fromarray(pixels if channels > 1 else pixels[..., 0]).convert(mode)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def conversation(*texts: str) -> list[dict]:
    return [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]


def entry(number: int, **value) -> dict:
    return {"id": f"e{number}", **value}


# id -> media and turns, and how a user of the processor writes the last question: parts of human turns and answers.
CONVERSATIONS = {
    "picture": ({"image": "a.png"}, ["<image>\nWhat?", "Red"], [["a.png", "What?"]]),
    "picture after the words": ({"image": "a.png"}, ["What is it?\n<image>", "Red"], [["a.png", "What is it?"]]),
    "one between words": ({"image": "a.png"}, ["Is <image> red?", "Yes"], [["Is ", "a.png", " red?"]]),
    "two pictures": ({"image": ["a.png", "b.png"]}, ["<image>\n<image>\nSame?", "No"], [["a.png", "b.png", "Same?"]]),
    "between words": (
        {"image": ["a.png", "b.png"]},
        ["First <image>, then <image>. Same?", "No"],
        [["First ", "a.png", ", then ", "b.png", ". Same?"]],
    ),
    "ends with one": (
        {"image": ["a.png", "b.png"]},
        ["Which: <image> or <image>", "This"],
        [["Which: ", "a.png", " or ", "b.png"]],
    ),
    "two videos": ({"video": ["v.mp4", "w.mp4"]}, ["<video><video>Same?", "No"], [["v.mp4", "w.mp4", "Same?"]]),
    "both kinds": (
        {"image": "a.png", "video": ["v.mp4", "w.mp4"]},
        ["<video> and <image> and <video>: where?", "Here"],
        [["v.mp4", " and ", "a.png", " and ", "w.mp4", ": where?"]],
    ),
    "none named": ({"image": "a.png", "video": "v.mp4"}, ["Where?", "Here"], [["a.png", "v.mp4", "Where?"]]),
    "later turns": (
        {"video": "v.mp4", "image": ["a.png", "b.png"]},
        ["<video>\nWhat?", "A box.", "And\n<image>", "Too.", "More?", "No.", "<image>", "Blue."],
        [["v.mp4", "What?"], "A box.", ["a.png", "And"], "Too.", ["More?"], "No.", ["b.png"]],
    ),
    "text after": (
        {"image": ["a.png", "b.png"]},
        ["<image> <image>", "Two.", "Colours?", "Red.", "Sure?", "Yes."],
        [["a.png", "b.png"], "Two.", ["Colours?"], "Red.", ["Sure?"]],
    ),
}


def decode_entries(root, entries: list[dict]) -> FrameIndex:
    write_entries(root / "x.llava.json", entries)
    command = ["--llava", root / "x.llava.json", "--media", root / "media", "--cache", root / "cache", "--workers", 0]
    assert decode_in_process(*command, "--vision", json.dumps(VISION), "--index", root / "index.json") == 0
    return FrameIndex.load(root / "index.json")


def render_media(media: Path) -> None:
    """The files that CONVERSATIONS name."""
    picture(media / "a.png", size=(150, 90), seed=1)
    picture(media / "b.png", size=(70, 130), seed=2)
    render(media / "v.mp4", frames=20, seed=3)
    render(media / "w.mp4", frames=30, size=(64, 96), seed=4)
