#!/usr/bin/env python3
"""Take a part of the training scenarios (`train.share` of the spec), whole scenarios at a time: smaller shares of a seed are
parts of its larger ones.

Input: the training conversations. Outputs: those of the part, entry for entry as they were, and how much of all it is (JSON).
Exit code 1 where the share is less than one scenario.

    python scripts/take_share.py --llava results/sample/data/train.llava.json --share 0.25 --seed 0 \\
        --output quarter.llava.json --summary quarter.json
"""

import argparse

from roadtrain import cli
from roadtrain.files import write_json
from roadtrain.spec.arguments import add_key
from roadtrain.spec.train import Train
from roadtrain.train.share import share_sentence, write_part


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llava", required=True, help="all training conversations")
    add_key(parser, Train, "share")
    add_key(parser, Train, "seed")
    parser.add_argument("--output", required=True, help="the part's conversations")
    parser.add_argument("--summary", required=True, help="how many scenarios, videos and questions it has")
    args = parser.parse_args()

    summary = write_part(args.llava, args.share, args.seed, args.output)
    write_json(args.summary, summary)
    print(share_sentence(summary))


if __name__ == "__main__":
    main()
