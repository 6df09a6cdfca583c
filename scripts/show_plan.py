#!/usr/bin/env python3
"""Show what each ablation will cost, side by side, from its preflight.json. With ROADTRAIN_GPU_HOUR, the price of an hour on
one GPU, in money too."""

import argparse
import os
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
    Console(width=max(80, 36 + 40 * len(found))).print(table)
    for name, plan in found.items():
        print(
            f"{name}: {plan.get('estimate', {}).get('assumes', 'no estimate: the model is unknown and not on this machine')}"
        )


def _estimate(unit: str, key: str):
    """The run as it is configured, and what it would be with the other kind of sequences."""

    def cell(plan: dict) -> str:
        if "estimate" not in plan:
            return "-"
        other = "per-question" if plan["sequences"] == "shared-video" else "shared-video"
        mine, theirs = (_number(plan["estimate"][kind][key]) for kind in (plan["sequences"], other))
        return f"{mine}{unit} ({other}: {theirs}{unit})"

    return cell


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def _price(plan: dict) -> str:
    """ROADTRAIN_GPU_HOUR, the price of an hour on one GPU, times the hours."""
    price = os.environ.get("ROADTRAIN_GPU_HOUR")
    if not price or "estimate" not in plan:
        return "-"
    return f"{float(price) * plan['estimate'][plan['sequences']]['gpu_hours']:,.2f}"


ROWS = {
    "model": lambda plan: plan["model"],
    "sequences": lambda plan: plan["sequences"],
    "videos": lambda plan: f"{plan['clips']['total'] - len(plan['clips']['left_out']):,}",
    "questions": lambda plan: f"{plan['questions']:,}",
    "vision tokens a video (mean)": lambda plan: f"{plan['vision_tokens']['mean']:,}",
    "longest sequence (tokens)": lambda plan: f"{plan['longest_sequence']:,}",
    "steps": lambda plan: f"{plan['steps']:,} in {plan['epochs']} epochs",
    "GPUs": lambda plan: str(plan["gpus"]),
    "work saved by shared video": lambda plan: (
        f"{plan['estimate']['shared_video_saves']}x" if "estimate" in plan else "-"
    ),
    "time": _estimate(" s", "seconds"),
    "GPU-hours": _estimate("", "gpu_hours"),
    "price (ROADTRAIN_GPU_HOUR)": _price,
    "memory a GPU": _estimate(" GiB", "memory_gib_per_gpu"),
    "checks": lambda plan: f"{sum(c['ok'] for c in plan['checks'])} of {len(plan['checks'])} passed",
}

if __name__ == "__main__":
    main()
