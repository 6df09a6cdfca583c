#!/usr/bin/env python3
"""Watch a run from its files: jobs at work, stages, step, loss and its curve, time left; GPUs where nvidia-smi is, jobs in the
queue where Slurm is. It asks no process of the run and changes nothing, so it can be started, stopped or run on another machine
that sees the files, over ssh too. Ctrl-C ends it.

    python scripts/watch.py                  the newest run
    python scripts/watch.py sample --once    one look, for a script or a log
"""

import argparse
import time

from rich.console import Console, RenderableType
from rich.live import Live

from roadtrain import cli
from roadtrain.results.progress_table import find_spec, run_picture
from roadtrain.results.reader import Results


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", help="name of the run (default: the newest below results/)")
    parser.add_argument("--interval", type=float, default=2, help="seconds between two looks (%(default)s)")
    parser.add_argument("--once", action="store_true", help="look once and end, as where the output is no terminal")
    args = parser.parse_args()

    spec, console = find_spec(args.run), Console()

    def picture() -> RenderableType:
        return run_picture(Results.load(spec), console.encoding)

    if args.once or not console.is_terminal:
        console.print(picture())
        return
    with Live(picture(), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(args.interval)
            live.update(picture(), refresh=True)


if __name__ == "__main__":
    main()
