"""The real cosmos-rl in its own Python environment, and what tests train there."""

import os
from pathlib import Path

import pytest

from roadtrain.data.llava import entry_json, multiple_choice, write_entries
from support import tiny
from support.clips import decode, render
from support.run_toml import render_run_toml
from support.training import ROOT, VISION

PYTHON = Path(os.environ.get("ROADTRAIN_COSMOS_PYTHON", ROOT / ".venv-cosmos-cpu/bin/python"))
WITHOUT_GPU = ROOT / "tests/support/without_gpu"  # on PATH and PYTHONPATH: cosmos-rl trains on the CPU
needs_cosmos_rl = [
    pytest.mark.cosmos,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not PYTHON.exists(), reason="cosmos-rl has an environment of its own: make test-cosmos"),
]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(ROOT / "scripts"), str(ROOT / "tests")]),
    "COSMOS_ROLE": "Policy",
    "HF_HUB_OFFLINE": "1",
}


def write_toml(root: Path, name: str, **train) -> Path:
    settings = {
        "engine": "cosmos-rl",
        "gpus": 1,
        "dtype": "float32",
        "epochs": 2,
        "train_batch_per_replica": 20,
        "model_max_length": 2048,
    }
    return render_run_toml(
        root / name, root, model=tiny.BASE, vision=VISION, train=settings | train, output_dir=root / "w"
    )


def prepare(root: Path) -> Path:
    """Six clips with two to seven questions: the number differs, and so do answers."""
    values = []
    for n in range(6):
        render(root / f"media/v{n}.mp4", frames=12 + n, seed=n)
        for k in range(2 + n):
            human = multiple_choice(f"Question {k}{' and so on' * (k % 3)}?", {"a": "clear", "b": "rainy", "c": "dark"})
            answer = "ABC"[k % 3] if k % 4 else "B: rainy"
            values.append(
                entry_json(
                    id=f"v{n}_{k}", scenario=str(n), video=f"v{n}.mp4", type="t", phase="p", human=human, answer=answer
                )
            )
    write_entries(root / "x.llava.json", values)
    decode(root, VISION)
    return root
