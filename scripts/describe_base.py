#!/usr/bin/env python3
"""Manifest of the model before training, in the format of a checkpoint's, so that it is evaluated like any other.

Input: a local directory or a Hugging Face name (downloaded when it may be). Output: JSON with the hash of every file.
"""

import argparse

from roadtrain import cli
from roadtrain.files import write_json
from roadtrain.model.checkpoints import describe, software
from roadtrain.model.loading import locate


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a directory, or a name on the Hugging Face hub")
    parser.add_argument("--manifest", required=True, help="the JSON to write")
    args = parser.parse_args()
    manifest = describe(
        locate(args.model),
        precision="bfloat16",
        epoch=0,
        step=0,
        base_model=args.model,
        software=software("transformers"),
    )
    write_json(args.manifest, manifest | {"checkpoint": "zero_shot"})


if __name__ == "__main__":
    main()
