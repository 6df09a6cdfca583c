#!/usr/bin/env python3
"""Render the sample data set: traffic scenes in WTS's own layout (videos and annotations), from a seed.

Same seed and counts, same bytes, however many workers. Nothing is downloaded and nothing is taken from WTS.

    python scripts/make_sample.py --out data/sample
    python scripts/make_sample.py --seed 1000 --train 0 --val 60 --out data/unseen
    python scripts/make_sample.py --list
"""

import argparse
import sys
from pathlib import Path

from roadtrain.cli import UserError
from roadtrain.sample.tree import SampleSpec, sample_scenarios, tree_files

DEFAULT = SampleSpec()


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("data/sample"), help="root of the tree")
    parser.add_argument("--seed", type=int, default=DEFAULT.seed, help="another seed, other scenes")
    parser.add_argument("--train", type=_count, default=DEFAULT.train, metavar="N", help="training scenarios")
    parser.add_argument("--val", type=_count, default=DEFAULT.val, metavar="N", help="validation scenarios")
    parser.add_argument("--test", type=_count, default=DEFAULT.test, metavar="N", help="scenarios of a public test")
    parser.add_argument("--tar", action="store_true", help="with questions with reasoning, in the layout of TAR")
    parser.add_argument("--workers", type=_workers, default=2, metavar="N", help="processes that render")
    parser.add_argument("--list", action="store_true", help="print the files' relative paths and stop")
    return parser.parse_args(argv)


def make_sample(spec: SampleSpec, out: Path, workers: int = 1) -> int:
    """Writes the tree of `spec` below `out`. Returns the number of its files.

    Raises FileExistsError when `out` holds another data set.
    """
    # Here, not at the top: --list needs neither numpy nor an encoder.
    from concurrent.futures import as_completed

    from tqdm import tqdm

    from roadtrain.sample.scenes import scenes
    from roadtrain.sample.write import make_room, write_collected, write_scenario
    from roadtrain.workers import worker_pool

    make_room(out, spec)
    todo = list(zip(sample_scenarios(spec), scenes(spec), strict=True))
    files = write_collected(out, spec, todo)
    if workers == 1:
        return files + sum(write_scenario(out, *item) for item in tqdm(todo, desc="sample", unit="scenario"))
    with worker_pool(workers) as pool:
        jobs = [pool.submit(write_scenario, out, *item) for item in todo]
        finished = tqdm(as_completed(jobs), desc="sample", unit="scenario", total=len(jobs))
        return files + sum(job.result() for job in finished)


def main(argv: list[str] | None = None) -> int:
    args = parse(argv)
    spec = SampleSpec(args.seed, args.train, args.val, args.test, args.tar)
    if args.list:
        print("\n".join(tree_files(spec)))
        return 0
    try:
        files = make_sample(spec, args.out, args.workers)
    except (OSError, ValueError, UserError) as error:
        print(f"make_sample: {error}", file=sys.stderr)
        return 1
    counts = f"{spec.train} + {spec.val}" + (f" + {spec.test}" if spec.test else "")
    print(f"{args.out}: {files} files of {counts} scenarios, seed {spec.seed}")
    return 0


def _count(text: str) -> int:
    return _at_least(0, text)


def _workers(text: str) -> int:
    return _at_least(1, text)


def _at_least(least: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if number < least:
        raise argparse.ArgumentTypeError(f"{number} is less than {least}")
    return number


if __name__ == "__main__":
    sys.exit(main())
