#!/usr/bin/env python3
"""Put the shards of an evaluation together: the files that one job would have written, byte for byte.

Inputs: the predictions and sources of every shard, the conversations. Outputs: predictions in the conversations' order
and their source. Refused, naming the file: shards of another checkpoint, data or setting, a shard that is missing or
given twice, a question without a row.
"""

import argparse
from pathlib import Path

from roadtrain import cli
from roadtrain.data.llava import read_entries
from roadtrain.evaluate.evaluation import refuse_silence, save
from roadtrain.files import read_json, read_rows


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llava", required=True, help="the questions")
    parser.add_argument("--predictions", required=True, nargs="+", type=Path, help="of every shard, in any order")
    parser.add_argument("--sources", required=True, nargs="+", help="their sources, in the same order")
    parser.add_argument("--output", required=True, type=Path, help="all predictions")
    parser.add_argument("--source", required=True, help="what they were computed from")
    args = parser.parse_args()

    source, unanswered = merge_sources(args.sources)
    rows: dict[str, dict] = {}
    for path in args.predictions:
        for _, row in read_rows(path):
            if row["id"] in rows:
                raise ValueError(f"{path}: question {row['id']} is in another shard too: evaluate the shards again")
            rows[row["id"]] = row
    missing = [entry.id for entry in read_entries(args.llava) if entry.id not in rows]
    if missing:
        raise ValueError(
            f"{args.llava}: no shard has question {missing[0]} ({len(missing)} missing): evaluate the shards again"
        )
    refuse_silence(list(rows.values()), unanswered, args.llava)
    save(args.output, args.source, list(rows.values()), source, unanswered, args.llava)


def merge_sources(paths: list[str]) -> tuple[dict, list[dict]]:
    """What the shards have in common, and the videos that none could be asked about."""
    common, numbers, unanswered = {}, [], []
    for path in paths:
        source = read_json(path)
        numbers.append(source.pop("shard", "1/1"))
        unanswered += source.pop("unanswered_videos")
        common = common or source
        different = [key for key in common if source.get(key) != common[key]]
        if different:
            raise ValueError(f"{path}: {different[0]} isn't that of {paths[0]}: evaluate the shards again")
    count = len(paths)
    if sorted(numbers) != sorted(f"{n}/{count}" for n in range(1, count + 1)):
        raise ValueError(
            f"{paths[0]}: shards given: {', '.join(sorted(numbers))}; wanted: each of 1/{count} to {count}/{count} once"
        )
    return common, unanswered


if __name__ == "__main__":
    main()
