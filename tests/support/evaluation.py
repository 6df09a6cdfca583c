"""A small split and its evaluation by the local engine."""

import subprocess
from pathlib import Path

from roadtrain.data.llava import entry_json, multiple_choice, write_entries
from roadtrain.data.strict_json import read_rows
from roadtrain.files import write_json
from roadtrain.model.checkpoints import describe
from support import tiny
from support.clips import decode, render
from support.programs import run_program
from support.run_toml import PROMPT

VISION = {"nframes": 4, "min_pixels": 4096, "max_pixels": 8192}


def prepare(root: Path) -> Path:
    """Three videos, one of them unreadable, two questions each; the committed base as the checkpoint."""
    values = []
    for n in range(3):
        render(root / f"media/v{n}.mp4", frames=12, seed=n)
        for k in range(2):
            human = multiple_choice(
                f"Question\u2028{k}?", {"a": "one", "b": "two"}
            )  # a line break to str.splitlines, not to JSON lines
            values.append(
                entry_json(
                    id=f"v{n}_{k}", scenario=f"s{n}", video=f"v{n}.mp4", type="t", phase="p", human=human, answer="A"
                )
            )
    (root / "media/v1.mp4").write_bytes(b"broken")
    write_entries(root / "x.llava.json", values)
    decode(root, VISION)
    base = describe(tiny.BASE, precision="bfloat16", base_model="b", epoch=0, step=0)
    write_json(root / "base.json", base)
    return root


def evaluate(root: Path, **options: object) -> subprocess.CompletedProcess[str]:
    """`options` are added, or replace those of the same name."""
    files = {"llava": root / "x.llava.json", "frames": root / "index.json"}
    outputs = {"predictions": root / "p.jsonl", "source": root / "p.source.json"}
    settings = {"checkpoint": root / "base.json", "system_prompt": PROMPT}
    return run_program("evaluate_local.py", **(settings | files | outputs | options))


def evaluate_manifest(root: Path, manifest: Path, folder: Path, **options: object) -> list[dict]:
    """Rows of the predictions of a checkpoint about `root`'s questions. Raises AssertionError with what the program says
    when it fails."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"checkpoint": manifest, "predictions": folder / "p.jsonl", "source": folder / "p.source.json"}
    result = evaluate(root, **files, **options)
    assert result.returncode == 0, result.stderr
    return [row for _, row in read_rows(folder / "p.jsonl")]
