"""The sample through profiles/slurm on a real Slurm of three nodes, a training job on two of them: make test-slurm.

Hosts are network namespaces (tests/support/slurm_hosts.py). Training is on CPUs, by Gloo.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support import slurm_hosts
from support.real_cosmos_rl import PYTHON, WITHOUT_GPU
from support.workflow import copy_project, must_run, planned, write_spec

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(3600)]
PROFILE = ["--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "2"]
SPEC = {
    "ablations": {"fps2": None},
    "data": {"sample": {"seed": 0, "train": 8, "val": 3}},
    "train": {"gpus": 0, "train_batch_per_replica": 20, "state_every_steps": 1},  # two videos a step
    "evaluate": {"shards": 3},
    "cluster": {
        "train": {"nodes": 2, "cpus": 1, "memory_gb": 3, "hours": 0.5},
        "evaluate": {"cpus": 1, "memory_gb": 70},  # one on a node
    },
}
LOG = "weights/small/nframes8/train_log.jsonl"
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
    slurm_hosts.start(folder)
    try:
        yield folder
    finally:
        slurm_hosts.stop(folder)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Everything that training needs, made on this machine."""
    work = copy_project(tmp_path_factory.mktemp("prepared"))
    write_spec(work, SPEC)
    must_run(work, "--until", "preflight", "decode_frames", "describe_base")
    return work


@pytest.fixture
def work(prepared, slurm, tmp_path):
    return shutil.copytree(prepared, tmp_path / "w", symlinks=True)


def start(work: Path, target: str = "train", **variables: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *PROFILE, target, "--configfile", "spec.yaml"]
    environment = os.environ | variables
    with open(work / "snakemake.out", "w") as out:
        return subprocess.Popen(
            command,
            cwd=work,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A shell's job in the background ignores Ctrl-C, and so would what it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def on_played_gpus(count: int) -> dict[str, str]:
    """The environment in which cosmos-rl sees so many GPUs and trains on the CPU."""
    path = f"{WITHOUT_GPU}:{os.environ['PATH']}"
    variables = {"PYTHONPATH": str(WITHOUT_GPU), "PATH": path, "GPUS_PLAYED": str(count)}
    return variables | {"ROADTRAIN_COSMOS_PYTHON": str(PYTHON)}


def steps(work: Path) -> list[int]:
    log = work / LOG
    return [json.loads(line)["step"] for line in log.read_text().splitlines()] if log.exists() else []


def losses(log: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in log.read_text().splitlines()]


def wait_for_steps(work: Path, run: subprocess.Popen, count: int) -> str:
    """Slurm's job that trains, once so many steps are logged."""
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        assert run.poll() is None, told(work)
        if len(steps(work)) >= count and (running := jobs("train", "RUNNING")):
            return running[-1]["id"]
        time.sleep(0.2)
    raise AssertionError(told(work))


def jobs(rule: str, state: str = "all") -> list[dict[str, str]]:
    columns = {"id": "%i", "state": "%T", "nodes": "%D", "list": "%N", "comment": "%k"}
    command = ["squeue", f"--states={state}", "--noheader", "--sort=i", "--format", "|".join(columns.values())]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    queue = [dict(zip(columns, line.split("|"), strict=True)) for line in lines]
    return [job for job in queue if job["comment"].startswith(f"rule_{rule}")]


def told(work: Path) -> str:
    log = work / "logs/small/train/nframes8.log"
    return (work / "snakemake.out").read_text()[-4000:] + (log.read_text()[-4000:] if log.exists() else "")


def ended_well(work: Path, run: subprocess.Popen) -> None:
    assert run.wait(timeout=1800) == 0, told(work)
    assert steps(work) == list(range(1, len(steps(work)) + 1))
    assert (work / "results/small/nframes8/checkpoints/epoch_2.json").is_file()
    left = {n: slurm_hosts.running(n) for n in (1, 2, 3)}
    trainers = ("train_local.py", "train_cosmos_rl.py", "cosmos_rl/launcher", "cosmos_sft.py", "redis-server")
    assert not [line for lines in left.values() for line in lines if any(name in line for name in trainers)], left


def test_training_on_two_nodes_is_training_on_one(work):
    """The losses are those of one process, evaluation shards lie on all nodes, and more nodes make nothing again."""
    accuracy = "results/small/nframes8/accuracy/epoch_2.json"
    ended_well(work, start(work, accuracy))
    (job,) = jobs("train")
    assert job["nodes"] == "2" and job["state"] == "COMPLETED"
    assert {shard["list"] for shard in jobs("evaluate_shard")} == {slurm_hosts.host(n) for n in (1, 2, 3)}
    toml, alone = work / "results/small/nframes8/sft.toml", work / "alone"
    command = [sys.executable, "scripts/train_local.py", "--toml", str(toml), "--weights", str(alone)]
    command += ["--manifests", str(alone / "manifests"), "--log", str(alone / "log.jsonl"), "--threads", "2"]
    subprocess.run(command, cwd=work, check=True, capture_output=True, timeout=1200)
    assert losses(work / LOG) == pytest.approx(losses(alone / "log.jsonl"), rel=1e-3)
    write_spec(work, SPEC | {"cluster": {"train": {"nodes": 3}}})
    assert planned(work, *PROFILE, accuracy) == {}


def test_a_cancelled_job_of_two_nodes_goes_on(work):
    run = start(work)
    cancelled = wait_for_steps(work, run, 2)
    subprocess.run(["scancel", cancelled], check=True)
    ended_well(work, run)
    assert {job["id"]: job["state"] for job in jobs("train")}[cancelled] == "CANCELLED"


def test_a_node_that_dies_is_replaced(work, slurm):
    """The job fails when Slurm misses the node; the next one trains on the two that are left, after the last saved step."""
    run = start(work)
    failed = wait_for_steps(work, run, 2)
    slurm_hosts.lose_node(2)
    try:
        ended_well(work, run)
    finally:
        slurm_hosts.start_node(slurm, 2)
    *_, last = jobs("train")
    assert last["id"] != failed and last["list"] == "roadtrain-[1,3]"
    assert {job["id"]: job["state"] for job in jobs("train")}[failed] in ("FAILED", "NODE_FAIL")


def test_a_network_gone_for_20_s_and_a_controller_started_again(work, slurm):
    run = start(work)
    wait_for_steps(work, run, 1)
    slurm_hosts.cable(2, plugged=False)
    time.sleep(20)
    slurm_hosts.cable(2, plugged=True)
    slurm_hosts.end(slurm, "slurmctld")
    slurm_hosts.start_controller(slurm, "-R")
    ended_well(work, run)


def test_a_run_killed_on_two_nodes_goes_on_on_one(work):
    run = start(work)
    wait_for_steps(work, run, 2)
    subprocess.run(["scancel", "--user=root"], check=True)
    run.kill()
    run.wait()
    deadline = time.monotonic() + 60
    while jobs("train", "RUNNING,COMPLETING") and time.monotonic() < deadline:
        time.sleep(0.5)
    before = steps(work)
    write_spec(work, SPEC | {"cluster": {"train": {"nodes": 1, "cpus": 2, "memory_gb": 3}}})
    ended_well(work, start(work))
    assert steps(work)[: len(before) - 1] == before[:-1]  # the step in hand may be lost


@needs_cosmos_rl
def test_cosmos_rl_on_two_nodes_is_two_gpus_of_one(work):
    """By the same command. Its launcher's rendezvous, a controller on the first node, gloo between the two."""
    write_spec(work, COSMOS)
    ended_well(work, start(work, **on_played_gpus(1)))
    (job,) = jobs("train", "COMPLETED")[-1:]
    assert job["nodes"] == "2"
    toml, alone = work / "results/small/nframes8/sft.toml", work / "alone"
    command = [PYTHON, "scripts/train_cosmos_rl.py", "--toml", str(toml), "--weights", str(alone)]
    command += ["--manifests", str(alone / "manifests"), "--log", str(alone / "log.jsonl"), "--threads", "2"]
    variables = os.environ | on_played_gpus(2)
    subprocess.run(command, cwd=work, env=variables, check=True, capture_output=True, timeout=1200)
    assert losses(work / LOG) == pytest.approx(losses(alone / "log.jsonl"), rel=1e-3)


@needs_cosmos_rl
def test_cosmos_rl_goes_on_when_a_node_dies(work, slurm):
    """Killed after the first epoch: the next job goes on after it, on the two nodes that are left."""
    write_spec(work, COSMOS | {"train": COSMOS["train"] | {"epochs": 4}})
    run = start(work, **on_played_gpus(1))
    weights = work / "weights/small/nframes8"
    wait_until(lambda: len([*weights.glob("cosmos-rl/*/checkpoints/step_4/policy/.rank_*_complete")]) == 2, run, work)
    (failed,) = jobs("train", "RUNNING")
    first = losses(work / LOG)[:4]
    slurm_hosts.lose_node(2)
    try:
        ended_well(work, run)
    finally:
        slurm_hosts.start_node(slurm, 2)
    *_, last = jobs("train")
    assert last["id"] != failed["id"] and last["list"] == "roadtrain-[1,3]"
    begins = re.search(r"train nframes8:.*?\| (\d+)/16", (work / "logs/small/train/nframes8.log").read_text())
    assert int(begins[1]) >= 4 and losses(work / LOG)[:4] == first and len(losses(work / LOG)) == 16


def test_hundreds_of_jobs_wait(work):
    """No node is free, 300 jobs of others wait. Snakemake submits as many jobs as the profile says, asks for them seldom
    and all at once, and Ctrl-C cancels them and nobody else's."""
    write_spec(work, SPEC | {"ablations": {f"a{n}": {"vision": {"nframes": 4}} for n in range(120)}})
    nodes = f"NodeName={slurm_hosts.host(1)},{slurm_hosts.host(2)},{slurm_hosts.host(3)}"
    output("scontrol", "update", nodes, "State=DRAIN", "Reason=test")
    run = None
    try:
        output("sbatch", "--array=1-300", "--job-name=others", "--output=/dev/null", "--wrap=true")
        run = start(work)
        wait_until(lambda: len(waiting()) == 50, run, work)
        output("sdiag", "--reset")
        time.sleep(60)
        assert run.poll() is None and len(waiting()) == 50  # `jobs` of profiles/slurm, of some hundred that are ready
        asked = re.search(r"REQUEST_JOB_INFO .*count:(\d+)", output("sdiag"))
        assert asked and int(asked[1]) <= 12, "one of them is this test's own"
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(timeout=120) and waiting() == []
        assert len(output("squeue", "--noheader", "--array", "--name=others").splitlines()) == 300
    finally:
        if run is not None and run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        output("scancel", "--user=root")
        output("scontrol", "update", nodes, "State=RESUME")


def waiting() -> list[str]:
    """Jobs of the workflow that wait for a node."""
    return [
        job for job in output("squeue", "--noheader", "--states=PENDING", "--format=%k").splitlines() if "rule_" in job
    ]


def wait_until(true: Callable[[], bool], run: subprocess.Popen, work: Path, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert run.poll() is None and time.monotonic() < deadline, told(work)
        time.sleep(0.5)


def output(*command: str) -> str:
    """What one of Slurm's programs prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
