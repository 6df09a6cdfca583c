#!/usr/bin/env python3
"""Watch a run from its files: what is done, what is running, step, loss, time left. It asks no process and changes
nothing, so it can be started, stopped or run on another machine that sees the files.
"""

import argparse
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from roadtrain import cli
from roadtrain.results.progress import Stage, stages
from roadtrain.results.run import Results

LOOKS = {
    "done": "[green]done[/]",
    "running": "[bold yellow]running[/]",
    "started": "[yellow]stopped?[/]",
    "waiting": "[dim]waiting[/]",
}


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", help="name of the run (default: the newest below results/)")
    parser.add_argument("--interval", type=float, default=2, help="seconds between two looks (%(default)s)")
    parser.add_argument("--once", action="store_true", help="look once and end")
    args = parser.parse_args()

    spec = find(args.run)
    console = Console()
    if args.once:
        console.print(picture(Results.load(spec)))
        return
    with Live(picture(Results.load(spec)), console=console, refresh_per_second=4) as live:
        while True:
            time.sleep(args.interval)
            live.update(picture(Results.load(spec)))


def find(run: str | None) -> Path:
    """The run's spec.json. Raises FileNotFoundError when there is none."""
    found = (
        [Path("results", run, "spec.json")]
        if run
        else sorted(Path("results").glob("*/spec.json"), key=lambda p: p.stat().st_mtime)
    )
    if not found or not found[-1].exists():
        where = found[-1] if found else "results/*/spec.json"
        raise FileNotFoundError(f"{where}: no run has begun here; start one (snakemake), or go to the project's folder")
    return found[-1]


def picture(results: Results) -> Table:
    table = Table(title=results.run, expand=True, box=None, title_style="bold", header_style="dim")
    whole, number = {"no_wrap": True}, {"justify": "right", "no_wrap": True}
    for name, options in (
        ("ablation", whole),
        ("stage", whole),
        ("", whole),
        ("", number),
        ("left", number),
        ("", {"ratio": 1}),
    ):
        table.add_column(name, **options)
    said = None
    for stage in stages(results):
        table.add_row(
            "" if stage.ablation == said else stage.ablation,
            stage.name,
            ProgressBar(total=stage.total, completed=stage.done, width=12),
            f"{stage.done:,}/{stage.total:,}",
            "" if stage.eta is None else clock(stage.eta),
            f"{state(stage)} {stage.detail}",
        )
        said = stage.ablation
    return table


def state(stage: Stage) -> str:
    silent = f" [dim](nothing for {clock(stage.age)})[/]" if stage.state == "started" and stage.age else ""
    return LOOKS[stage.state] + silent


def clock(seconds: float) -> str:
    """75 -> 1:15, 3675 -> 1:01:15"""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


if __name__ == "__main__":
    main()
