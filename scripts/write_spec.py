#!/usr/bin/env python3
"""Write the spec with every default filled in, and each ablation with its overrides applied.

Output (JSON): run; spec, as checked; ablations: {name: {model, vision, train, vision_name, spec_hash}}.
"""

import argparse
import json

from roadtrain import cli
from roadtrain.files import write_json
from roadtrain.spec.reading import read_spec


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spec", required=True, metavar="JSON", help="the spec as JSON text")
    parser.add_argument("--output", required=True, help="the file to write")
    args = parser.parse_args()

    spec = read_spec(json.loads(args.spec), "--spec")
    ablations = {}
    for name in spec.ablations:
        ablation = spec.ablation(name)
        ablations[name] = ablation.model_dump(mode="json") | {
            "vision": ablation.vision.settings(),
            "vision_name": ablation.vision.name,
            "spec_hash": spec.hash(name),
        }
    write_json(args.output, {"run": spec.run, "spec": json.loads(spec.results()), "ablations": ablations})


if __name__ == "__main__":
    main()
