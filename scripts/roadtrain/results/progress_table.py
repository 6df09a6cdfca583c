"""The picture that watch.py shows: a line a stage."""

from pathlib import Path

from rich.progress_bar import ProgressBar
from rich.table import Table

from roadtrain.results.progress import Stage, stages
from roadtrain.results.reader import Results
from roadtrain.results.words import clock

LOOKS = {
    "done": "[green]done[/]",
    "running": "[bold yellow]running[/]",
    "started": "[yellow]stopped?[/]",
    "waiting": "[dim]waiting[/]",
}
BAR_WIDTH = 12  # characters


def find_spec(run: str | None) -> Path:
    """The run's spec.json below this folder, the newest run's when none is named. Raises FileNotFoundError when there
    is none."""
    if run:
        specs = [Path("results", run, "spec.json")]
    else:
        specs = sorted(Path("results").glob("*/spec.json"), key=lambda path: path.stat().st_mtime)
    if not specs or not specs[-1].exists():
        where = specs[-1] if specs else "results/*/spec.json"
        raise FileNotFoundError(f"{where}: no run has begun here; start one (snakemake), or go to the project's folder")
    return specs[-1]


def progress_table(results: Results) -> Table:
    """A line a stage, for a terminal."""
    table = Table(title=results.run, expand=True, box=None, title_style="bold", header_style="dim")
    for title in ("ablation", "stage", ""):
        table.add_column(title, no_wrap=True)
    for title in ("", "left"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", ratio=1)
    previous = None
    for stage in stages(results):
        table.add_row(
            "" if stage.ablation == previous else stage.ablation,
            stage.name,
            ProgressBar(total=stage.total, completed=stage.finished, width=BAR_WIDTH),
            f"{stage.finished:,}/{stage.total:,}",
            "" if stage.seconds_left is None else clock(stage.seconds_left),
            f"{_state(stage)} {stage.detail}",
        )
        previous = stage.ablation
    return table


def _state(stage: Stage) -> str:
    silent = f" [dim](nothing for {clock(stage.age)})[/]" if stage.state == "started" and stage.age else ""
    return LOOKS[stage.state] + silent
