#!/usr/bin/env python3
"""Write report.html: one page, readable without a network, that shows what was run and what came out.

Inputs, found from the run's spec.json: everything of the run that lies below results/<run>/, and the frame cache for
thumbnails (without it the page has none).

    python scripts/make_report.py --spec results/sample/spec.json --output report.html
"""

import argparse
from pathlib import Path

from roadtrain import cli
from roadtrain.files import write_text
from roadtrain.results.reader import Results

TEMPLATES = Path(__file__).parents[1] / "templates"


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, help="results/<run>/spec.json")
    parser.add_argument("--templates", default=TEMPLATES, type=Path, help="folder of report/page.html.j2 (%(default)s)")
    parser.add_argument("--output", required=True, help="the page to write")
    args = parser.parse_args()

    results = Results.load(args.spec)
    from roadtrain.paper.report import render_report  # matplotlib takes longer to import than the arguments to check

    page = render_report(results, args.templates)
    write_text(args.output, page)
    print(f"{args.output}: {len(page.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
