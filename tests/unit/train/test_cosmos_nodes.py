"""Which machines train together: those of a list, those of a Slurm step, or this one alone."""

import pytest

from roadtrain.cli import UserError
from roadtrain.train.cosmos.nodes import Nodes, find_nodes


def test_one_node_listens_on_a_port_of_its_own(monkeypatch):
    monkeypatch.delenv("SLURM_STEP_NUM_NODES", raising=False)
    assert find_nodes(None, None).options(8000) == ["--port", "8000"]


def test_nodes_of_a_list():
    two = find_nodes("10.0.0.1,10.0.0.2", 1)
    assert (two.count, two.index) == (2, 1)
    expected = {"--url": "10.0.0.1:8000", "--num-workers": "2", "--worker-idx": "1"}
    expected |= {"--node-ip-list": "10.0.0.1;10.0.0.2"}
    assert two.options(8000) == [word for option in expected.items() for word in option]
    with pytest.raises(UserError, match="--node-index"):
        find_nodes("a,b", None)


def test_nodes_of_a_slurm_step(monkeypatch, tmp_path):
    (tmp_path / "scontrol").write_text('#!/bin/sh\n[ "$*" = "show hostnames n[1-2]" ] && printf "n1\\nn2\\n"\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    step = {"NUM_NODES": "2", "NUM_TASKS": "2", "NODELIST": "n[1-2]"}
    for name, value in step.items():
        monkeypatch.setenv(f"SLURM_STEP_{name}", value)
    monkeypatch.setenv("SLURM_NODEID", "1")
    assert find_nodes(None, None) == Nodes(("n1", "n2"), 1)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "16")
    with pytest.raises(UserError, match="--ntasks-per-node=1"):
        find_nodes(None, None)
