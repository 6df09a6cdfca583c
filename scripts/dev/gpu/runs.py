"""What the phases are made of: a TOML with changed lines, a training as rules/train.smk starts it, its curve."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from roadtrain.model.checkpoints import read_manifest, verify_checkpoint
from roadtrain.train.toml_config import replace_values

TOML = Path("results/gpu/nframes8/sft.toml")
EPOCHS = (1, 2, 3)

Line = dict[str, Any]  # of train_log.jsonl or train_times.jsonl


def environment(args: argparse.Namespace, cosmos: bool) -> dict[str, str]:
    """cosmos-rl's packages come in front of the machine's for a program that needs them."""
    paths = [str(args.site)] if cosmos else []
    return os.environ | {"PYTHONPATH": os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])}


def changed_toml(name: str, **changes: str) -> Path:
    """The rendered TOML with lines changed, beside it."""
    path = TOML.with_name(f"{name}.toml")
    path.write_text(replace_values(TOML.read_text(), changes, TOML))
    return path


def training_command(engine: str, name: str, toml: Path, threads: int = 0) -> list[str]:
    """Exactly the command of rules/train.smk."""
    results = Path("results/gpu", name)
    options = {
        "--toml": toml,
        "--weights": Path("weights/gpu", name),
        "--manifests": results / "checkpoints",
        "--log": results / "train_log.jsonl",
        "--threads": threads or os.cpu_count(),
    }
    program = [sys.executable, f"scripts/train_{engine}.py"]
    return [*program, *(str(word) for option in options.items() for word in option)]


def lines(path: Path) -> list[Line]:
    """Of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def train(args: argparse.Namespace, engine: str, name: str, toml: Path, threads: int = 0) -> list[Line]:
    """Its train_log.jsonl; the times too go to OUT."""
    weights = Path("weights/gpu", name)
    command = training_command(engine, name, toml, threads)
    try:
        subprocess.run(command, env=environment(args, engine == "cosmos_rl"), check=True)
    finally:
        for file in (weights / "train_log.jsonl", weights / "train_times.jsonl", weights / "cosmos-rl/redis.log"):
            if file.exists():
                shutil.copy(file, args.logs / f"{name}.{file.name}")
    return lines(Path("results/gpu", name, "train_log.jsonl"))


def summary(log: list[Line], name: str) -> dict[str, Any]:
    """Steps, losses, and that every epoch's checkpoint is what its manifest says."""
    manifests = [read_manifest(f"results/gpu/{name}/checkpoints/epoch_{n}.json") for n in EPOCHS]
    for manifest in manifests:
        verify_checkpoint(manifest)
    times = lines(Path("weights/gpu", name, "train_times.jsonl"))
    return {
        "steps": len(log),
        "questions": sum(line["questions"] for line in log),
        "first_loss": log[0]["loss"],
        "last_loss": log[-1]["loss"],
        "seconds_of_steps": round(sum(line["seconds"] for line in times), 2),
        "median_step_seconds": sorted(line["seconds"] for line in times)[len(times) // 2],
        "sha256_of_epochs": [manifest["sha256"][:16] for manifest in manifests],
        "software": manifests[-1].get("software"),
    }


def differences(log: list[Line], other: list[Line]) -> dict[str, Any]:
    """Two runs on the same questions, step by step."""
    same = [line["questions"] for line in log] == [line["questions"] for line in other]
    pairs = list(zip(log, other, strict=False))
    losses = [abs(a["loss"] - b["loss"]) / abs(a["loss"]) for a, b in pairs]
    norms = [abs(a["grad_norm"] - b["grad_norm"]) / abs(a["grad_norm"]) for a, b in pairs]
    return {
        "steps": [len(log), len(other)],
        "same_questions_in_every_step": same,
        "relative_difference_of_loss": {"first": losses[0], "mean": sum(losses) / len(pairs), "max": max(losses)},
        "relative_difference_of_grad_norm": {"first": norms[0], "mean": sum(norms) / len(pairs), "max": max(norms)},
        "learning_rates_equal": all(abs(a["learning_rate"] - b["learning_rate"]) < 1e-12 for a, b in pairs),
    }
