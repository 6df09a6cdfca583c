"""Copies of a training log (train_log.jsonl) for TensorBoard and Weights & Biases.

The same log gives the same points and replaces its earlier copy; steps are the optimizer's.
"""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from roadtrain.cli import UserError

LogLine = dict[str, float]  # the numbers of one optimizer step


def read_log_values(path: Path) -> list[LogLine]:
    """The log's lines. Raises ValueError for an empty or broken log."""
    lines = []
    with open(path, encoding="utf-8") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                lines.append({key: value for key, value in json.loads(line).items() if isinstance(value, int | float)})
                lines[-1]["step"]
            except (json.JSONDecodeError, AttributeError, KeyError):
                raise ValueError(f"{path}: line {number}: not a line of a training log") from None
    if not lines:
        raise ValueError(f"{path}: empty: nothing was trained yet")
    return lines


def export_to_tensorboard(lines: Sequence[LogLine], directory: Path) -> None:
    """Write an event file. Raises UserError when TensorBoard is missing."""
    try:
        from tensorboard.summary import Writer  # not torch's: this one needs no torch
    except ImportError:
        raise UserError("--tensorboard: TensorBoard is not installed: pip install tensorboard") from None
    for old in directory.glob("events.out.tfevents.*"):
        old.unlink()  # an event file is added to, never replaced: a second export would draw every line twice
    writer = Writer(str(directory))
    for line in tqdm(lines, unit="step"):
        for name, value in _points(line).items():
            writer.add_scalar(name, value, line["step"])
    writer.close()


def export_to_wandb(
    lines: Sequence[LogLine], project: str, name: str, run_id: str, offline: bool, directory: Path
) -> None:
    """One W&B run: a second export with the same id is the same run. It records no environment.

    Raises UserError when the package is missing, or W&B refuses.
    """
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its crash reports would be sent even offline
    try:
        import wandb
    except ImportError:
        raise UserError("--wandb: Weights & Biases is not installed: pip install wandb") from None
    for old in directory.glob(f"wandb/*run-*-{run_id}"):
        shutil.rmtree(old)
    directory.mkdir(parents=True, exist_ok=True)
    quiet = wandb.Settings(
        silent=True,
        console="off",
        disable_git=True,
        disable_code=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
    mode: Literal["offline", "online"] = "offline" if offline else "online"
    try:
        with wandb.init(
            project=project, name=name, id=run_id, resume="allow", mode=mode, dir=directory, settings=quiet
        ) as run:
            for line in tqdm(lines, unit="step"):
                run.log(_points(line), step=line["step"])
    except wandb.Error as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--wandb: {reason} (log in, set WANDB_API_KEY, or keep the run here: offline)") from None


def _points(line: LogLine) -> LogLine:
    return {f"train/{key}": value for key, value in line.items() if key != "step"}
