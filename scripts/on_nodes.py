#!/usr/bin/env python3
"""Run a command on all nodes of a training job, on GPUs that no other job has: once on this machine, or once on each node.

    python scripts/on_nodes.py 1 2 python scripts/train_local.py --toml ..      # two GPUs of this machine
    python scripts/on_nodes.py --cpus 32 2 16 python scripts/train_local.py ..  # eight of each of the Slurm job's two nodes

Several nodes are those of the Slurm job that this is started in: the command becomes one step with a task a node (srun),
which ends as a whole when one task fails. On each node scripts/on_gpus.py picks the GPUs.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from roadtrain import cli

ON_GPUS = str(Path(__file__).parent / "on_gpus.py")


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nodes", type=cli.at_least(1), help="how many nodes the command runs on")
    parser.add_argument("gpus", type=cli.at_least(0), help="how many GPUs it needs, of all nodes together")
    parser.add_argument("--cpus", type=cli.at_least(1), default=1, help="cores of each of several nodes (%(default)s)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the command and its arguments")
    args = parser.parse_args()
    if not args.command or args.gpus % args.nodes:
        parser.error("give a number of nodes, a number of GPUs that can be shared out evenly to them, and a command")
    task = [sys.executable, ON_GPUS, str(args.gpus // args.nodes), *args.command]
    command = task if args.nodes == 1 else [*srun(args.nodes, args.cpus), *task]
    os.execvp(command[0], command)


def srun(nodes: int, cpus: int) -> list[str]:
    """A step with one task of so many cores on each of the job's nodes. Raises UserError where there is no such job."""
    if shutil.which("srun") is None or "SLURM_JOB_ID" not in os.environ:
        raise cli.UserError(
            f"cluster.train.nodes: {nodes}: several nodes are those of a Slurm job, and this is none:"
            " snakemake --profile profiles/slurm, or take the key out (docs/cluster.md)"
        )
    # A step gets no more cores than it asks for (since Slurm 22.05), and no variable says here how many the job has.
    step = ["srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1", f"--cpus-per-task={cpus}"]
    return [*step, "--cpu-bind=none", "--kill-on-bad-exit=1"]


if __name__ == "__main__":
    main()
