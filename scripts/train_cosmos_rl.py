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
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import sys
import tomllib
from pathlib import Path

from tqdm import tqdm

from roadtrain import cli
from roadtrain import processes as process_tree
from roadtrain.data.llava import read_questions
from roadtrain.files import sha256_json, write_text
from roadtrain.frames.index import FrameIndex
from roadtrain.model import checkpoints
from roadtrain.model.hub import needs_token
from roadtrain.model.loading import locate
from roadtrain.train import arguments as train_arguments
from roadtrain.train import toml_config
from roadtrain.train.cosmos import environment as cosmos_process
from roadtrain.train.cosmos import exports as cosmos_exports
from roadtrain.train.cosmos import nodes as cosmos_nodes
from roadtrain.train.cosmos import plan as cosmos_plan
from roadtrain.train.cosmos import supervise

PORT = 8000  # the controller's, or the next free one
REDIS = 12800


def arguments() -> argparse.Namespace:
    parser = train_arguments.training_parser(__doc__, threads="CPU threads of all GPUs together")
    parser.add_argument(
        "--nodes", metavar="A,B,..", help="addresses of all nodes, the controller's first (a Slurm step needs none)"
    )
    parser.add_argument("--node-index", type=int, metavar="N", help="which of --nodes this is, from 0")
    parser.add_argument(
        "--silent",
        type=float,
        default=50,
        metavar="S",
        help="a policy that stands still for so long is ended (%(default)s s)",
    )
    parser.add_argument(
        "--leave",
        type=float,
        default=20,
        metavar="S",
        help="cosmos-rl may take so long to end after its policy (%(default)s s)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=1800,
        metavar="S",
        help="the same while it starts, loads or saves (%(default)s s)",
    )
    parser.add_argument("--cosmos-rl", metavar="COMMAND", help="what to start in the place of cosmos-rl (tests)")
    return parser.parse_args()


@cli.main
def main() -> None:
    args = arguments()
    if not args.cosmos_rl:
        cosmos_process.enter()
    run = toml_config.read_train_run(args.toml)
    nodes = cosmos_nodes.find(args.nodes, args.node_index)
    ranks = run.ranks
    if ranks % nodes.count:
        raise cli.UserError(f"train.gpus: {ranks} can't be shared out evenly to {nodes.count} nodes")
    gpus = cosmos_process.check_machine(ranks // nodes.count)
    cosmos_process.check_wandb(tomllib.loads(Path(args.toml).read_text(encoding="utf-8"))["logging"]["logger"])
    if needs_token(run.model):
        raise cli.UserError(
            f"{run.model}: access is by request: accept its terms at https://huggingface.co/{run.model}, then set HF_TOKEN"
        )
    base = locate(run.model)
    cosmos_process.refuse_code(base)
    if nodes.index:
        Launch(run, base, args, nodes, gpus).start()
        return
    with checkpoints.only_one(args.weights):
        supervise.end_left_over(mark(args.weights, nodes))  # it would go on training, and writing what is read here
        origin = checkpoints.fingerprint(
            args.toml, run.llava, run.frames_index, base=checkpoints.describe(base)["sha256"]
        )
        checkpoints.start(args.weights, origin)
        Run(run, base, args, nodes, gpus, sha256_json(origin)).finish()
        checkpoints.publish(run.epochs, args.weights, args.manifests, args.log)


def mark(weights: Path, nodes: cosmos_nodes.Nodes) -> str:
    """By which a run's processes are found after their launcher was killed."""
    return f"{weights.absolute()} node {nodes.index}"


class Run:
    """From what is on disk to an epoch's checkpoint each."""

    def __init__(
        self,
        run: toml_config.TrainRun,
        base: Path,
        args: argparse.Namespace,
        nodes: cosmos_nodes.Nodes,
        gpus: list[str],
        origin: str,
    ):
        self.run, self.base, self.args, self.nodes, self.gpus, self.origin = run, base, args, nodes, gpus, origin
        self.root, self.folder = args.weights, args.weights / "cosmos-rl"
        frames = FrameIndex.load(run.frames_index)
        entries = [entry for entry in read_questions(run.llava) if entry.clip in frames]
        if not entries:
            raise ValueError(f"{run.llava}: no question has frames in {run.frames_index}: nothing to train on")
        self.ends = cosmos_plan.epoch_ends(run, entries, run.ranks)
        self.questions = cosmos_plan.questions_of_steps(run, entries, run.ranks)

    def finish(self) -> None:
        """Train what is missing. Raises UserError when an epoch is missing afterwards."""
        self.collect()
        if self.missing():
            self.train()
        shutil.rmtree(self.folder, ignore_errors=True)  # every epoch is there: nothing to resume

    def train(self) -> None:
        step = self.cut_back()
        launch = Launch(self.run, self.base, self.args, self.nodes, self.gpus)
        try:
            how = launch.start(done=step, total=self.ends[self.run.epochs])
        finally:
            self.collect()
        if launch.signal and self.missing():
            raise SystemExit(f"stopped by signal {launch.signal}; start again to go on after step {self.resume_step()}")
        if missing := self.missing():
            reason = supervise.last_error(launch.log)
            raise cli.UserError(
                f"{self.root}: epoch {missing[0]} is missing: cosmos-rl: {how}{f' ({reason})' if reason else ''}; its log is {launch.log};"
                f" start again to go on after step {self.resume_step()} of {self.ends[self.run.epochs]}"
            )

    def missing(self) -> list[int]:
        return [n for n in self.ends if not (self.root / f"epoch_{n}.json").exists()]

    def resume_step(self) -> int:
        return cosmos_exports.resume_step(self.folder, self.run.ranks)

    def cut_back(self) -> int:
        """Logs end where cosmos-rl will resume, and it resumes before an epoch whose export is missing."""
        lost = [end for n, end in self.ends.items() if n in self.missing() and end <= self.resume_step()]
        if lost:
            cosmos_exports.forget_states_from(self.folder, lost[0])
        step = self.resume_step()
        for name in ("train_log.jsonl", "train_times.jsonl"):  # as new files: DVC may have linked the old ones
            lines = checkpoints.read_log(self.root / name, step)
            write_text(self.root / name, "".join(f"{line}\n" for line in lines))
        return step

    def collect(self) -> None:
        """Exports of finished epochs become weights/<run>/<ablation>/epoch_<n>."""
        for n in self.missing():
            export = cosmos_exports.find_export(self.folder, self.ends[n], self.base)
            if export is None:
                continue
            step, target = self.ends[n], self.root / f"epoch_{n}"
            cosmos_exports.take(export, self.base, target, self.run.dtype)
            times = [
                json.loads(line)["seconds"] for line in checkpoints.read_log(self.root / "train_times.jsonl", step)
            ]
            cosmos_exports.describe(
                target,
                precision=self.run.dtype,
                epoch=n,
                step=step,
                steps=self.ends[self.run.epochs],
                questions=sum(self.questions[:step]),
                base_model=self.run.model,
                fingerprint=self.origin,
                software=checkpoints.software("torch", "transformers", "cosmos-rl"),
                device="cuda",
                seconds=round(sum(times), 1),
            )
            print(f"{target}: epoch {n}, step {step}", flush=True)


class Launch:
    """cosmos-rl on this node, watched."""

    def __init__(
        self,
        run: toml_config.TrainRun,
        base: Path,
        args: argparse.Namespace,
        nodes: cosmos_nodes.Nodes,
        gpus: list[str],
    ):
        self.run, self.base, self.args, self.nodes, self.gpus = run, base, args, nodes, gpus
        self.folder = args.weights / "cosmos-rl"
        name = f"node_{nodes.index}"
        self.log, self.beats = self.folder / f"{name}.log", self.folder / f"{name}.alive"
        self.signal: int | None = None

    def start(self, done: int = 0, total: int | None = None) -> str:
        """Returns how it ended, in words."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        train_log = self.args.weights / "train_log.jsonl"
        threads = self.args.threads * self.nodes.count // self.run.ranks
        bar = tqdm(
            total=total, initial=done, unit="step", desc=f"train {self.args.weights.name}", disable=total is None
        )
        position = train_log.stat().st_size if train_log.exists() else 0

        def tick() -> None:
            nonlocal position
            if not train_log.exists():
                return
            with open(train_log) as stream:
                stream.seek(position)
                for line in stream:
                    if not line.endswith("\n"):
                        break
                    position += len(line.encode())
                    value = json.loads(line)
                    bar.set_postfix(epoch=value["epoch"], loss=f"{value['loss']:.3f}", refresh=False)
                    bar.update(value["step"] - bar.n)

        try:
            return supervise.run(
                self.command(),
                cosmos_process.environment(self.folder, train_log, self.beats, threads, self.gpus),
                mark=mark(self.args.weights, self.nodes),
                log=self.log,
                beats=self.beats,
                workers=policy,
                ask_to_stop=save_and_stop,
                stopped=lambda: self.signal is not None,
                tick=tick,
                failure="failed with return code",
                limits=supervise.Limits(silent=self.args.silent, patience=self.args.patience, leave=self.args.leave),
            )
        finally:
            bar.close()

    def command(self) -> list[str]:
        """cosmos-rl reads our TOML with the model as a directory (it would ask the hub in every process) and with the
        folder of --weights."""
        text = Path(self.args.toml).read_text(encoding="utf-8")
        for key, path in {"model_name_or_path": self.base.absolute(), "output_dir": self.folder}.items():
            line = f"{key} = {json.dumps(str(path), ensure_ascii=False)}"
            text, count = re.subn(rf"^{key} = .*$", lambda _: line, text, flags=re.MULTILINE)
            if count != 1:
                raise ValueError(f"{self.args.toml}: {count} lines {key} = ..: not rendered by render_toml.py")
        # Its controller looks for a port and takes the first redis that answers there: another run's, if both look at once.
        redis = cosmos_process.free_port(REDIS + os.getpid() % 2000)
        toml = self.folder / f"node_{self.nodes.index}.toml"
        write_text(toml, f'redis = "{redis}"\n{text}')
        start = (
            shlex.split(self.args.cosmos_rl)
            if self.args.cosmos_rl
            else [sys.executable, "-m", "roadtrain.train.cosmos.launcher"]
        )
        port = cosmos_process.free_port(PORT) if self.nodes.count == 1 else PORT
        return [
            *start,
            "--config",
            str(toml),
            *self.nodes.options(port),
            str(Path(__file__).with_name("cosmos_sft.py")),
        ]

    def _stop(self, number: int, _) -> None:
        self.signal = number


def policy() -> list[int]:
    """cosmos-rl's training processes, torchrun included."""
    return [pid for pid in process_tree.descendants() if process_tree.environment(pid).get("COSMOS_ROLE") == "Policy"]


def save_and_stop() -> None:
    """SIGUSR1 to the ranks: cosmos-rl saves a state after the step in hand and ends."""
    for pid in policy():
        if "LOCAL_RANK" in process_tree.environment(pid):
            os.kill(pid, signal.SIGUSR1)


if __name__ == "__main__":
    main()
