"""A training run's TOML for tests, rendered by the real program from a folder with questions and frames."""

import json
import subprocess
import sys
from pathlib import Path

from support.workflow import ROOT

PROMPT = "You are a helpful assistant."


def options(**values) -> list[str]:
    """--name value of each; `_` in a name is `-`."""
    pairs = [(f"--{name.replace('_', '-')}", str(value)) for name, value in values.items()]
    return [word for pair in pairs for word in pair]


def render_run_toml(path: Path, root: Path, *, model: Path, vision: dict, train: dict, output_dir: Path) -> Path:
    """`root` holds x.llava.json, media/ and index.json; `train` is the spec's section. Returns `path`."""
    settings = {"name": "a", "model": str(model), "vision": vision, "train": train}
    data = {"llava": root / "x.llava.json", "media": root / "media", "frames": root / "index.json"}
    arguments = options(
        template="templates/sft.toml.j2",
        ablation=json.dumps(settings),
        run="r",
        **data,
        system_prompt=PROMPT,
        output_dir=output_dir,
        output=path,
    )
    command = [sys.executable, "scripts/render_toml.py", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return path
