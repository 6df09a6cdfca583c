#!/usr/bin/env python3
"""Copy a training log (train_log.jsonl) to TensorBoard or Weights & Biases.

Input: train_log.jsonl (one line an optimizer step). --tensorboard DIR writes an event file there. --wandb PROJECT logs a
run; with --offline it stays on this machine (below --wandb-dir) until `wandb sync` sends it. Nothing is sent unless
--wandb is given without --offline; then the key is taken from the environment (WANDB_API_KEY) or `wandb login`. The same
log gives the same points and replaces its earlier copy; steps are the optimizer's.
"""

import argparse
import json
import os
import shutil
from pathlib import Path

from tqdm import tqdm

from roadtrain import cli
from roadtrain.files import sha256_file, sha256_json, write_json

NOT_VALUES = ("step",)


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log", type=Path, help="results/<run>/<ablation>/train_log.jsonl")
    parser.add_argument("--tensorboard", type=Path, metavar="DIR", help="folder for the event file")
    parser.add_argument("--wandb", metavar="PROJECT", help="the project's name on Weights & Biases")
    parser.add_argument("--offline", action="store_true", help="with --wandb: keep the run on this machine")
    parser.add_argument(
        "--wandb-dir", type=Path, default=Path(), metavar="DIR", help="folder for W&B's files (%(default)s)"
    )
    parser.add_argument("--name", help="name of the run (default: <run>/<ablation> from the log's folder)")
    parser.add_argument("--summary", metavar="FILE", help="also write what was copied where, as JSON")
    args = parser.parse_args()
    if not (args.tensorboard or args.wandb):
        parser.error("say where to: --tensorboard DIR or --wandb PROJECT")

    lines = read(args.log)
    name = args.name or "/".join(args.log.absolute().parts[-3:-1])
    summary = {"name": name, "steps": len(lines), "log_sha256": sha256_file(args.log)}
    if args.tensorboard:
        to_tensorboard(lines, args.tensorboard)
        summary["tensorboard"] = str(args.tensorboard)
    if args.wandb:
        run_id = sha256_json([name, summary["log_sha256"]])[:16]
        to_wandb(lines, args.wandb, name, run_id, args.offline, args.wandb_dir)
        mode = "offline" if args.offline else "online"
        summary["wandb"] = {"project": args.wandb, "mode": mode, "id": run_id, "directory": str(args.wandb_dir)}
    if args.summary:
        write_json(args.summary, summary)
    print(f"{name}: {len(lines)} steps")


def read(path: Path) -> list[dict]:
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


def values(line: dict) -> dict[str, float]:
    return {f"train/{key}": value for key, value in line.items() if key not in NOT_VALUES}


def to_tensorboard(lines: list[dict], directory: Path) -> None:
    try:
        from tensorboard.summary import Writer  # not torch's: this one needs no torch
    except ImportError:
        raise cli.UserError("--tensorboard: TensorBoard is not installed: pip install tensorboard") from None
    for old in directory.glob("events.out.tfevents.*"):
        old.unlink()  # an event file is added to, never replaced: a second export would draw every line twice
    writer = Writer(str(directory))
    for line in tqdm(lines, unit="step"):
        for name, value in values(line).items():
            writer.add_scalar(name, value, line["step"])
    writer.close()


def to_wandb(lines: list[dict], project: str, name: str, run_id: str, offline: bool, directory: Path) -> None:
    """One W&B run whose id follows from name and log: a second export is the same run. It records no environment."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # its crash reports would be sent even offline
    try:
        import wandb
    except ImportError:
        raise cli.UserError("--wandb: Weights & Biases is not installed: pip install wandb") from None
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
    mode = "offline" if offline else "online"
    try:
        with wandb.init(
            project=project, name=name, id=run_id, resume="allow", mode=mode, dir=directory, settings=quiet
        ) as run:
            for line in tqdm(lines, unit="step"):
                run.log(values(line), step=line["step"])
    except wandb.Error as error:
        said = str(error).splitlines()[0]
        raise cli.UserError(f"--wandb: {said} (log in, set WANDB_API_KEY, or keep the run here: offline)") from None


if __name__ == "__main__":
    main()
