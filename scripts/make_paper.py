#!/usr/bin/env python3
"""Write paper.md and paper.tex: the tables and figures in order, with sentences generated from the results.

Inputs, found from the run's spec.json: what make_tables.py and make_figures.py read. paper.tex includes their .tex and
.pdf files, paper.md shows their .png files: all lie in one folder.

    python scripts/make_paper.py --spec results/sample/spec.json --output-dir results/sample/paper
"""

import argparse
from pathlib import Path

from roadtrain import cli
from roadtrain.files import write_text
from roadtrain.paper.document import paper_markdown, paper_tex
from roadtrain.results.reader import Results


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="results/<run>/spec.json")
    parser.add_argument("--output-dir", required=True, type=Path, help="results/<run>/paper")
    args = parser.parse_args()

    results = Results.load(args.spec)
    write_text(args.output_dir / "paper.md", paper_markdown(results))
    write_text(args.output_dir / "paper.tex", paper_tex(results))
    print(f"{args.output_dir}: paper.md, paper.tex")


if __name__ == "__main__":
    main()
