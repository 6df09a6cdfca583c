"""Which machines train together: those of a list, those of a Slurm step, or this one alone."""

import socket

import pytest

from roadtrain.cli import UserError
from roadtrain.train.cosmos.node_process import free_ports, node_options
from roadtrain.train.nodes import Nodes, find_nodes, free_port, gpus_of_each


def test_one_node_listens_on_a_port_of_its_own(monkeypatch):
    monkeypatch.delenv("SLURM_STEP_NUM_NODES", raising=False)
    assert node_options(find_nodes(None, None), 8000) == ["--port", "8000"]


def test_nodes_of_a_list():
    two = find_nodes("10.0.0.1,10.0.0.2", 1)
    assert (two.count, two.index) == (2, 1)
    shared = ["--rdzv-port", "29345", "--node-ip-list", "10.0.0.1;10.0.0.2"]
    workers = ["--num-workers", "2", "--worker-idx"]
    assert node_options(two, 8000, 29345) == ["--url", "10.0.0.1:8000", *workers, "1", *shared]
    # The first is not told its own address: it starts the controller, whatever its host is called.
    first = find_nodes("10.0.0.1,10.0.0.2", 0)
    assert node_options(first, 8000, 29345) == ["--port", "8000", *workers, "0", *shared]
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


def test_gpus_are_shared_out_evenly():
    assert gpus_of_each(8, Nodes(("a", "b"))) == 4 and gpus_of_each(8, Nodes(())) == 8
    with pytest.raises(UserError, match="train.gpus: 8 can't be shared out evenly to 3 nodes"):
        gpus_of_each(8, Nodes(("a", "b", "c")))


def test_a_port_that_is_taken():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        port = listening.getsockname()[1]
        assert free_port(port) > port


def test_two_runs_on_the_same_first_node_have_ports_of_their_own():
    two = Nodes(("a", "b"))
    ports = free_ports(two)
    with socket.socket() as one, socket.socket() as other:
        for taken, port in zip((one, other), ports, strict=True):
            taken.bind(("", port))
            taken.listen()
        assert not set(ports) & set(free_ports(two))
    assert len(free_ports(Nodes(()))) == 1


def test_gloo_is_told_its_interface_unless_somebody_did(monkeypatch):
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    two = Nodes(("127.0.0.1", "127.0.0.2"))
    assert two.gloo_variables() == {"GLOO_SOCKET_IFNAME": "lo"} and Nodes(()).gloo_variables() == {}
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "ib0")
    assert two.gloo_variables() == {}


def test_the_interface_by_which_others_are_reached(monkeypatch):
    assert Nodes(("127.0.0.1", "127.0.0.2")).interface() == "lo"
    monkeypatch.setattr(socket, "if_nameindex", list)
    with pytest.raises(UserError, match="no network interface has 127"):
        Nodes(("127.0.0.1", "127.0.0.2")).interface()


def test_a_node_whose_name_has_no_address():
    with pytest.raises(UserError, match="node nowhere.invalid can't be reached"):
        Nodes(("127.0.0.1", "nowhere.invalid")).interface()
