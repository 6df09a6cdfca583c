#!/usr/bin/env python3
"""What training less brings on the sample: the table of docs/lora.md from a finished run of specs/sample-lora.yaml.

Ablations are called <way>_<seed>; a row is a way, a cell the mean over its seeds and their range. Accuracy is that of the
last epoch: the best one would be chosen on the questions that it is measured with. Writes --output (JSON, every run) and,
between the two marks in --page, the table.

    export PYTHONPATH=scripts
    snakemake --cores 1 $(python scripts/dev/lora_table.py --targets) --configfile specs/sample-lora.yaml
    python scripts/dev/lora_table.py

Ways that ran later or elsewhere are put in with --ways lora8,lora16: the other rows stay as they are. Accuracy, trained weights and sizes can
be compared with theirs, times can't: the table leaves them out.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from dev import machine
from roadtrain import cli
from roadtrain.files import markdown_table, read_json, write_json, write_text
from roadtrain.paths import Paths
from roadtrain.spec.reading import read_spec
from roadtrain.spec.resolved import AblationSettings, read_resolved

BEGIN, END = "<!-- lora_table.py: begin -->", "<!-- lora_table.py: end -->"
SPEC = "specs/sample-lora.yaml"
MIB, GIB = 2**20, 2**30
HEAD = ("trained", "weights", "accuracy", "training (s)", "peak memory (GiB)", "an epoch on disk (MiB)")


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="sample-lora", help="the spec's run (%(default)s)")
    parser.add_argument(
        "--targets", metavar="SPEC", nargs="?", const=SPEC, help="print what the table needs of a run, and end"
    )
    parser.add_argument("--ways", metavar="A,B,..", help="only these, which did not run beside the others")
    parser.add_argument("--output", type=Path, default=Path("docs/figures/lora_sample.json"))
    parser.add_argument("--page", type=Path, default=Path("docs/lora.md"))
    args = parser.parse_args()
    if args.targets:
        print("\n".join(targets(Path(args.targets))))
        return
    paths = Paths(args.run)
    ablations = read_resolved(paths.spec)["ablations"]
    if args.ways:
        written = read_json(args.output)
        runs = added(written["runs"], paths, ablations, args.ways.split(","))
        write_json(args.output, written | {"runs": runs})
    else:
        runs = {name: run_of(paths, name, settings) for name, settings in ablations.items()}
        write_json(args.output, {"machine": machine.cpu(), "runs": runs})
    page = args.page.read_text(encoding="utf-8")
    if BEGIN not in page or END not in page:
        raise cli.UserError(f"{args.page}: the marks {BEGIN} and {END} are missing")
    before, rest = page.split(BEGIN, 1)
    write_text(args.page, f"{before}{BEGIN}\n{table(runs)}{END}{rest.split(END, 1)[1]}")


def targets(file: Path) -> list[str]:
    """Files that Snakemake is to make: the last epoch's accuracies, and the resolved spec. (The target evaluate asks the base
    model again for every ablation.)"""
    spec = read_spec(yaml.safe_load(file.read_text(encoding="utf-8")), str(file))
    paths = Paths(spec.run)
    return [
        paths.spec,
        *(paths.accuracy(name, f"epoch_{spec.ablation(name).train.epochs}") for name in spec.ablations),
    ]


def added(
    runs: dict[str, Any], paths: Paths, ablations: dict[str, AblationSettings], ways: Sequence[str]
) -> dict[str, Any]:
    """`runs` with those of some ways put in, in the spec's order, as runs whose time can't be compared. Raises UserError for a way that
    the spec hasn't."""
    if unknown := set(ways) - {way_of(name) for name in ablations}:
        raise cli.UserError(f"--ways {sorted(unknown)[0]}: no ablation of the run is called so")
    for name, settings in ablations.items():
        if way_of(name) in ways:
            runs = runs | {name: run_of(paths, name, settings) | {"apart": True}}
    return {name: runs[name] for name in ablations if name in runs}


def way_of(name: str) -> str:
    """Of an ablation."""
    return re.sub(r"_\d+$", "", name)


def run_of(paths: Paths, name: str, settings: AblationSettings) -> dict[str, Any]:
    """What one ablation left. Raises FileNotFoundError for a file that isn't there yet."""
    last = f"epoch_{settings['train']['epochs']}"
    manifest = read_json(paths.checkpoint(name, last))
    accuracy = read_json(paths.accuracy(name, last))
    folder = Path(manifest["path"])
    note = manifest.get("adapter")
    return {
        "way": way_of(name),
        "accuracy": accuracy["accuracy"],
        "questions": accuracy["total_questions"],
        "seconds": manifest["seconds"],
        "trained_weights": manifest["trained_weights"],
        "peak_bytes": manifest["peak_bytes"],
        "checkpoint_bytes": size(folder) - (size(folder / "adapter") if note else 0),
        "adapter_bytes": size(Path(note["path"])) if note else None,
    }


def size(folder: Path) -> int:
    """Of a folder's files, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def table(runs: dict[str, dict[str, Any]]) -> str:
    """In Markdown, a way a row, in the spec's order."""
    ways: dict[str, list[dict[str, Any]]] = {}
    for run in runs.values():
        ways.setdefault(run["way"], []).append(run)
    rows = []
    for way, same in ways.items():
        adapter = "" if same[0]["adapter_bytes"] is None else f", adapter {same[0]['adapter_bytes'] / MIB:.1f}"
        rows.append(
            [
                way,
                f"{same[0]['trained_weights']:,}",
                "not measured"
                if same[0]["accuracy"] is None
                else spread(same, lambda run: 100 * run["accuracy"], "{:.1f} %"),
                *(
                    ("apart", "apart")
                    if same[0].get("apart")
                    else (
                        spread(same, lambda run: run["seconds"], "{:.0f}"),
                        spread(same, lambda run: run["peak_bytes"] / GIB, "{:.2f}"),
                    )
                ),
                f"{same[0]['checkpoint_bytes'] / MIB:.1f}{adapter}",
            ]
        )
    questions, seeds = next(iter(runs.values()))["questions"], max(map(len, ways.values()))
    note = f"\n{questions} validation questions, {seeds} seeds: mean, and from the least to the most.\n"
    if any(run.get("apart") for run in runs.values()):
        note += "Rows with times ran side by side; `apart`: at another time, so that only the other columns can be compared.\n"
    return markdown_table(HEAD, rows, numeric=[False] + [True] * 5) + note


def spread(runs: list[dict[str, Any]], value: Callable[[dict[str, Any]], float], words: str) -> str:
    """Mean and range, in words."""
    values = sorted(map(value, runs))
    middle = words.format(mean(values))
    return middle if len(values) == 1 else f"{middle} ({words.format(values[0])} to {words.format(values[-1])})"


if __name__ == "__main__":
    main()
