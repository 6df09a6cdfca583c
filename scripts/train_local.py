#!/usr/bin/env python3
"""Post-train one ablation with plain PyTorch and transformers: on a CPU, on one GPU, on several GPUs of a machine.

Inputs: the TOML of the run (its conversations, its frame index and the base model are named in it). Outputs: a
manifest an epoch and train_log.jsonl (one line an optimizer step, no clock in it); below --weights a complete Hugging
Face checkpoint an epoch (bfloat16), the state for an exact resume, and train_times.jsonl (what was measured: seconds of a
step, and how many of them the GPU waited for data).

Killed at any moment and started again, it goes on after the last saved state and ends with the same weights, bit for
bit on a CPU. A finished epoch is not trained again; when the TOML, the data or the base changed, it starts over.

Several GPUs (gpus in the spec): it starts itself once more for each, with torchrun; weights, gradients and moments lie in
shards on all of them (FSDP2).

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
from roadtrain.train.memory import explain_out_of_memory
from roadtrain.train.questions import read_frame_index
from roadtrain.train.toml_config import TrainRun, read_train_run


@cli.main
def main() -> None:
    args = training_parser(__doc__).parse_args()
    run = read_train_run(args.toml)
    frames = read_frame_index(run)  # before anything of an earlier run is deleted: it may refuse them
    base = locate(run.model)
    origin = run_folder.fingerprint(args.toml, run.llava, run.frames_index, base=checkpoint_hash(base))
    if "RANK" in os.environ:  # one of torchrun's processes; the one that started it holds the lock
        train(run, frames, base, origin, args)
        return
    with locks.alone_in(args.weights) as lock:
        run_folder.keep_or_start_over(args.weights, origin)
        if not all((args.weights / f"epoch_{n}.json").exists() for n in range(1, run.epochs + 1)):
            if run.gpus > 1:
                train_on_several_gpus(run.gpus, lock)
            else:
                train(run, frames, base, origin, args)
        run_folder.publish(run.epochs, args.weights, args.manifests, args.log)


def train(run: TrainRun, frames: FrameIndex, base: Path, origin: dict[str, str], args: argparse.Namespace) -> None:
    """In this process: on a CPU, on one GPU, or as one of several ranks."""
    from roadtrain.train.trainer import Trainer

    with explain_out_of_memory():
        Trainer(run, frames, base, args.weights, origin, args.threads).train()


def train_on_several_gpus(gpus: int, lock: int) -> None:
    """This program once for each GPU. The lock goes with them: should this process be killed, they still hold it."""
    import torch

    if torch.cuda.device_count() < gpus:
        raise cli.UserError(
            f"train.gpus: {gpus}, and this process sees {torch.cuda.device_count()} GPUs: lower it, or look at CUDA_VISIBLE_DEVICES"
        )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(gpus), "--"]
    process = subprocess.Popen([*torchrun, *sys.argv], pass_fds=[lock])
    for number in (signal.SIGTERM, signal.SIGINT):  # torchrun hands them on; each rank saves its state
        signal.signal(number, lambda signum, _: process.send_signal(signum))
    if process.wait():
        raise cli.UserError(
            f"training on {gpus} GPUs ended with {process.returncode}: the first error above is the cause; start again to go on"
        )


if __name__ == "__main__":
    sys.exit(main())
