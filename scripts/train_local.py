#!/usr/bin/env python3
"""Post-train one ablation with plain PyTorch and transformers: on a CPU, on one GPU, on several GPUs, on several nodes.

Inputs: the TOML of the run (its conversations, its frame index and the base model are named in it). Outputs: a
manifest an epoch and train_log.jsonl (one line an optimizer step, no clock in it); below --weights a complete Hugging
Face checkpoint an epoch (bfloat16), the state for an exact resume, and train_times.jsonl (what was measured: seconds of a
step, and how many of them the GPU waited for data).

Killed at any moment and started again, it goes on after the last saved state and ends with the same weights, bit for
bit on a CPU. A finished epoch is not trained again; when the TOML, the data or the base changed, it starts over. A TOML that
says only other GPUs (and as many questions a step on all of them together) is the same training, and goes on.

Several GPUs (gpus in the spec): it starts itself once more for each, with torchrun; weights, gradients and moments lie in
shards on all of them (FSDP2).

Several nodes: the same command on each of them, in one Slurm step (srun --ntasks-per-node=1), or with --nodes and
--node-index. The project's folder must be the same on all. `gpus: 0` trains on their CPUs, a process a node.

    python scripts/train_local.py --toml results/sample/nframes8/sft.toml --weights weights/sample/nframes8 \\
        --manifests results/sample/nframes8/checkpoints --log results/sample/nframes8/train_log.jsonl
"""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from roadtrain import cli, locks
from roadtrain.frames.index import FrameIndex
from roadtrain.model.checkpoints import checkpoint_hash
from roadtrain.model.loading import locate
from roadtrain.train import run_folder
from roadtrain.train.arguments import training_parser
from roadtrain.train.meeting import Meeting, join
from roadtrain.train.memory import explain_out_of_memory
from roadtrain.train.nodes import Nodes, add_node_options, find_nodes, free_port, gpus_of_each
from roadtrain.train.questions import read_frame_index
from roadtrain.train.toml_config import TrainRun, read_train_run

PORT = 29400  # from which the ranks' first port is looked for


@cli.main
def main() -> None:
    parser = training_parser(__doc__, threads="CPU threads of this node")
    add_node_options(parser)
    args = parser.parse_args()
    run = read_train_run(args.toml)
    frames = read_frame_index(run)  # before anything of an earlier run is deleted: it may refuse them
    base = locate(run.model)
    origin = run_folder.fingerprint(args.toml, run.llava, run.frames_index, base=checkpoint_hash(base))
    if "RANK" in os.environ:  # one of torchrun's processes; the one that started it holds the lock
        train(run, frames, base, origin, args)
        return
    nodes = find_nodes(args.nodes, args.node_index)
    here = gpus_of_each(run.gpus, nodes)
    if not nodes.first:
        if (ports := join(args.weights, nodes)) is not None:
            train_in_ranks(here, nodes, *ports)
        return
    with locks.alone_in(args.weights) as lock:
        meeting = Meeting(args.weights, nodes)
        run_folder.keep_or_start_over(args.weights, origin, Path(args.toml))
        if not all((args.weights / f"epoch_{n}.json").exists() for n in range(1, run.epochs + 1)):
            with run_folder.noting_times(run.epochs, args.weights, run.gpus):
                if nodes.count > 1 or run.gpus > 1:
                    port = free_port(PORT + os.getpid() % 1000, host="")
                    meeting.start(port)
                    train_in_ranks(here, nodes, port, lock)
                else:
                    train(run, frames, base, origin, args)
        meeting.end()
        run_folder.publish(run.epochs, args.weights, args.manifests, args.log)


def train(run: TrainRun, frames: FrameIndex, base: Path, origin: dict[str, str], args: argparse.Namespace) -> None:
    """In this process: on a CPU, on one GPU, or as one of several ranks."""
    from roadtrain.train.trainer import Trainer

    with explain_out_of_memory():
        Trainer(run, frames, base, args.weights, origin, args.threads).train()


def train_in_ranks(gpus: int, nodes: Nodes, port: int, lock: int | None = None) -> None:
    """This program once for each of this node's GPUs, or once where there are none. The lock goes with them: should this
    process be killed, they still hold it."""
    import torch

    if torch.cuda.device_count() < gpus:
        raise cli.UserError(
            f"train.gpus: {gpus} on this machine, and this process sees {torch.cuda.device_count()} GPUs: lower it, or look"
            " at CUDA_VISIBLE_DEVICES"
        )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(max(1, gpus))]
    variables = {}
    if nodes.count == 1:
        torchrun.append("--standalone")
    else:
        torchrun += ["--nnodes", str(nodes.count), "--node-rank", str(nodes.index)]
        torchrun += ["--master-addr", nodes.addresses[0], "--master-port", str(port)]
        if not gpus:
            variables = nodes.gloo_variables()
    inherited = [] if lock is None else [lock]
    process = subprocess.Popen([*torchrun, "--", *sys.argv], env=variables | dict(os.environ), pass_fds=inherited)
    for number in (signal.SIGTERM, signal.SIGINT):  # torchrun hands them on; each rank saves its state
        signal.signal(number, lambda signum, _: process.send_signal(signum))
    if process.wait():
        where = f"{gpus} GPUs" if gpus else "the CPU"
        where += f" of node {nodes.index}, {nodes.addresses[nodes.index]}," if nodes.addresses else ""
        raise cli.UserError(
            f"training on {where} ended with {process.returncode}: the first error above is the cause; start again to go on"
        )


if __name__ == "__main__":
    sys.exit(main())
