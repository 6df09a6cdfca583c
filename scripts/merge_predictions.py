#!/usr/bin/env python3
"""Put the shards of an evaluation together: the files that one job would have written, byte for byte.

Inputs: the predictions and sources of every shard, the conversations. Outputs: predictions in the conversations' order
and their source. Refused, naming the file: shards of another checkpoint, data or setting, a shard that is missing or
given twice, a question without a row.

    python scripts/merge_predictions.py --llava results/sample/data/val.llava.json --predictions 1.jsonl 2.jsonl \\
        --sources 1.source.json 2.source.json --output all.jsonl --source all.source.json
"""

import argparse
from pathlib import Path

from roadtrain import cli
from roadtrain.evaluate.shards import merge_shards


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llava", required=True, help="the questions")
    parser.add_argument("--predictions", required=True, nargs="+", type=Path, help="of every shard, in any order")
    parser.add_argument("--sources", required=True, nargs="+", help="their sources, in the same order")
    parser.add_argument("--output", required=True, type=Path, help="all predictions")
    parser.add_argument("--source", required=True, help="what they were computed from")
    args = parser.parse_args()
    merge_shards(args.llava, args.predictions, args.sources, args.output, args.source)


if __name__ == "__main__":
    main()
