#!/usr/bin/env python3
"""Write docs/spec.md, the reference of every key of the spec, from the typed models in scripts/roadtrain/spec/."""

import argparse
from pathlib import Path

from roadtrain import cli
from roadtrain.files import write_text
from roadtrain.spec.reference import reference_page

DEFAULT = Path(__file__).parents[2] / "docs/spec.md"


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=DEFAULT, help="the page to write (%(default)s)")
    args = parser.parse_args()
    write_text(args.output, reference_page())


if __name__ == "__main__":
    main()
