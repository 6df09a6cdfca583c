#!/usr/bin/env python3
"""Manifest of the model before training, in the format of a checkpoint's, so that it is evaluated like any other.

Input: a local directory or a Hugging Face name (downloaded when it may be). Output: JSON with the hash of every file.

    python scripts/describe_base.py --model specs/sample/base --manifest zero_shot.json
"""

import argparse

from roadtrain import cli
from roadtrain.model.checkpoints import describe, package_versions, write_manifest
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
        software=package_versions("transformers"),
    )
    manifest["checkpoint"] = "zero_shot"
    write_manifest(args.manifest, manifest)


if __name__ == "__main__":
    main()
