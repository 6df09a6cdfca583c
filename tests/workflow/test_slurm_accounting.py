"""A run on a Slurm with accounting (slurmdbd, MariaDB), which Snakemake's plugin asks by sacct: make test-slurm."""

import os
import shutil

import pytest

from support import slurm_accounting, slurm_hosts
from support.slurm_node import LONG
from support.slurm_runs import ended_well, jobs, output, prepare, start, told, wait_for_training, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(4 * LONG)]
SPEC = {
    "ablations": {"fps2": None},
    "data": {"sample": {"seed": 0, "train": 8, "val": 3}},
    "train": {"gpus": 0, "epochs": 3, "train_batch_per_replica": 20, "state_every_steps": 1},
    "cluster": {
        "train": {"nodes": 2, "cpus": 1, "memory_gb": 3, "hours": 0.5},
        "evaluate": {"cpus": 1, "memory_gb": 3},
    },
}
SACCT = ["--slurm-status-command", "sacct"]
ACCURACY = "results/small/nframes8/accuracy/epoch_3.json"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("prepared"), SPEC)


@pytest.fixture
def work(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "w", symlinks=True)


@pytest.fixture
def slurm(tmp_path):
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="pip install '.[slurm]'")
    if why := slurm_accounting.missing() or slurm_hosts.missing():
        pytest.skip(why)
    folder = tmp_path / "slurm"
    slurm_hosts.start(folder, os.getpid(), accounting=True)
    try:
        yield folder
    finally:
        slurm_hosts.stop(folder)


def test_a_run_with_accounting(slurm, work):
    """The training job is cancelled; the next one loses a node, and the one after it trains on two others. Slurm forgets
    jobs two seconds after their end: what became of them is known by sacct alone."""
    run = start(work, ACCURACY, *SACCT)
    cancelled = wait_for_training(work, run, 2)
    output("scancel", cancelled["id"])
    lost = wait_for_training(work, run, 5, after=cancelled)
    with slurm_hosts.without_node(slurm, 2):
        last = wait_for_training(work, run, after=lost)
    assert last["list"] == "roadtrain-[1,3]"
    ended_well(work, run, 3)
    ends = dict(sacct())
    assert ends.pop(cancelled["id"]).startswith("CANCELLED")
    assert ends.pop(lost["id"]) in ("COMPLETED", "FAILED")  # Slurm started it again, or it failed before Slurm knew
    assert set(ends.values()) == {"COMPLETED"}, ends
    wait_until(lambda: jobs("train") == [], work)  # else squeue would do; slurmctld forgets once a minute


def test_a_job_that_slurm_starts_again(slurm, work):
    """The training job is requeued, then loses the node that its script runs on. It stays one job, which Snakemake waits
    for, and no node is kept from the jobs after it."""
    run = start(work, ACCURACY, *SACCT)
    first = wait_for_training(work, run, 2)
    output("scontrol", "requeue", first["id"])
    second = wait_for_training(work, run, 5, after=first)
    with slurm_hosts.without_node(slurm, 1):
        with slurm_hosts.held_epilogs(slurm):  # sacct says NODE_FAIL
            wait_until(lambda: "Leaving it to SLURM to requeue" in told(work), work, run)
        third = wait_for_training(work, run, after=second)
    assert third["list"] == "roadtrain-[2-3]"
    ended_well(work, run, 3)
    ends = sacct("--duplicates")
    assert [state for number, state in ends if number == first["id"]] == ["REQUEUED", "NODE_FAIL", "COMPLETED"], ends
    assert {state for number, state in ends if number != first["id"]} == {"COMPLETED"}, ends
    log = (work / "snakemake.out").read_text()
    assert log.count("Training nframes8, 3 epochs") == 1 and "excluded from subsequent submissions" not in log


def sacct(*options: str) -> list[list[str]]:
    """Number and state of every job, as the cluster's own sacct has them."""
    lines = output("sacct", *options, "--allocations", "--noheader", "--parsable2", "--format=JobIDRaw,State")
    return [line.split("|") for line in lines.splitlines()]
