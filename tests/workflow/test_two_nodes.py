"""A training job on two nodes of a real Slurm by the command of docs/cluster.md: small enough for every run of the tests.

Runs where Slurm's daemons are installed and may be started (root, network namespaces); says why where not. More of it:
make test-slurm.
"""

import os
import shutil

import pytest

from support import slurm_hosts
from support.slurm_runs import LOG, PROFILE, jobs, losses
from support.workflow import must_run, read, write_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ACCURACY = "results/small/nframes8/accuracy/epoch_2.json"


@pytest.fixture
def slurm(tmp_path):
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="pip install '.[slurm]'")
    if why := slurm_hosts.missing():
        pytest.skip(why)
    try:
        slurm_hosts.start(tmp_path / "slurm", os.getpid())
    except RuntimeError as error:  # make test-slurm fails then
        pytest.skip(f"Slurm's daemons don't start here: {str(error).splitlines()[0]}")
    try:
        yield
    finally:
        slurm_hosts.stop(tmp_path / "slurm")


def test_a_training_job_on_two_nodes_is_the_run_of_one_machine(slurm, work):
    """The finished run's training is taken away and made again on two nodes: the same losses, and an accuracy."""
    alone, before = losses(work / LOG), read(work / ACCURACY)
    results = work / "results/small/nframes8"
    for folder in (
        work / "weights/small/nframes8",
        results / "checkpoints",
        results / "predictions",
        results / "accuracy",
    ):
        shutil.rmtree(folder)
    (results / "train_log.jsonl").unlink()
    cluster = {"train": {"nodes": 2, "cpus": 1, "memory_gb": 3}, "evaluate": {"cpus": 1, "memory_gb": 3}}
    write_spec(work, {"cluster": cluster})
    must_run(work, *PROFILE, ACCURACY)
    (job,) = jobs("train")
    assert (job["nodes"], job["state"]) == ("2", "COMPLETED")
    assert len(alone) > 1 and losses(work / LOG) == pytest.approx(alone, rel=1e-3)
    assert read(work / ACCURACY)["total_questions"] == before["total_questions"] > 0
