"""A run on a Slurm with accounting (slurmdbd, MariaDB), which Snakemake's plugin asks by sacct: make test-slurm."""

import os
import time

import pytest

from support import slurm_accounting, slurm_hosts
from support.slurm_runs import ended_well, jobs, output, start, wait_for_training
from support.workflow import copy_project, must_run, write_spec

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(3600)]
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


def test_a_run_with_accounting(slurm, tmp_path):
    """The training job is cancelled; the next one loses a node, and the one after it trains on two others. Slurm forgets
    jobs two seconds after their end: what became of them is known by sacct alone."""
    work = copy_project(tmp_path / "w")
    write_spec(work, SPEC)
    must_run(work, "--until", "preflight", "decode_frames", "describe_base")
    run = start(work, "results/small/nframes8/accuracy/epoch_3.json", *SACCT)
    cancelled = wait_for_training(work, run, 2)
    output("scancel", cancelled["id"])
    lost = wait_for_training(work, run, 5, after=cancelled["id"])
    with slurm_hosts.without_node(slurm, 2):
        last = wait_for_training(work, run, after=lost["id"])
    assert last["list"] == "roadtrain-[1,3]"
    ended_well(work, run, 3)
    states = output("sacct", "--allocations", "--noheader", "--parsable2", "--format=JobIDRaw,State").splitlines()
    ends = dict(line.split("|") for line in states)
    assert ends.pop(cancelled["id"]).startswith("CANCELLED")
    assert ends.pop(lost["id"]) in ("NODE_FAIL", "FAILED") and len(ends) == 3
    assert set(ends.values()) == {"COMPLETED"}, ends
    deadline = time.monotonic() + 120  # slurmctld looks once a minute
    while jobs("train"):
        assert time.monotonic() < deadline, "squeue still knows them: sacct was not needed"
        time.sleep(1)
