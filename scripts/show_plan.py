#!/usr/bin/env python3
"""Show what each ablation will cost, side by side, from its preflight.json; once its clips are decoded, what is there is
counted, and not what headers promise. With ROADTRAIN_GPU_HOUR, the price of an hour on one GPU, in money too. With --nodes
what several nodes send each other and, with --network-gbit, the time that this takes at least and at most. Exit code 1
when a check finds a problem; what can't be checked here is said, and is none.

    python scripts/show_plan.py results/sample/nframes8/preflight.json results/sample/fps2/preflight.json
"""

import argparse
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from roadtrain import cli
from roadtrain.files import read_json
from roadtrain.markup import visible_line
from roadtrain.train.preflight.checks import is_problem
from roadtrain.train.preflight.decoded import counted_report
from roadtrain.train.preflight.estimate import SequencesEstimate
from roadtrain.train.preflight.exchange import link_bytes, seconds_of_nodes
from roadtrain.train.preflight.report import PreflightReport, all_checks

LISTED = 10  # of the clips that are left out
Cell = Callable[[PreflightReport], str]


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preflight", nargs="+", help="results/<run>/<ablation>/preflight.json")
    parser.add_argument("--nodes", type=cli.at_least(1), default=1, help="cluster.train.nodes (%(default)s)")
    parser.add_argument("--network-gbit", type=float, help="cluster.train.network_gbit, of a node")
    args = parser.parse_args()

    reports: dict[str, PreflightReport] = {}
    counted: dict[str, str] = {}
    for path in args.preflight:
        name = Path(path).parent.name
        reports[name], counted[name] = counted_report(read_json(path), Path(path).with_name("sft.toml"))
    Console(width=max(80, 36 + 40 * len(reports))).print(plan_table(reports, args.nodes, args.network_gbit))
    for name, report in reports.items():
        print(f"{name}: clips, questions, steps and vision tokens are counted on the {counted[name]}")
        for line in report["clips"]["left_out"][:LISTED]:
            print(f"{name}: left out: {visible_line(line)}")
        if (more := len(report["clips"]["left_out"]) - LISTED) > 0:
            print(f"{name}: left out: {more} more")
    for name, report in reports.items():
        estimate = report.get("estimate")
        assumptions = estimate["assumes"] if estimate else "no estimate: the model is unknown and not on this machine"
        print(f"{name}: {assumptions}")
    checks = [(name, check) for name, report in reports.items() for check in all_checks(report)]
    for name, check in checks:
        print(f"{name}: {check.state}: {check.name}: {check.found}")
    problems = [f"{name}: {check.name}: {check.found}: {check.remedy}" for name, check in checks if is_problem(check)]
    if problems:
        raise cli.UserError("\n".join(problems))


def plan_table(reports: dict[str, PreflightReport], nodes: int, gbit: float | None) -> Table:
    """A column an ablation."""
    table = Table(title="What training will cost")
    table.add_column("")
    for name in reports:
        table.add_column(name, justify="right")
    for label, cell in (ROWS | (_rows_of_nodes(nodes, gbit) if nodes > 1 else {})).items():
        table.add_row(label, *(escape(visible_line(cell(report))) for report in reports.values()))
    return table


def _estimates(unit: str, key: Literal["seconds", "gpu_hours", "memory_gib_per_gpu"]) -> Cell:
    """The run as it is configured, and what it would be with the other kind of sequences."""

    def cell(report: PreflightReport) -> str:
        estimate = report.get("estimate")
        if estimate is None:
            return "-"
        other: Literal["per-question", "shared-video"] = (
            "per-question" if report["sequences"] == "shared-video" else "shared-video"
        )
        configured, alternative = _number(_configured(report)[key]), _number(estimate[other][key])
        return f"{configured}{unit} ({other}: {alternative}{unit})"

    return cell


def _rows_of_nodes(nodes: int, gbit: float | None) -> dict[str, Cell]:
    """What is added to `time` and `GPU-hours`, which are those of one machine with as many GPUs."""

    def of(report: PreflightReport) -> tuple[float, int] | None:
        if "estimate" not in report or "exchanged_bytes" not in _configured(report):
            return None
        return _configured(report)["exchanged_bytes"], max(nodes, report["gpus"])

    def sent(report: PreflightReport) -> str:
        return f"{_number(link_bytes(*traffic) / 1e9)} GB" if (traffic := of(report)) else "-"

    def time(report: PreflightReport) -> str:
        if gbit is None or (traffic := of(report)) is None:
            return "- (cluster.train.network_gbit)"
        computing = _configured(report)["seconds"] / (1 if report["gpus"] else nodes)
        least, most = seconds_of_nodes(computing, *traffic, gbit)
        return f"{_number(least)} to {_number(most)} s"

    return {f"each of {nodes} nodes sends": sent, f"time on {nodes} nodes": time}


def _configured(report: PreflightReport) -> SequencesEstimate:
    """The estimate of the kind of sequences that the run has."""
    estimate = report["estimate"]
    return estimate["shared-video"] if report["sequences"] == "shared-video" else estimate["per-question"]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def _price(report: PreflightReport) -> str:
    """ROADTRAIN_GPU_HOUR, the price of an hour on one GPU, times the hours."""
    price = os.environ.get("ROADTRAIN_GPU_HOUR")
    if not price or "estimate" not in report:
        return "-"
    return f"{float(price) * _configured(report)['gpu_hours']:,.2f}"


def _saving(report: PreflightReport) -> str:
    return f"{report['estimate']['shared_video_saves']}x" if "estimate" in report else "-"


def _counts(report: PreflightReport) -> str:
    counts = Counter(check.state for check in all_checks(report))
    return f"{counts['ok']} ok, {counts['problem']} problems, {counts['not checked']} not checked"


ROWS: dict[str, Cell] = {
    "model": lambda report: report["model"],
    "sequences": lambda report: report["sequences"],
    "videos": lambda report: f"{report['clips']['total'] - len(report['clips']['left_out']):,}",
    "questions": lambda report: f"{report['questions']:,}",
    "vision tokens a video (mean)": lambda report: f"{report['vision_tokens']['mean']:,}",
    "longest sequence (tokens)": lambda report: f"{report['longest_sequence']:,}",
    "steps": lambda report: f"{report['steps']:,} in {report['epochs']} epochs",
    "GPUs": lambda report: str(report["gpus"]),
    "work saved by shared video": _saving,
    "time": _estimates(" s", "seconds"),
    "GPU-hours": _estimates("", "gpu_hours"),
    "price (ROADTRAIN_GPU_HOUR)": _price,
    "memory a GPU": _estimates(" GiB", "memory_gib_per_gpu"),
    "checks": _counts,
}

if __name__ == "__main__":
    main()
