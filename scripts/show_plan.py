#!/usr/bin/env python3
"""Show what each ablation will cost, side by side, from its preflight.json."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from roadtrain import cli
from roadtrain.files import read_json


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preflight", nargs="+", help="results/<run>/<ablation>/preflight.json")
    args = parser.parse_args()

    table = Table(title="What training will cost")
    table.add_column("")
    found = {Path(path).parent.name: read_json(path) for path in args.preflight}
    for name in found:
        table.add_column(name, justify="right")
    for label, value in ROWS.items():
        table.add_row(label, *(value(plan) for plan in found.values()))
    Console(width=max(80, 36 + 16 * len(found))).print(table)
    for name, plan in found.items():
        print(f"{name}: {plan.get('estimate', {}).get('assumes', 'no estimate: the model is unknown and not on this machine')}")


def _estimate(key: str, unit: str = ""):
    return lambda plan: f"{plan['estimate'][key]:,}{unit}" if "estimate" in plan else "-"


ROWS = {
    "model": lambda plan: plan["model"],
    "videos": lambda plan: f"{plan['clips']['total'] - len(plan['clips']['left_out']):,}",
    "questions": lambda plan: f"{plan['questions']:,}",
    "vision tokens a video (mean)": lambda plan: f"{plan['vision_tokens']['mean']:,}",
    "longest sequence (tokens)": lambda plan: f"{plan['longest_sequence']:,}",
    "steps": lambda plan: f"{plan['steps']:,} in {plan['epochs']} epochs",
    "GPUs": lambda plan: str(plan["gpus"]),
    "work saved by shared video": _estimate("shared_video_saves", "x"),
    "time (s)": _estimate("seconds"),
    "GPU-hours": _estimate("gpu_hours"),
    "memory a GPU (GiB)": _estimate("memory_gib_per_gpu"),
    "checks": lambda plan: f"{sum(c['ok'] for c in plan['checks'])} of {len(plan['checks'])} passed",
}

if __name__ == "__main__":
    main()
