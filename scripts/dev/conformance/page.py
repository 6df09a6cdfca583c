"""The tables of docs/conformance.md, made of conformance.json."""

from typing import Any

NAMES = {
    "training": "training",
    "evaluation": "local evaluation",
    "vllm": "vLLM offline",
    "cosmos-rl": "cosmos-rl",
    "serve.py": "`serve.py`, the file",
    "server-metadata": "server, frames with metadata",
    "server-frames": "server, frames as a video",
    "server": "server, the file",
    "recipe": "recipe (qwen-vl-utils)",
    "transformers": "stock transformers",
}


def in_short(result: dict[str, Any]) -> str:
    """A line a way: how many cases are equal."""
    lines = []
    for way in NAMES:
        cells = [case["ways"][way] for case in result["cases"] if way in case["ways"]]
        if cells:
            lines.append(f"{NAMES[way]:30} {sum(cell['equal'] for cell in cells):3} of {len(cells)} equal")
    return "\n".join(lines)
