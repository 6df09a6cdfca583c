"""One run of train_local.py on a model of random weights and clips of noise, and what it measured."""

import json
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any

from dev.gpu import big_model
from roadtrain.train.logs import read_log
from roadtrain.train.toml_config import replace_values

TOML = Path("tests/support/golden/nframes8.toml")
WARM = 2  # steps that compile: they don't count
ALL_STEPS = 10**9


def new_folder(name: str) -> Path:
    """Of a run, empty."""
    weights = Path("weights/gpu", name)
    shutil.rmtree(weights, ignore_errors=True)
    weights.mkdir(parents=True)
    return weights


def command(weights: Path, toml: Path) -> list[str]:
    """As rules/train.smk starts it."""
    options = {"--toml": toml, "--weights": weights, "--manifests": weights / "m", "--log": weights / "log.jsonl"}
    return [sys.executable, "scripts/train_local.py", *(str(word) for option in options.items() for word in option)]


def write_toml(
    weights: Path,
    *,
    gpus: int,
    questions: int,
    mini_batch: int,
    clips: big_model.Clips,
    section: str = "",
    **changes: str,
) -> Path:
    """The recipe's TOML for the local engine, one epoch: `questions` of an optimizer step on all `gpus` together (small ones: on the
    CPU); `section` goes into its [custom] part, `changes` are other keys."""
    small = clips.model == big_model.BASE
    values = big_model.changes("shared-video", weights / "cosmos-rl", gpus, questions, clips)
    values |= {"engine": '"local"', "gpus": "0" if small else str(gpus), "mini_batch": str(mini_batch)}
    values |= {"param_dtype": '"float32"'} if small else {}
    text = replace_values(TOML.read_text(), values | changes, TOML)
    path = weights / "sft.toml"
    path.write_text(text.replace("\n[custom.dataset]", f"{section}\n[custom.dataset]", 1))
    return path


def measurements(weights: Path, steps: int = ALL_STEPS) -> dict[str, Any]:
    """Of the first steps of a run, which may have been ended after them. Raises ValueError when there are too few."""
    log, times = (
        [json.loads(line) for line in read_log(weights / file, steps)]
        for file in ("train_log.jsonl", "train_times.jsonl")
    )
    if len(times) <= WARM:
        raise ValueError(f"{weights}: {len(times)} steps, of which the first {WARM} compile")
    rates = [line["questions"] / clock["seconds"] for line, clock in zip(log, times, strict=True)]
    seconds = sum(clock["seconds"] for clock in times[WARM:])
    return {
        "questions_a_second": statistics.median(rates[WARM:]),
        "share_waited_for_data": sum(clock["waited_for_data"] for clock in times[WARM:]) / seconds,
        "peak_gib": max(clock["peak_bytes"] for clock in times) / 2**30,
        "losses": [line["loss"] for line in log],
        "step_seconds": [clock["seconds"] for clock in times],
    }
