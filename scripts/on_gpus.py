#!/usr/bin/env python3
"""Run a command on GPUs that no other job of this machine has: sets CUDA_VISIBLE_DEVICES, waits when all are taken.

    python scripts/on_gpus.py 2 python scripts/train_local.py --toml ..

The command replaces this program and keeps the locks, so GPUs are free again when it ends, however it ends. Restrict the
GPUs by CUDA_VISIBLE_DEVICES (default: all). With 0 the command sees no GPU; without NVIDIA GPUs it runs as it is.
"""

import argparse
import os
import sys

from roadtrain import cli, gpus


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=cli.at_least(0), help="how many GPUs the command needs")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command and its arguments")
    args = parser.parse_args()
    if not args.command or args.count < 0:
        parser.error("give a number of GPUs and a command")
    if args.count == 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif names := gpus.visible():
        if args.count > len(names):
            raise cli.UserError(
                f"{args.count} GPUs are asked for (gpus in the spec), {len(names)} can be used: {', '.join(names)};"
                " lower gpus, or look at CUDA_VISIBLE_DEVICES"
            )
        reserved = gpus.reserve(args.count, names, waiting=lambda line: print(line, file=sys.stderr, flush=True))
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(reserved)
        for lock in reserved.values():
            os.set_inheritable(lock, True)
    try:
        os.execvp(args.command[0], args.command)
    except FileNotFoundError:
        raise cli.UserError(f"{args.command[0]}: no such command") from None


if __name__ == "__main__":
    main()
