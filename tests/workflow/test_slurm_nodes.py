"""The sample through profiles/slurm on a real Slurm of three nodes, a training job on two of them: make test-slurm.

Hosts are network namespaces (tests/support/slurm_hosts.py). Training is on CPUs, by Gloo. A training job takes a minute to
begin here, and a lost one as long to be missed: one run has several things happen to it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support import slurm_hosts
from support.real_cosmos_rl import PYTHON, WITHOUT_GPU
from support.slurm_node import LONG
from support.slurm_runs import (
    LOG,
    PROFILE,
    ended_well,
    jobs,
    losses,
    output,
    prepare,
    start,
    steps,
    told,
    wait_for_training,
    wait_until,
)
from support.workflow import planned, write_spec

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(4 * LONG)]
SPEC = {
    "ablations": {"fps2": None},
    "data": {"sample": {"seed": 0, "train": 8, "val": 3}},
    "train": {"gpus": 0, "epochs": 3, "train_batch_per_replica": 20, "state_every_steps": 1},  # two videos a step
    "evaluate": {"shards": 3},
    "cluster": {
        "train": {"nodes": 2, "cpus": 1, "memory_gb": 3, "hours": 0.5},
        "evaluate": {"cpus": 1, "memory_gb": 70},  # one on a node
    },
}
# cosmos-rl trains on CPUs, its sources with a dozen lines changed (tests/support/without_gpu); each node has one GPU that
# only nvidia-smi knows of.
COSMOS_TRAIN = {"engine": "cosmos-rl", "gpus": 2, "optimizer": "AdamW", "learning_rates": None}
COSMOS = SPEC | {"train": SPEC["train"] | COSMOS_TRAIN | {"train_batch_per_replica": 10}}  # a video on each
needs_cosmos_rl = pytest.mark.skipif(
    not PYTHON.exists() or shutil.which("redis-server") is None, reason="make test-cosmos; apt-get install redis-server"
)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="pip install '.[slurm]'")
    if why := slurm_hosts.missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("slurm")
    slurm_hosts.start(folder, os.getpid())
    try:
        yield folder
    finally:
        slurm_hosts.stop(folder)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("prepared"), SPEC)


@pytest.fixture
def work(prepared, slurm, tmp_path):
    return shutil.copytree(prepared, tmp_path / "w", symlinks=True)


def on_played_gpus(count: int) -> dict[str, str]:
    """The environment in which cosmos-rl sees so many GPUs and trains on the CPU."""
    path = f"{WITHOUT_GPU}:{os.environ['PATH']}"
    variables = {"PYTHONPATH": str(WITHOUT_GPU), "PATH": path, "GPUS_PLAYED": str(count)}
    return variables | {"ROADTRAIN_COSMOS_PYTHON": str(PYTHON)}


def losses_of_one_machine(work: Path, python: Path | str, engine: str, threads: int, **variables: str) -> list[float]:
    """What the engine's program, started by hand on this machine, makes of the same TOML. A thread a process: two that
    wait for each other on busy cores took 30 times as long."""
    toml, alone = work / "results/small/nframes8/sft.toml", work / "alone"
    command = [python, f"scripts/train_{engine}.py", "--toml", str(toml), "--weights", str(alone)]
    command += ["--manifests", str(alone / "manifests"), "--log", str(alone / "log.jsonl"), "--threads", str(threads)]
    subprocess.run(command, cwd=work, env=os.environ | variables, check=True, capture_output=True, timeout=LONG)
    return losses(alone / "log.jsonl")


def test_training_on_two_nodes_is_training_on_one_whatever_ends_it(work, slurm):
    """The job is cancelled; the next one loses a node, and the one after it trains on the two that are left. The losses are
    those of one process, evaluation shards lie on all nodes, and more nodes make nothing again."""
    accuracy = "results/small/nframes8/accuracy/epoch_3.json"
    run = start(work, accuracy)
    cancelled = wait_for_training(work, run, 2)
    output("scancel", cancelled["id"])
    failed = wait_for_training(work, run, 5, after=cancelled)
    with slurm_hosts.without_node(slurm, 2):
        last = wait_for_training(work, run, after=failed)
    ended_well(work, run, 3)
    assert last["list"] == "roadtrain-[1,3]"
    ends = {job["id"]: job["state"] for job in jobs("train")}
    assert ends.pop(cancelled["id"]) == "CANCELLED" and ends.pop(last["id"]) == "COMPLETED"
    assert ends in ({}, {failed["id"]: "FAILED"})  # Slurm started it again, or it failed before Slurm knew
    assert {job["nodes"] for job in jobs("train")} == {"2"}
    assert {shard["list"] for shard in jobs("evaluate_shard")} == {slurm_hosts.host(n) for n in (1, 2, 3)}
    assert losses(work / LOG) == pytest.approx(losses_of_one_machine(work, sys.executable, "local", 1), rel=1e-3)
    write_spec(work, SPEC | {"cluster": {"train": {"nodes": 3}}})
    assert planned(work, *PROFILE, accuracy, timeout=LONG) == {}


def test_more_nodes_after_a_kill_then_no_network_and_no_controller(work, slurm):
    """All is killed on one node, and goes on on two; one has no network for 20 s, then slurmctld is started again."""
    write_spec(work, SPEC | {"cluster": {"train": {"cpus": 1, "memory_gb": 3}}})
    run = start(work)
    first = wait_for_training(work, run, 2)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    output("scancel", "--user=root")
    wait_until(lambda: jobs("train", "RUNNING,COMPLETING") == [], work)
    before = steps(work)
    write_spec(work, SPEC)
    run = start(work)
    second = wait_for_training(work, run, len(before) + 1, after=first)
    assert (first["nodes"], second["nodes"]) == ("1", "2")
    slurm_hosts.cable(2, plugged=False)
    time.sleep(20)
    slurm_hosts.cable(2, plugged=True)
    slurm_hosts.end(slurm, "slurmctld")
    slurm_hosts.start_controller(slurm, "-R")
    ended_well(work, run, 3)
    assert len(before) < 12 and steps(work)[: len(before) - 1] == before[:-1]  # the step in hand may be lost


@needs_cosmos_rl
def test_cosmos_rl_on_two_nodes_is_two_gpus_of_one_also_when_a_node_dies(work, slurm):
    """By the same command. Its launcher's rendezvous, a controller on the first node, gloo between the two. A node dies
    after the first of three epochs: the next job goes on after it, on the two nodes that are left."""
    write_spec(work, COSMOS)
    run = start(work, **on_played_gpus(1))
    weights = work / "weights/small/nframes8"
    wait_until(lambda: len([*weights.glob("cosmos-rl/*/checkpoints/step_4/policy/.rank_*_complete")]) == 2, work, run)
    (failed,) = jobs("train", "RUNNING")
    first = losses(work / LOG)[:4]
    with slurm_hosts.without_node(slurm, 2):
        last = wait_for_training(work, run, after=failed)
    ended_well(work, run, 3)
    assert failed["nodes"] == "2" and last["list"] == "roadtrain-[1,3]"
    begins = re.search(r"train nframes8:.*?\| (\d+)/12", (work / "logs/small/train/nframes8.log").read_text())
    assert int(begins[1]) >= 4 and losses(work / LOG)[:4] == first
    alone = losses_of_one_machine(work, PYTHON, "cosmos_rl", 2, **on_played_gpus(2))
    assert losses(work / LOG) == pytest.approx(alone, rel=1e-3)


def test_hundreds_of_jobs_wait(work):
    """No node is free, 300 jobs of others wait. Snakemake submits as many jobs as the profile says, asks for them seldom
    and all at once, and Ctrl-C cancels them and nobody else's."""
    write_spec(work, SPEC | {"ablations": {f"a{n}": {"vision": {"nframes": 4}} for n in range(60)}})
    nodes = f"NodeName={slurm_hosts.host(1)},{slurm_hosts.host(2)},{slurm_hosts.host(3)}"
    output("scontrol", "update", nodes, "State=DRAIN", "Reason=test")
    run = None
    try:
        output("sbatch", "--array=1-300", "--job-name=others", "--output=/dev/null", "--wrap=true")
        run = start(work)
        wait_until(lambda: len(waiting()) == 50, work, run)
        output("sdiag", "--reset")
        began = time.monotonic()
        wait_until(lambda: status_queries() > 1 and time.monotonic() > began + 30, work, run)
        assert status_queries() <= 1 + (time.monotonic() - began) / 5  # one for all jobs, 12 times a minute
        assert run.poll() is None, told(work)
        assert len(waiting()) == 50  # profiles/slurm's `jobs`, of a hundred ready ones
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(timeout=LONG) and waiting() == []
        assert len(output("squeue", "--noheader", "--array", "--name=others").splitlines()) == 300
    finally:
        if run is not None and run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        output("scancel", "--user=root")
        output("scontrol", "update", nodes, "State=RESUME")


def waiting() -> list[str]:
    """Jobs of the workflow that wait for a node."""
    queue = output("squeue", "--noheader", "--states=PENDING", "--format=%k").splitlines()
    return [job for job in queue if "rule_" in job]


def status_queries() -> int:
    """How often slurmctld was asked for its jobs since `sdiag --reset`."""
    count = re.search(r"REQUEST_JOB_INFO .*count:(\d+)", output("sdiag"))
    return int(count[1]) if count else 0
