#!/usr/bin/env python3
"""Write the spec with every default filled in, and each ablation with its overrides applied.

Output (JSON): run; spec, as checked; ablations: {name: {model, vision, train, vision_name, spec_hash}}.

    python scripts/write_spec.py --spec '{"ablations": {"a": {"vision": {"nframes": 8}}}}' --output spec.json
"""

import argparse
import json

from roadtrain import cli
from roadtrain.files import write_json
from roadtrain.spec.reading import read_spec
from roadtrain.spec.resolved import resolve


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, metavar="JSON", help="the spec as JSON text")
    parser.add_argument("--output", required=True, help="the file to write")
    args = parser.parse_args()

    write_json(args.output, resolve(read_spec(json.loads(args.spec), "--spec")))


if __name__ == "__main__":
    main()
