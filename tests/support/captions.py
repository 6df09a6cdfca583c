"""Captions for tests: written here, in the manner of WTS's, and files of them in its layout."""

import random
from pathlib import Path

from support.annotations import write

WORDS = """the pedestrian stands walks crosses slowly in front of behind vehicle car road is dry wet clear rainy man woman
30s 170 cm wearing a jacket , . traffic light 20 km/h brakes stops isn't near diagonally left right""".split()


def caption(rng: random.Random, words=30) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, words))).capitalize() + "."


def reworded(rng: random.Random, text: str) -> str:
    """Some words left out, some doubled, some others; never the same text again by chance alone."""
    words = []
    for word in text.split():
        draw = rng.random()
        words += [] if draw < 0.15 else [word, word] if draw < 0.2 else [rng.choice(WORDS)] if draw < 0.35 else [word]
    return " ".join(words)


def phase(label: str, pedestrian: str, vehicle: str, **more) -> dict:
    return {"labels": [label], "caption_pedestrian": pedestrian, "caption_vehicle": vehicle, **more}


def reference_file(root: Path, scenario: str, phases: list[dict], split="val", view="overhead_view") -> Path:
    """WTS's where the scenario isn't a video of BDD_PC_5K."""
    value = {"id": 1, "overhead_videos": [f"{scenario}.mp4"], "event_phase": phases}
    if scenario.startswith("video"):
        return write(root / f"external/BDD_PC_5K/annotations/caption/{split}/{scenario}_caption.json", value)
    return write(root / f"annotations/caption/{split}/{scenario}/{view}/{scenario}_caption.json", value)
