#!/usr/bin/env python3
"""Runs beside runs: accuracy with intervals, paired tests over common questions, the specs' differences, curves, cost.

    python scripts/compare_runs.py results/before results/after
    python scripts/compare_runs.py results/sample ../other-clone/results --checkpoint last --page runs.html
    dvc get . results/sample --rev HEAD~1 --out /tmp/before/results/sample           # docs/compare.md
    python scripts/compare_runs.py /tmp/before/results/sample results/sample

A RUN is results/NAME, or a folder of several: another clone's results, or that clone. Of every two runs, ablations of the
same name are compared; where they share none, all are. A question is common to two runs where its video's content, its
window, wording, options and right answer are the same; how many are not, and why, is said.
"""

import argparse
from pathlib import Path

from roadtrain import cli
from roadtrain.files import write_json, write_text
from roadtrain.markup import visible
from roadtrain.results.repeats import BEST
from roadtrain.results.run_comparison import compare_runs
from roadtrain.results.run_sides import find_runs, find_sides, pairs_of_runs
from roadtrain.spec.evaluate import Evaluate

TEMPLATES = Path(__file__).parents[1] / "templates"


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="results/NAME, or a folder of several")
    parser.add_argument(
        "--checkpoint", default=BEST, help="best, last, or a name: zero_shot, epoch_2, fp8 (default: %(default)s)"
    )
    parser.add_argument("--ablation", action="append", default=[], metavar="NAME", help="only this one; several times")
    parser.add_argument("--all-pairs", action="store_true", help="ablations of other names, too")
    parser.add_argument(
        "--trust-names", action="store_true", help="a video's file name stands for its content (runs before 0.3)"
    )
    parser.add_argument(
        "--bootstrap-samples",
        type=cli.at_least(100),
        default=Evaluate().bootstrap_samples,
        help="for intervals (%(default)s)",
    )
    parser.add_argument("--output", metavar="FILE", help="write all of it as JSON")
    parser.add_argument("--page", metavar="FILE", help="write one page (HTML) that fetches nothing")
    args = parser.parse_args()

    runs = find_runs(args.runs)
    sides, absences = find_sides(runs, args.checkpoint, args.ablation)
    pairs = pairs_of_runs(sides, args.all_pairs)
    if not pairs:
        reasons = "; ".join(f"{absence['name']}: {absence['reason']}" for absence in absences)
        raise cli.UserError(
            f"two runs with predictions of {args.checkpoint} are needed" + (f": {reasons}" if reasons else "")
        )
    comparison = compare_runs(sides, pairs, absences, args.bootstrap_samples, args.trust_names)
    from roadtrain.paper.tables.runs import run_tables, text_table

    print("\n".join(text_table(table) for table in run_tables(comparison)))
    print("\n".join(visible(pair["in_words"]) for pair in comparison["pairs"]))
    for absence in absences:
        print(visible(f"left out: {absence['name']}: {absence['reason']}"))
    if args.output:
        write_json(args.output, comparison)
    if args.page:
        from roadtrain.paper.runs_page import render_runs  # matplotlib takes longer to import than the rest

        write_text(args.page, render_runs(comparison, sides, TEMPLATES))


if __name__ == "__main__":
    main()
