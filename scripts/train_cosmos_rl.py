#!/usr/bin/env python3
"""Post-train one ablation with cosmos-rl, on one node or several.

Inputs: the TOML of the run (its conversations, its frame index and the base model are named in it). Outputs: a
manifest an epoch and train_log.jsonl (one line an optimizer step, no clock in it); below --weights a complete Hugging
Face checkpoint an epoch, and train_times.jsonl (what was measured). cosmos-rl works in <weights>/cosmos-rl, which is
deleted when every epoch is there.

A policy that dies or stands still is seen within a minute; nothing that was started is left behind; success is judged by
the checkpoints. Started again it goes on after the last whole state of this experiment; when the TOML, the data or the
base changed, it starts over. SIGTERM saves a state and stops.

Several nodes: the same command on each of them, in one Slurm step (srun --ntasks-per-node=1), or with --nodes and
--node-index. The project's folder must be the same on all.

    python scripts/train_cosmos_rl.py --toml results/sample/nframes8/sft.toml --weights weights/sample/nframes8 \\
        --manifests results/sample/nframes8/checkpoints --log results/sample/nframes8/train_log.jsonl
"""

import argparse
import tomllib
from dataclasses import replace
from pathlib import Path

from roadtrain import cli, locks
from roadtrain.files import sha256_json
from roadtrain.model.checkpoints import checkpoint_hash
from roadtrain.model.hub import needs_token, terms_page
from roadtrain.model.loading import locate
from roadtrain.train import run_folder
from roadtrain.train.arguments import training_parser
from roadtrain.train.cosmos import environment, exports, supervise
from roadtrain.train.cosmos.node_process import NodeProcess, NodeSetup, free_ports
from roadtrain.train.cosmos.patterns import check_freeze_patterns
from roadtrain.train.cosmos.training import CosmosTraining
from roadtrain.train.meeting import Meeting, join
from roadtrain.train.nodes import add_node_options, find_nodes, gpus_of_each
from roadtrain.train.questions import read_frame_index
from roadtrain.train.toml_config import TrainRun, read_train_run


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = training_parser(__doc__, threads="CPU threads of all GPUs together")
    add_node_options(parser)
    for option, default, meaning in (
        ("--silent", 50, "a policy that stands still for so long is ended"),
        ("--leave", 20, "cosmos-rl may take so long to end after its policy"),
        ("--patience", 1800, "as --silent, while it starts, loads or saves"),
    ):
        parser.add_argument(option, type=float, default=default, metavar="S", help=f"{meaning} (%(default)s s)")
    parser.add_argument("--cosmos-rl", metavar="COMMAND", help="what to start in the place of cosmos-rl (tests)")
    return parser.parse_args()


def set_up(args: argparse.Namespace, run: TrainRun) -> NodeSetup:
    """What this node starts with. Raises UserError naming what the machine, the model or the spec lacks."""
    nodes = find_nodes(args.nodes, args.node_index)
    gpus = environment.check_machine(gpus_of_each(run.ranks, nodes))
    toml = Path(args.toml)
    environment.check_wandb(tomllib.loads(toml.read_text(encoding="utf-8"))["logging"]["logger"])
    if needs_token(run.model):
        raise cli.UserError(
            f"{run.model}: access is by request: accept its terms at {terms_page(run.model)}, then set HF_TOKEN"
        )
    base = locate(run.model)
    check_freeze_patterns(toml, lambda: exports.read_shapes(base))
    return NodeSetup(
        toml=toml,
        weights=args.weights,
        base=base,
        nodes=nodes,
        gpus=gpus,
        threads=args.threads * nodes.count // run.ranks,
        limits=supervise.Limits(silent=args.silent, patience=args.patience, leave=args.leave),
        launcher=args.cosmos_rl,
    )


@cli.main
def main() -> None:
    args = arguments()
    if not args.cosmos_rl:
        environment.enter_cosmos_environment()
    run = read_train_run(args.toml)
    setup = set_up(args, run)
    if not setup.nodes.first:
        if (ports := join(args.weights, setup.nodes)) is not None:
            NodeProcess(replace(setup, ports=ports)).run()
        return
    with locks.alone_in(args.weights):
        meeting = Meeting(args.weights, setup.nodes)
        supervise.end_left_over(setup.mark)  # it would go on training, and writing what is read here
        frames = read_frame_index(run)
        origin = run_folder.fingerprint(args.toml, run.llava, run.frames_index, base=checkpoint_hash(setup.base))
        run_folder.keep_or_start_over(args.weights, origin)
        with run_folder.noting_times(run.epochs, args.weights, run.ranks):
            setup = replace(setup, ports=free_ports(setup.nodes))
            training = CosmosTraining(run, frames, setup, sha256_json(origin))
            if training.unfinished():
                meeting.start(*setup.ports)
            training.finish()
        meeting.end()
        run_folder.publish(run.epochs, args.weights, args.manifests, args.log)


if __name__ == "__main__":
    main()
