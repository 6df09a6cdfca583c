#!/usr/bin/env python3
"""Render the example of docs/own-data.md: short clips of a coloured box that moves, and questions about them.

    clips/{train,val}_<n>.mp4        2 s each, of several sizes and frame rates
    pictures/<n>.png                 two pictures, for the llava source's second form
    {train,val}.csv                  a table of multiple-choice questions (source: mcq)
    {train,val}.json                 LLaVA conversations of two turns (source: llava)
    pictures.json                    LLaVA conversations about pictures
    mixed.json                       conversations about pictures and clips together

Same seed and counts, same bytes. Nothing is downloaded; the clips are in the public domain (CC0).
"""

import argparse
import csv
import random
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from roadtrain import cli
from roadtrain.files import whole_file, write_json
from roadtrain.sample.video import encode

COLOURS = {"Red": (200, 40, 40), "Green": (40, 160, 60), "Blue": (40, 70, 200), "Yellow": (220, 200, 40)}
STEPS = {"To the left": -1, "To the right": 1}
SIZES = ((96, 64), (128, 96), (160, 96))
RATES = (8, 10, 12)
SECONDS = 2


def frame(width: int, height: int, colour: str, place: float, grey: int = 120) -> np.ndarray:
    """A grey road with a box at `place` of the width (0 to 1): uint8 [height, width, 3]."""
    picture = np.full((height, width, 3), grey, np.uint8)
    picture[: height // 3] = (170, 200, 230)
    size, x = height // 4, round(place * (width - height // 4))
    picture[height // 2 : height // 2 + size, x : x + size] = COLOURS[colour]
    return picture


def example(rng: random.Random, name: str) -> dict:
    """What one clip shows and how it is rendered."""
    (width, height), rate = rng.choice(SIZES), rng.choice(RATES)
    scene = {"name": name, "colour": rng.choice(list(COLOURS)), "direction": rng.choice(list(STEPS))}
    ends = rng.uniform(0, 0.3), rng.uniform(0.7, 1)
    return scene | {
        "width": width,
        "height": height,
        "rate": rate,
        "ends": ends,
        "grey": rng.randint(80, 150),
    }


def render(scene: dict) -> bytes:
    """The clip as an mp4 file."""
    count = SECONDS * scene["rate"]
    first, last = scene["ends"]
    places = np.linspace(first, last, count)[:: STEPS[scene["direction"]]]
    frames = (frame(scene["width"], scene["height"], scene["colour"], place, scene["grey"]) for place in places)
    return encode(frames, scene["rate"])


def questions(rng: random.Random, scene: dict) -> list[dict]:
    """Two multiple-choice questions with their options in random order."""
    result = []
    for text, options, answer in (
        ("What is the colour of the box?", list(COLOURS), scene["colour"]),
        ("In which direction does the box move?", list(STEPS), scene["direction"]),
    ):
        result.append({"question": text, "options": rng.sample(options, len(options)), "answer": answer})
    return result


def write_split(out: Path, split: str, scenes: list[dict], rng: random.Random) -> None:
    with whole_file(out / f"{split}.csv") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["video", "scenario", "question", "options", "answer"])
        for scene in scenes:
            for question in questions(rng, scene):
                options = "|".join(question["options"])
                table.writerow(
                    [f"{scene['name']}.mp4", scene["name"], question["question"], options, question["answer"]]
                )
    turns = [
        {
            "id": scene["name"],
            "video": f"{scene['name']}.mp4",
            "conversations": [
                {"from": "human", "value": "<video>\nWhat is the colour of the box?"},
                {"from": "gpt", "value": scene["colour"]},
                {"from": "human", "value": "And where does it go?"},
                {"from": "gpt", "value": scene["direction"]},
            ],
        }
        for scene in scenes
    ]
    write_json(out / f"{split}.json", turns)


def mixed(pictures: list[dict], scene: dict) -> list[dict]:
    """The conversations about pictures, and one about a clip in which a picture turns up."""

    def below(names: str | list[str]) -> str | list[str]:
        return [f"pictures/{name}" for name in names] if isinstance(names, list) else f"pictures/{names}"

    same = "Yes." if scene["colour"] == "Red" else "No."
    turns = [
        "<video>\nWhat is the colour of the box?",
        scene["colour"],
        "Has the box in <image> the same colour?",
        same,
        "In which direction did the first one move?",
        scene["direction"],
    ]
    conversation = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(turns)]
    clip = {"video": f"clips/{scene['name']}.mp4", "image": "pictures/0.png", "conversations": conversation}
    return [entry | {"image": below(entry["image"])} for entry in pictures] + [clip]


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("data/example"), help="default: data/example")
    parser.add_argument("--train", type=int, default=64, help="clips to train on (default: 64)")
    parser.add_argument("--val", type=int, default=16, help="clips to validate on (default: 16)")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    args = parser.parse_args()
    clips = {}
    for split in ("train", "val"):
        rng = random.Random(f"{args.seed} {split}")
        scenes = [example(rng, f"{split}_{n:03}") for n in range(getattr(args, split))]
        clips[split] = scenes
        for scene in tqdm(scenes, desc=split, unit="clip", disable=None):
            with whole_file(args.out / "clips" / f"{scene['name']}.mp4", "wb") as stream:
                stream.write(render(scene))
        write_split(args.out, split, scenes, rng)
    pictures = []
    for number, colour in enumerate(("Red", "Blue")):
        with whole_file(args.out / "pictures" / f"{number}.png", "wb") as stream:
            Image.fromarray(frame(96, 64, colour, 0.5)).save(stream, format="png")
        question = {"from": "human", "value": "<image>\nWhat is the colour of the box?"}
        pictures.append({"image": f"{number}.png", "conversations": [question, {"from": "gpt", "value": colour}]})
    both = {"from": "human", "value": "First <image>, then <image>. Is it the same box?"}
    pictures.append({"image": ["0.png", "1.png"], "conversations": [both, {"from": "gpt", "value": "No."}]})
    write_json(args.out / "pictures.json", pictures)
    write_json(args.out / "mixed.json", mixed(pictures, clips["train"][0]))
    print(f"{args.out}: {args.train} + {args.val} clips with two questions each, and two pictures")


if __name__ == "__main__":
    main()
