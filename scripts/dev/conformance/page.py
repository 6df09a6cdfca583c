"""The tables of docs/conformance.md, made of conformance.json."""

from collections.abc import Sequence
from typing import Any

NAMES = {
    "training": "training",
    "evaluation": "local evaluation",
    "vllm": "vLLM offline",
    "cosmos-rl": "cosmos-rl",
    "serve.py": "`serve.py`, the file",
    "serve.py-frames": "`serve.py`, frames as a video",
    "server-metadata": "vLLM's server, frames with metadata",
    "server-frames": "vLLM's server, frames as a video",
    "server": "vLLM's server, the file",
    "recipe": "recipe (qwen-vl-utils, decord)",
    "transformers": "stock transformers",
}
DIFFERENT = ("serve.py", "server-frames", "server", "recipe", "transformers")  # that have columns of their own
EQUAL = "="

BEGIN, END = "<!-- tables: scripts/dev/conformance_matrix.py -->", "<!-- end of the tables -->"

Cell = dict[str, Any]


def renew(text: str, result: dict[str, Any]) -> str:
    """The page with the tables of this result. Raises ValueError when it has no place for them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} .. {END}")
    return f"{before}{BEGIN}\n\n{tables(result)}\n\n{END}{after}"


def tables(result: dict[str, Any]) -> str:
    """Markdown: a line a way, then what differs, clip by clip, under each setting."""
    parts = [summary(result)]
    for setting in dict.fromkeys(case["setting"] for case in result["cases"]):
        cases = [case for case in result["cases"] if case["setting"] == setting]
        vision = ", ".join(f"{key}: {value}" for key, value in cases[0]["vision"].items())
        rows = [[case["clip"], in_training(case), *(words(case, way) for way in DIFFERENT)] for case in cases]
        header = ["clip", "training sees", *(NAMES[way] for way in DIFFERENT)]
        parts.append(f"**{{{vision}}}**\n\n{markdown(header, rows)}")
    return "\n\n".join(parts)


def summary(result: dict[str, Any]) -> str:
    header = ["way", "cases", "equal to the bit", "same tokens", "same frames", "pixels of 255, mean", "probabilities"]
    rows = []
    for way, name in NAMES.items():
        cells = [cell for cell in cells_of(result, way) if "problem" not in cell]
        means = [
            cell["pixels"]["mean"] for cell in cells if cell["tokens_equal"] and cell.get("frames_equal") is not False
        ]
        frames = [
            cell["frames_equal"] for cell in cells if "frames_equal" in cell
        ]  # of a recorded clip not every way says which
        letters = [cell["letters"] for cell in cells if "letters" in cell]
        row: list[object] = [name, len(cells), sum(cell["equal"] for cell in cells)]
        row += [sum(cell["tokens_equal"] for cell in cells), f"{sum(frames)} of {len(frames)}"]
        row += [f"{max(means):.2f}" if means else "", f"{max(letters):.4f}" if letters else ""]
        rows.append(row)
    return markdown(header, rows)


def cells_of(result: dict[str, Any], way: str) -> list[Cell]:
    return [case["ways"][way] for case in result["cases"]]


def in_training(case: dict[str, Any]) -> str:
    frames, height, width = case["ways"]["training"]["size"]
    return f"{frames} of {width}x{height}"


def words(case: dict[str, Any], way: str) -> str:
    """A cell: what differs from training, the gravest first."""
    cell, training = case["ways"][way], case["ways"]["training"]
    if "problem" in cell:
        return "–" if "windows" in cell["problem"] else "error"
    if cell["equal"]:
        return EQUAL
    parts = []
    if cell["size"] != training["size"]:
        frames, height, width = cell["size"]
        parts.append(f"{frames} of {width}x{height}")
    if cell.get("frames_equal") is False and cell["size"][0] == training["size"][0]:
        parts.append("other frames")
    if not cell["times_equal"] and cell["size"][0] == training["size"][0]:
        parts.append("other times")
    if not parts and "pixels" in cell:
        parts.append(f"≈ {cell['pixels']['mean']:.2f}")
    return ", ".join(parts) or "other tokens"


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [list(header), ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def in_short(result: dict[str, Any]) -> str:
    """A line a way that was run: how many cases are equal."""
    lines = []
    for way, name in NAMES.items():
        cells = [case["ways"][way] for case in result["cases"] if way in case["ways"]]
        if cells:
            lines.append(f"{name:36} {sum(cell['equal'] for cell in cells):3} of {len(cells)} equal")
    return "\n".join(lines)
