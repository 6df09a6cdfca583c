#!/usr/bin/env python3
"""Watch a run from its files: what is done, what is running, step, loss, time left. It asks no process and changes
nothing, so it can be started, stopped or run on another machine that sees the files.
"""

import argparse
import time

from rich.console import Console
from rich.live import Live

from roadtrain import cli
from roadtrain.results.progress_table import find_spec, progress_table
from roadtrain.results.reader import Results


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", help="name of the run (default: the newest below results/)")
    parser.add_argument("--interval", type=float, default=2, help="seconds between two looks (%(default)s)")
    parser.add_argument("--once", action="store_true", help="look once and end")
    args = parser.parse_args()

    spec = find_spec(args.run)
    console = Console()
    if args.once:
        console.print(progress_table(Results.load(spec)))
        return
    with Live(progress_table(Results.load(spec)), console=console, refresh_per_second=4) as live:
        while True:
            time.sleep(args.interval)
            live.update(progress_table(Results.load(spec)))


if __name__ == "__main__":
    main()
