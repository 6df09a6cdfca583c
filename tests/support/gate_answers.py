"""Predictions for the gate: four questions a scenario, of which "A" is right."""

import json
from collections.abc import Sequence
from pathlib import Path


def write_answers(path: Path, responses: Sequence[str | None]) -> Path:
    """A response a question; one that names no option is unread, None: it wasn't asked."""
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
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
