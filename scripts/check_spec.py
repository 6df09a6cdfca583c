#!/usr/bin/env python3
"""Check a spec in a second, without Snakemake: whatever the file is, every mistake is one line with its key or its line.

Then what the spec names and this machine doesn't have, which is no mistake of the spec. Exit code 1 when the spec is wrong.
(`snakemake -n` says the same, but Snakemake reads the file before, and ends in its own words where it isn't YAML.)

    python scripts/check_spec.py specs/sample.yaml
"""

import argparse

from roadtrain import cli
from roadtrain.markup import quantity
from roadtrain.spec.reading import read_spec
from roadtrain.spec.yaml_text import spec_values
from roadtrain.train.preflight.absent import absent


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "spec", nargs="+", help="the file; of several, later ones go into earlier ones, as with --configfile"
    )
    parser.add_argument("--config", nargs="*", default=[], metavar="KEY=VALUE", help="as Snakemake's --config")
    args = parser.parse_args()

    source = ", ".join(args.spec)
    spec = read_spec(spec_values(args.spec, args.config), source)
    missing = absent(spec)
    for line in missing:
        print(f"{source}: {line}")
    count = len(spec.trained())
    but = ", but not all that it names is here" if missing else ""
    print(f"{source}: run {spec.run}, {quantity(count, 'ablation')}: the spec is right{but}")


if __name__ == "__main__":
    main()
