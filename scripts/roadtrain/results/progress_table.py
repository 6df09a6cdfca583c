"""The picture that watch.py shows: jobs at work, GPUs, and a line a stage."""

import math
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from roadtrain.markup import visible_line
from roadtrain.results.gpu_use import GpuUse, gpu_use
from roadtrain.results.jobs import running_jobs, slurm_jobs, snakemake_is_alive
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
CURVE_WIDTH = 24  # characters
MOST_JOBS = 8  # that are named
BLOCKS, LETTERS = "▁▂▃▄▅▆▇█", "_.-=+*#@"  # low to high; the second where the terminal has ASCII only


def find_spec(run: str | None) -> Path:
    """The run's spec.json below this folder, the newest run's when none is named. Raises FileNotFoundError when there
    is none."""
    if run:
        specs = [Path("results", run, "spec.json")]
    else:
        specs = sorted(Path("results").glob("*/spec.json"), key=lambda path: path.stat().st_mtime)
    if not specs or not specs[-1].exists():
        where = specs[-1] if specs else "results/*/spec.json"
        runs = ", ".join(sorted(path.parent.name for path in Path("results").glob("*/spec.json")))
        raise FileNotFoundError(
            f"{where}: no run has begun here; start one (snakemake), or go to the project's folder"
            + (f"; runs here: {visible_line(runs)}" if runs else "")
        )
    return specs[-1]


def run_picture(results: Results, encoding: str = "utf-8") -> RenderableType:
    """All of it. `encoding`: the terminal's."""
    signs = BLOCKS if encoding.lower().replace("-", "") == "utf8" else LETTERS
    parts = [*_jobs_table(results), *_gpu_line(gpu_use()), progress_table(results, signs)]
    return Group(Text(results.run, style="bold", justify="center"), *parts)


def progress_table(results: Results, signs: str = BLOCKS) -> Table:
    """A line a stage, for a terminal."""
    table = Table(expand=True, box=None, header_style="dim", pad_edge=False)
    # Words go on in the next line. A least width, or a name that can't be broken, would push numbers out of the window: 9 for 93 %.
    for title in ("ablation", "stage"):
        table.add_column(title, overflow="fold")
    table.add_column("", no_wrap=True)
    for title in ("", "left"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    previous = None
    for stage in stages(results):
        table.add_row(
            "" if stage.ablation == previous else stage.ablation,
            stage.name,
            ProgressBar(total=stage.total, completed=stage.finished, width=BAR_WIDTH),
            f"{stage.finished:,}/{stage.total:,}",
            "" if stage.seconds_left is None else clock(stage.seconds_left),
            f"{_state(stage)} {stage.detail} [cyan]{escape(sparkline(stage.curve, signs))}[/]",
        )
        previous = stage.ablation
    return table


def sparkline(values: Sequence[float], signs: str = BLOCKS, width: int = CURVE_WIDTH) -> str:
    """A curve in letters: each stands for the mean of its share of the values, between the lowest and the highest mean."""
    if len(values) < 2:
        return ""
    count = min(width, len(values))
    edges = [n * len(values) // count for n in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in zip(edges, edges[1:], strict=False)]
    low, high = min(means), max(means)
    if not all(map(math.isfinite, means)):  # a loss that is nan or infinite has no curve
        return ""
    step = (high - low) / (len(signs) - 1) or 1
    return "".join(signs[round((mean - low) / step)] for mean in means)


def _jobs_table(results: Results) -> list[RenderableType]:
    """Jobs at work, of this machine and of Slurm; nothing where there are none."""
    jobs, now = running_jobs(results.root, results.run), time.time()
    queue = slurm_jobs(results.root, [job.submitted for job in jobs if job.submitted])
    if not jobs and not queue:
        return []
    alive = snakemake_is_alive(results.root)
    where = "" if alive else " [dim](no Snakemake is seen on this machine: killed, or at work elsewhere)[/]"
    table = Table(expand=True, box=None, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    if jobs:
        table.add_row("[dim]jobs[/]", f"{len(jobs)} begun and not finished{where}")
    for job in jobs[:MOST_JOBS]:
        number = f", submitted as {escape(visible_line(job.submitted))}" if job.submitted else ""
        table.add_row("", f"{escape(visible_line(job.name))}, since {clock(max(0, now - job.since))}{number}")
    if len(jobs) > MOST_JOBS:
        table.add_row("", f"and {len(jobs) - MOST_JOBS} more")
    for waiting in queue[:MOST_JOBS]:
        words = f"{waiting.number} {waiting.state} {waiting.time} {waiting.place} {waiting.name}"
        table.add_row("[dim]Slurm[/]", escape(visible_line(words)))
    if len(queue) > MOST_JOBS:
        table.add_row("", f"and {len(queue) - MOST_JOBS} more")
    return [table]


def _gpu_line(uses: Sequence[GpuUse]) -> list[RenderableType]:
    words = []
    for use in uses:
        busy = "?" if use.busy is None else f"{use.busy:.0%}"
        memory = ""
        if use.used_mib is not None and use.total_mib is not None:
            memory = f", {use.used_mib / 1024:.0f} of {use.total_mib / 1024:.0f} GiB"
        words.append(f"{use.index}: {busy}{memory}")
    return [Text("GPUs  " + "; ".join(words))] if words else []


def _state(stage: Stage) -> str:
    silent = f" [dim](nothing for {clock(stage.age)})[/]" if stage.state == "started" and stage.age else ""
    return LOOKS[stage.state] + silent
