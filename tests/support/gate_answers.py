"""Predictions for the gate: four questions a scenario, of which "A" is right."""

import json
from collections.abc import Sequence
from pathlib import Path

REFERENCE = "The pedestrian walks slowly to the left in front of the car."


def write_answers(path: Path, responses: Sequence[str | None], texts: Sequence[str | None] = ()) -> Path:
    """A response a question; one that names no option is unread, None: it wasn't asked. `texts`: captions, one a scenario, of which
    REFERENCE is right."""
    path.parent.mkdir(exist_ok=True)
    rows = [
        {
            "id": f"q{n:03}",
            "video": f"v{n // 4}.mp4",
            "scenario": f"s{n // 4}",
            "question": "q",
            "options": {"A": "x", "B": "y"},
            "prompt": "p",
            "response": response,
            "answer": response if response in ("A", "B") else None,
            "correct": "A",
            "is_correct": response == "A",
        }
        for n, response in enumerate(responses)
    ]
    rows += [
        {
            "id": f"c{n:03}",
            "video": f"v{n}.mp4",
            "scenario": f"s{n}",
            "question": "Describe the vehicle.",
            "options": {},
            "prompt": "p",
            "response": text,
            "answer": None,
            "correct": REFERENCE,
            "is_correct": False,
            "group": "caption of the vehicle",
            "phase": "action",
        }
        for n, text in enumerate(texts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
