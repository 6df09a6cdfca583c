"""cosmos-rl on one node of a run: its command, its environment, its progress, and how it is asked to stop."""

import contextlib
import json
import os
import shlex
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from tqdm import tqdm

from roadtrain import processes
from roadtrain.files import write_text
from roadtrain.train.cosmos import supervise
from roadtrain.train.cosmos.environment import PROJECT, cosmos_variables
from roadtrain.train.logs import TRAIN_LOG
from roadtrain.train.nodes import Nodes, free_port
from roadtrain.train.toml_config import replace_values

PORT = 8000  # the controller's, or the next free one
RENDEZVOUS_PORT = 29345  # torchrun's on several nodes; two runs may have the same first node
REDIS_PORT = 12800
LAUNCHER = (sys.executable, "-m", "roadtrain.train.cosmos.launcher")


@dataclass(frozen=True)
class NodeSetup:
    """What cosmos-rl is started with on this node."""

    toml: Path
    weights: Path  # weights/<run>/<ablation>
    base: Path  # the base model's directory
    nodes: Nodes
    gpus: list[str]  # those of this node, as nvidia-smi numbers them
    threads: int  # CPU threads of each GPU's process
    limits: supervise.Limits
    launcher: str | None = None  # what to start in the place of cosmos-rl (tests)
    ports: tuple[int, ...] = ()  # of the first node: free_ports

    @property
    def folder(self) -> Path:
        """Where cosmos-rl works."""
        return self.weights / "cosmos-rl"

    @property
    def mark(self) -> str:
        """By which the processes are found after their launcher was killed."""
        return f"{self.weights.absolute()} node {self.nodes.index}"


class NodeProcess:
    """cosmos-rl on this node, watched until it ends (supervise.Workload)."""

    failure = "failed with return code"

    def __init__(self, setup: NodeSetup) -> None:
        self.setup, self.mark = setup, setup.mark
        self.log = setup.folder / f"node_{setup.nodes.index}.log"
        self.beats = setup.folder / f"node_{setup.nodes.index}.alive"
        self.train_log = setup.weights / TRAIN_LOG
        self.signal: int | None = None  # that came: stop
        self._progress: StepBar | None = None

    def run(self, first: int = 0, total: int | None = None) -> str:
        """Train after step `first`; a progress bar where the `total` is known. Returns how it ended, in words."""
        setup = self.setup
        setup.folder.mkdir(parents=True, exist_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note_signal)
        variables = setup.nodes.gloo_variables() | cosmos_variables(
            setup.folder, self.train_log, self.beats, setup.threads, setup.gpus
        )
        with contextlib.closing(StepBar(self.train_log, setup.weights.name, first, total)) as self._progress:
            return supervise.run(self.command(), variables, self, setup.limits)

    def command(self) -> list[str]:
        """Writes the TOML of this node and says what to start with it."""
        setup = self.setup
        toml = setup.folder / f"node_{setup.nodes.index}.toml"
        # Its controller looks for a port and takes the first redis that answers there: another run's, if both look at once.
        redis_port = free_port(REDIS_PORT + os.getpid() % 2000)
        write_text(toml, f'redis = "{redis_port}"\n{node_toml(setup.toml, setup.base, setup.folder)}')
        launcher = shlex.split(setup.launcher) if setup.launcher else LAUNCHER
        program = PROJECT / "scripts/cosmos_sft.py"
        return [*launcher, "--config", str(toml), *node_options(setup.nodes, *setup.ports), str(program)]

    def workers(self) -> list[psutil.Process]:
        """cosmos-rl's training processes, torchrun included."""
        return [
            process
            for process in processes.descendants()
            if processes.environment_of(process).get("COSMOS_ROLE") == "Policy"
        ]

    def stop_requested(self) -> bool:
        """Whether SIGTERM or SIGINT came."""
        return self.signal is not None

    def ask_to_stop(self) -> None:
        """SIGUSR1 to the ranks: cosmos-rl saves a state after the step in hand and ends."""
        for worker in self.workers():
            if "LOCAL_RANK" in processes.environment_of(worker):
                worker.send_signal(signal.SIGUSR1)

    def tick(self) -> None:
        """Move the progress bar."""
        if self._progress is not None:
            self._progress.update()

    def _note_signal(self, number: int, _: FrameType | None) -> None:
        self.signal = number


def free_ports(nodes: Nodes) -> tuple[int, ...]:
    """The controller's port and, of several nodes, the rendezvous': free on this, the first node. Raises UserError."""
    if nodes.count == 1:
        return (free_port(PORT),)
    apart = os.getpid() % 500  # runs that start at once look in different places
    return free_port(PORT + apart, host=""), free_port(RENDEZVOUS_PORT + apart, host="")


def node_options(nodes: Nodes, port: int, rendezvous: int | None = None) -> list[str]:
    """cosmos-rl's options. On one node it listens on 127.0.0.1; the nodes of several must reach each other. The first
    starts the controller because it is given no address: given its own, cosmos-rl compares it with the host's name, and
    where that is longer than Slurm's every node would wait for a controller that nobody starts."""
    if nodes.count == 1:
        return ["--port", str(port)]
    where = ["--port", str(port)] if nodes.first else ["--url", f"{nodes.addresses[0]}:{port}"]
    workers = ["--num-workers", str(nodes.count), "--worker-idx", str(nodes.index)]
    return [*where, *workers, "--rdzv-port", str(rendezvous), "--node-ip-list", ";".join(nodes.addresses)]


def node_toml(path: Path, base: Path, folder: Path) -> str:
    """The run's TOML for cosmos-rl: the model as a directory (it would ask the hub in every process) and the folder of
    --weights. Raises ValueError when the TOML was not rendered by us."""
    values = {"model_name_or_path": str(base.absolute()), "output_dir": str(folder)}
    strings = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
    return replace_values(path.read_text(encoding="utf-8"), strings, path)


class StepBar:
    """A progress bar that follows train_log.jsonl, which the first rank writes."""

    def __init__(self, log: Path, name: str, first: int, total: int | None) -> None:
        self.log = log
        self.position = log.stat().st_size if log.exists() else 0  # bytes that were read
        self.bar: tqdm[Any] = tqdm(total=total, initial=first, unit="step", desc=f"train {name}", disable=total is None)

    def update(self) -> None:
        """Read the whole lines that are new."""
        if not self.log.exists():
            return
        with open(self.log) as stream:
            stream.seek(self.position)
            for line in stream:
                if not line.endswith("\n"):
                    break
                self.position += len(line.encode())
                step = json.loads(line)
                self.bar.set_postfix(epoch=step["epoch"], loss=f"{step['loss']:.3f}", refresh=False)
                self.bar.update(step["step"] - self.bar.n)

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.close()
