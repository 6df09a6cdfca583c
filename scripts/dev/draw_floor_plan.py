#!/usr/bin/env python3
"""Draw docs/figures/floor_plan.svg: the rooms of scripts/roadtrain, a floor above what it may import.

    PYTHONPATH=scripts python scripts/dev/draw_floor_plan.py

tests/workflow/test_docs.py compares the picture with these words.
"""

from html import escape
from pathlib import Path

PICTURE = Path(__file__).resolve().parents[2] / "docs/figures/floor_plan.svg"
# Floors from the roof down: rooms, each with what it does; an engine that nobody imports stands beside its floor.
FLOORS = [
    [("paper", "tables, figures, the report")],
    [("deploy", "manifests, serving, asking"), ("results", "reading a run, comparisons")],
    [("quantize", "fewer bits, and the gate")],
    [("evaluate", "asking, answers, accuracy"), ("evaluate/vllm", "the other engine")],
    [("train", "steps, state, preflight"), ("train/cosmos", "the other engine")],
    [("model", "prompts, sequences, attention, forward, loss")],
    [("data", "annotations and tables -> questions")],
    [("spec", "what may be asked for"), ("frames", "videos -> the frame cache")],
    [("sample", "the rendered sample")],
    [("no room", "paths, files, cli, locks, media, workers, processes, gpus, markup, torchvision_cpu")],
]
ENGINES = ("evaluate/vllm", "train/cosmos")
WIDTH, LEFT, HEIGHT, GAP = 760, 120, 44, 8


def box(x: int, y: int, width: int, name: str, about: str) -> str:
    """A room: a rectangle with its name and what it does."""
    dashes = ' stroke-dasharray="5 4"' if name in ENGINES else ""
    middle = x + width // 2
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{HEIGHT}" rx="5" fill="#f2f6fa" stroke="#33566f"{dashes}/>'
        f'<text x="{middle}" y="{y + 18}" font-weight="bold">{escape(name)}</text>'
        f'<text x="{middle}" y="{y + 35}" font-size="12">{escape(about)}</text>'
    )


def picture() -> str:
    """The SVG's text."""
    height = len(FLOORS) * (HEIGHT + GAP) + 2 * GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="Helvetica, Arial, sans-serif" font-size="14" fill="#1c2b36" text-anchor="middle">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<path d="M 60 {GAP + 70} V {height - 30}" stroke="#33566f" stroke-width="2" fill="none"/>',
        f'<path d="M 54 {height - 32} h 12 l -6 14 z" fill="#33566f"/>',
        f'<text x="60" y="{GAP + 24}">imports</text><text x="60" y="{GAP + 42}">go down</text>',
    ]
    for floor, rooms in enumerate(FLOORS):
        width = (WIDTH - LEFT - GAP * len(rooms)) // len(rooms)
        for place, (name, about) in enumerate(rooms):
            parts.append(box(LEFT + place * (width + GAP), GAP + floor * (HEIGHT + GAP), width, name, about))
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
