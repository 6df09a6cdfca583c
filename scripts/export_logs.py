#!/usr/bin/env python3
"""Copy a training log (train_log.jsonl) to TensorBoard or Weights & Biases.

Input: train_log.jsonl (one line an optimizer step). --tensorboard DIR writes an event file there. --wandb PROJECT logs a
run; with --offline it stays on this machine (below --wandb-dir) until `wandb sync` sends it. Nothing is sent unless
--wandb is given without --offline; then the key is taken from the environment (WANDB_API_KEY) or `wandb login`. The same
log gives the same points and replaces its earlier copy; steps are the optimizer's.

    python scripts/export_logs.py results/sample/nframes8/train_log.jsonl --tensorboard curves
"""

import argparse
from pathlib import Path
from typing import Any

from roadtrain import cli
from roadtrain.files import sha256_file, sha256_json, write_json
from roadtrain.results.log_export import export_to_tensorboard, export_to_wandb, read_log_values


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

    lines = read_log_values(args.log)
    name = args.name or "/".join(args.log.absolute().parts[-3:-1])
    summary: dict[str, Any] = {"name": name, "steps": len(lines), "log_sha256": sha256_file(args.log)}
    if args.tensorboard:
        export_to_tensorboard(lines, args.tensorboard)
        summary["tensorboard"] = str(args.tensorboard)
    if args.wandb:
        run_id = sha256_json([name, summary["log_sha256"]])[:16]
        export_to_wandb(lines, args.wandb, name, run_id, args.offline, args.wandb_dir)
        mode = "offline" if args.offline else "online"
        summary["wandb"] = {"project": args.wandb, "mode": mode, "id": run_id, "directory": str(args.wandb_dir)}
    if args.summary:
        write_json(args.summary, summary)
    print(f"{name}: {len(lines)} steps")


if __name__ == "__main__":
    main()
