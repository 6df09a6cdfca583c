"""Where cosmos-rl runs: its own Python environment (it needs transformers 4.57, evaluation 5), its machine, its variables.

`enter_cosmos_environment()` is the first thing that train_cosmos_rl.py does: when this Python has no cosmos-rl, the program is started again
with the one in .venv-cosmos, or the one that ROADTRAIN_COSMOS_PYTHON names.
"""

import importlib
import os
import shutil
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from roadtrain.cli import UserError
from roadtrain.spec.cluster import GPUS_OF_A_NODE
from roadtrain.train.cosmos.schema import installed_version

PROJECT = Path(__file__).parents[4]


def cosmos_python() -> Path:
    """The Python that is to run cosmos-rl; it may not be there."""
    return Path(os.environ.get("ROADTRAIN_COSMOS_PYTHON") or PROJECT / ".venv-cosmos/bin/python")


def enter_cosmos_environment() -> None:
    """Go on only in a Python that can run cosmos-rl. Raises UserError saying what to install."""
    try:
        if installed_version() and version("transformers").startswith("4.57."):
            return
    except PackageNotFoundError:
        pass
    python = cosmos_python()
    if Path(sys.executable).absolute() == python.absolute() or not python.exists():
        setting = os.environ.get("ROADTRAIN_COSMOS_PYTHON")
        problem = f"ROADTRAIN_COSMOS_PYTHON={setting}: no cosmos-rl there" if setting else "cosmos-rl is not installed"
        raise UserError(
            f"{problem}: make cosmos sets .venv-cosmos up; with conda: envs/cosmos-rl.yaml (docs/cosmos-rl.md)"
        )
    os.execv(python, [str(python), *sys.argv])


def check_machine(gpus: int) -> list[str]:
    """What cosmos-rl needs on this node, before it starts. Returns the numbers of the `gpus` GPUs to use. Raises UserError
    naming what is missing and the remedy."""
    if shutil.which("nvidia-smi") is None:
        raise UserError(
            "nvidia-smi is not on PATH: cosmos-rl trains on NVIDIA GPUs only; engine: local also trains on a CPU"
        )
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        command.append(f"--id={visible}")
    query = subprocess.run(command, capture_output=True, text=True)
    visible_gpus = query.stdout.split() if query.returncode == 0 else []
    if len(visible_gpus) < gpus:
        raise UserError(
            f"train.gpus: {gpus} on this node, nvidia-smi shows {len(visible_gpus)}: lower train.gpus, or take more nodes (docs/cluster.md)"
        )
    if gpus not in GPUS_OF_A_NODE["cosmos-rl"]:
        raise UserError(f"train.gpus: {gpus} on one node: cosmos-rl takes 1, 2, 4 or 8 of a node")
    for program in ("redis-server", "redis-cli"):
        if shutil.which(program) is None:
            raise UserError(
                f"{program} is not on PATH: cosmos-rl starts it also for SFT: apt-get install redis-server, or envs/cosmos-rl.yaml"
            )
    name = socket.gethostname()
    try:
        socket.gethostbyname(name)
    except OSError:
        raise UserError(
            f"this machine's name, {name}, has no address: torchrun would wait for ever: add `127.0.0.1 {name}` to /etc/hosts"
        ) from None
    return visible_gpus[:gpus]


def check_wandb(loggers: list[str]) -> None:
    """cosmos-rl goes on without a word to W&B when it can't be reached. Raises UserError saying what is missing."""
    if "wandb" not in loggers:
        return
    later = "or leave it out: scripts/export_logs.py --wandb sends the log of a finished run"
    try:
        wandb = importlib.import_module("wandb")  # no environment of ours has it
    except ImportError:
        raise UserError(
            f"train.logger: wandb is not installed beside cosmos-rl: {sys.executable} -m pip install wandb, {later}"
        ) from None
    if wandb.api.api_key is None:
        raise UserError(f"train.logger: wandb has no key: set WANDB_API_KEY or run wandb login, {later}")


def cosmos_variables(folder: Path, train_log: Path, heartbeat: Path, threads: int, gpus: list[str]) -> dict[str, str]:
    """The environment variables of cosmos-rl and of everything that it starts: this process's, and ours."""
    scripts = str(PROJECT / "scripts")
    paths = [scripts, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PATH": os.pathsep.join(
            [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        ),  # its shell scripts say `python`
        "PYTHONUNBUFFERED": "1",
        "CUDA_VISIBLE_DEVICES": ",".join(gpus),
        "ROADTRAIN_TRACEBACK": "1",  # a mistake of a process among many: where, too
        "OMP_NUM_THREADS": str(max(1, threads)),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",  # the launcher has fetched the model
        "COSMOS_SHUTDOWN_ON_NO_POLICY_REPLICAS": "1",  # the controller ends when its policy has
        "ROADTRAIN_COSMOS_FOLDER": str(folder.absolute()),
        "ROADTRAIN_TRAIN_LOG": str(train_log.absolute()),
        "ROADTRAIN_HEARTBEAT": str(heartbeat.absolute()),
    }
