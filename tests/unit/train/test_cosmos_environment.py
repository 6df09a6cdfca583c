"""What cosmos-rl needs of a machine and passes over in silence, or waits for, is said before it starts."""

import os
import socket
import sys
import types

import pytest

from roadtrain.cli import UserError
from roadtrain.train.cosmos import environment


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Three GPUs, redis, and a name that has an address."""
    for program in ("nvidia-smi", "redis-server", "redis-cli"):
        (tmp_path / program).write_text("#!/bin/sh\necho 4; echo 5; echo 6\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(socket, "gethostbyname", lambda name: "127.0.0.1")
    return tmp_path


def test_gpus_that_cosmos_rl_takes(machine):
    """It asserts that a machine shows it 1, 2, 4 or 8."""
    assert environment.check_machine(2) == ["4", "5"]
    variables = environment.cosmos_variables(machine, machine / "log", machine / "alive", 1, ["4", "5"])
    assert variables["CUDA_VISIBLE_DEVICES"] == "4,5"
    with pytest.raises(UserError, match="train.gpus: 3 on one node: cosmos-rl takes 1, 2, 4 or 8"):
        environment.check_machine(3)
    with pytest.raises(UserError, match="train.gpus: 4 on this node, nvidia-smi shows 3"):
        environment.check_machine(4)


def test_a_name_without_an_address(machine, monkeypatch):
    """torchrun waits for ever for a machine whose name has no address."""

    def unknown(name: str) -> str:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "gethostbyname", unknown)
    with pytest.raises(UserError, match="has no address: .* to /etc/hosts"):
        environment.check_machine(1)


def test_wandb_that_would_be_passed_over_in_silence(monkeypatch):
    environment.check_wandb(["console"])
    monkeypatch.setitem(sys.modules, "wandb", None)  # import wandb fails
    with pytest.raises(
        UserError, match="train.logger: wandb is not installed beside cosmos-rl: .* -m pip install wandb"
    ):
        environment.check_wandb(["console", "wandb"])
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(api=types.SimpleNamespace(api_key=None)))
    with pytest.raises(UserError, match="set WANDB_API_KEY or run wandb login"):
        environment.check_wandb(["wandb"])
    sys.modules["wandb"].api.api_key = "a key"
    environment.check_wandb(["wandb"])
