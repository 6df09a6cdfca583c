"""vLLM offline: the program of the rule (scripts/evaluate_vllm.py) asks, the recorder writes down what its model is given."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dev.conformance import records
from dev.conformance.clips import Case, index_file, setting_name
from dev.conformance.seen import OPTIONS, SYSTEM_PROMPT
from roadtrain.files import write_json
from roadtrain.model.checkpoints import describe

MAX_LENGTH = 4096


def see(root: Path, model: Path, cases: Sequence[Case], gpus: int = 0) -> None:
    """vllm/ of every case."""
    write_manifest(root, model)
    for setting in dict.fromkeys(case.setting for case in cases):
        mine = [case for case in cases if case.setting == setting]
        folder = root / f"records-{setting_name(setting)}"
        records.forget(folder)
        predictions = folder / "predictions.jsonl"
        predictions.unlink(missing_ok=True)
        run_program(evaluation(root, mine[0], predictions, gpus), folder)
        rows = {row["id"]: row for row in map(json.loads, predictions.read_text().splitlines())}
        for name, seen in records.read_prompts(folder, [case.name for case in mine]).items():
            shares = rows[next(case.clip for case in mine if case.name == name)]["probabilities"]
            letters = np.log(np.maximum([shares[letter] for letter in OPTIONS], 1e-9))
            replace(seen, letters=letters).save(root / "vllm", name)


def evaluation(root: Path, case: Case, predictions: Path, gpus: int) -> list[str]:
    """The program and its arguments, for the questions of a case's setting."""
    options = {
        "checkpoint": root / "model.json",
        "llava": root / f"{setting_name(case.setting)}.llava.json",
        "frames": index_file(root, case),
        "system-prompt": SYSTEM_PROMPT,
        "evaluate": '{"answers": "letters"}',
        "model-max-length": MAX_LENGTH,
        "gpus": gpus,
        "predictions": predictions,
        "source": predictions.with_suffix(".source.json"),
    }
    return [
        "scripts/evaluate_vllm.py",
        *(word for name, value in options.items() for word in (f"--{name}", str(value))),
    ]


def write_manifest(root: Path, model: Path) -> None:
    """model.json: of the checkpoint that is looked at."""
    write_json(root / "model.json", describe(model, precision="bfloat16", base_model="base", epoch=0, step=0))


def run_program(words: Sequence[str], folder: Path) -> None:
    """Raises CalledProcessError; what the program says goes to this one's output."""
    subprocess.run([sys.executable, *words], env=records.environment(folder), check=True)
