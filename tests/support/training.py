"""Small runs of the local engine, as the workflow starts them."""

import json
import subprocess
import sys
from pathlib import Path

from roadtrain.data.llava import entry_json, multiple_choice, read_questions, write_entries
from roadtrain.files import read_json
from roadtrain.train import batches
from support import tiny
from support.clips import decode, render
from support.programs import ROOT, run_python
from support.run_toml import options, render_run_toml

SPEC = {
    "engine": "local",
    "gpus": 0,
    "dtype": "float32",
    "epochs": 2,
    "train_batch_per_replica": 6,
    "learning_rate": 1e-3,
    "learning_rates": {"embeddings": 2e-3},
    "warmup_steps": 2,
    "model_max_length": 2048,
    "state_every_steps": 1,
}
VISION = {"nframes": 4, "min_pixels": 4096, "max_pixels": 8192}


def prepare(root: Path) -> Path:
    """A tiny random base model, six videos of four scenarios with three questions each, and their frames."""
    processor, model = tiny.processor(), tiny.model("float32")
    model.save_pretrained(root / "base")
    processor.save_pretrained(root / "base")
    values = []
    for n in range(6):
        render(root / f"media/v{n}.mp4", frames=12, size=(96, 64), seed=n)
        for k in range(3):
            human = multiple_choice(f"Question {k}?", {"a": "one", "b": "two"})
            values.append(
                entry_json(
                    id=f"v{n}_{k}",
                    scenario=str(n % 4),
                    video=f"v{n}.mp4",
                    type="t",
                    phase="full_video",
                    human=human,
                    answer="AB"[(n + k) % 2],
                )
            )
    write_entries(root / "x.llava.json", values)
    decode(root, VISION)
    return root


def render_toml(root: Path, name: str = "sft.toml", **train) -> Path:
    """The TOML of a run of `root`'s questions, with other settings of `train`."""
    settings = SPEC | train
    base, output = root / "base", root / "w"
    return render_run_toml(root / name, root, model=base, vision=VISION, train=settings, output_dir=output)


def command(weights: Path, toml: Path) -> list[str]:
    """As rules/train.smk has it."""
    files = options(toml=toml, weights=weights, manifests=weights / "manifests", log=weights / "log.jsonl")
    return ["scripts/train_local.py", *files, "--threads", "1"]


def train(weights: Path, toml: Path, **kwargs) -> subprocess.CompletedProcess:
    """A run to its end, well or not."""
    return run_python(*command(weights, toml), **kwargs)


def must_train(weights: Path, toml: Path) -> Path:
    result = train(weights, toml)
    assert result.returncode == 0, result.stderr
    return weights


def start(weights: Path, toml: Path, launcher: tuple[str, ...] = (), stderr: int = subprocess.PIPE) -> subprocess.Popen:
    """A run that goes on by itself."""
    return subprocess.Popen([sys.executable, *launcher, *command(weights, toml)], cwd=ROOT, stderr=stderr, text=True)


def step_counts(root: Path) -> tuple[int, int]:
    """Optimizer steps of the first epoch, and of both."""
    entries = list(read_questions(root / "x.llava.json"))
    epochs = [batches.steps(entries, epoch=n, seed=0, batch_questions=6, questions_per_video=None) for n in (1, 2)]
    return len(epochs[0]), len(epochs[0]) + len(epochs[1])


def hashes(weights: Path) -> list[str]:
    """Of both epochs' checkpoints."""
    return [read_json(weights / f"manifests/epoch_{n}.json")["sha256"] for n in (1, 2)]


def read_log(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]
