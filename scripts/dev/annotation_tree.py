"""WTS annotations of any number of questions, without videos: what bench_convert.py converts.

16 environment questions a scenario, 1.5 cameras a scenario on average.
"""

import json
import random
from pathlib import Path

QUESTIONS = 16  # a scenario: WTS has 5.6k for 341 videos
CAMERAS = (1, 2, 1, 2)
TEXTS = [
    ("What is the road inclination in the scene?", ["Level", "Gentle downhill", "Steep downhill", "Steep uphill"]),
    ("What is the weather in the scene?", ["Clear", "Cloudy", "Rainy", "Snowy"]),
    ("What is the brightness level in the scene?", ["Bright", "Dim", "Dark"]),
    ("What are the road surface conditions?", ["Dry", "Wet", "Covered with snow or ice"]),
    ("What type of surface does the road have?", ["Asphalt", "Concrete", "Gravel"]),
    ("How heavy is the traffic at this moment?", ["Light", "Usual", "Heavy"]),
    ("Does the road have street lights?", ["Yes", "No"]),
    ("What is the age group of the pedestrian?", ["20s", "30s", "40s", "50s"]),
    ("What is the height of the pedestrian?", ["160 cm", "170 cm", "180 cm"]),
    ("What colour is the pedestrian's upper body clothing?", ["Black", "White", "Blue", "Grey"]),
    ("What colour is the pedestrian's lower body clothing?", ["Black", "White", "Blue", "Grey"]),
    ("Does the pedestrian wear a hat?", ["Yes", "No"]),
    ("Does the pedestrian wear glasses?", ["Yes", "No"]),
    ("How is the road formed?", ["Straight", "Curve", "Intersection", "T-junction"]),
    ("Is there a sidewalk on both sides of the road?", ["Both sides", "One side", "None"]),
    ("How many lanes does the road have?", ["One lane", "Two lanes", "Three lanes", "Four lanes"]),
]


def write_tree(root: Path, questions: int) -> int:
    """A training split of about `questions` questions (over all cameras). Returns the exact number."""
    rng, count, scenario = random.Random(0), 0, 0
    while count < questions:
        cameras = CAMERAS[scenario % len(CAMERAS)]
        name = f"2023{scenario % 12 + 1:02d}{scenario % 28 + 1:02d}_{scenario}_SN{scenario % 60}_T1"
        rows = []
        for text, options in TEXTS[:QUESTIONS]:
            shuffled = rng.sample(options, len(options))
            letters = "abcd"[: len(shuffled)]
            rows.append({"question": text, **dict(zip(letters, shuffled, strict=True)), "correct": rng.choice(letters)})
        videos = [f"{name}_Camera{camera + 1}_{camera}.mp4" for camera in range(cameras)]
        normal = "normal_trimmed/" if scenario % 5 == 0 else ""
        folder = root / f"annotations/vqa/train/{normal}{name}/environment"
        folder.mkdir(parents=True)
        record = [{"id": scenario, "overhead_videos": videos, "environment": rows}]
        (folder / f"{name}.json").write_text(json.dumps(record, indent=4))
        count += cameras * len(rows)
        scenario += 1
    return count
