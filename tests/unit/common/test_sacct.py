"""What Snakemake's Slurm plugin reads as a job's state where there is accounting: profiles/slurm/bin/sacct."""

import asyncio
import contextlib
import subprocess
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import yaml

PROFILE = Path(__file__).parents[3] / "profiles/slurm"
SACCT = PROFILE / "bin/sacct"
# A training job on a Slurm 22.05 with slurmdbd: `scontrol requeue`, then its first node is lost. It waits two minutes each
# time before it starts again, and is what it was before for so long.
STARTED_AGAIN = ("RUNNING", "REQUEUED", "RUNNING", "NODE_FAIL", "RUNNING", "COMPLETED")
NODES = ("roadtrain-[1-2]", "None assigned")  # of the lost job, before and after Slurm has it in its queue again


def write_sacct(folder: Path, script: str) -> str:
    """A cluster's sacct that is this script; the PATH on which the wrapper finds it."""
    (folder / "sacct").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "sacct").chmod(0o755)
    return f"{SACCT.parent}:{folder}:/usr/bin:/bin"


def ask(folder: Path, script: str, *words: str) -> subprocess.CompletedProcess:
    """The wrapper, before a cluster's sacct that is this script."""
    environment = {"PATH": write_sacct(folder, script)}
    return subprocess.run(
        ["sacct", *(words or ("-X", "--name", "a b"))], env=environment, capture_output=True, text=True
    )


def test_a_cancelled_job_is_one_that_has_ended(tmp_path):
    """The plugin knows CANCELLED, and waits for ever for `CANCELLED by 0`."""
    process = ask(tmp_path, "printf '1|CANCELLED by 0\\n2|RUNNING\\n3|CANCELLED by 1000|x\\n'")
    assert process.stdout == "1|CANCELLED\n2|RUNNING\n3|CANCELLED|x\n" and process.returncode == 0


def test_arguments_errors_and_the_exit_code_are_the_clusters_own(tmp_path):
    process = ask(tmp_path, 'echo "$# $4"; echo no database >&2; exit 3')
    assert (process.stdout, process.stderr, process.returncode) == ("3 \n", "no database\n", 3)
    assert ask(tmp_path, 'echo "$3"').stdout == "a b\n"


@pytest.mark.parametrize("nodes", NODES)
def test_no_node_of_a_lost_job_is_kept_from_later_jobs(tmp_path, nodes):
    """The plugin would exclude all nodes of a job that lost one, or `None assigned`, with which sbatch fails."""
    words = ["-j", "7", "-n", "-X", "-o", "nodelist%-256"]  # as the plugin asks
    assert ask(tmp_path, f"echo '{nodes}'", *words).stdout == ""


@pytest.mark.parametrize("nodes", NODES)
def test_a_job_that_slurm_starts_again_is_waited_for(tmp_path, monkeypatch, nodes):
    """The plugin itself, with the profile's settings and what a cluster's sacct said: it submits no second job, and keeps no
    node from later ones."""
    script = f"""case "$*" in *nodelist*) echo '{nodes}' ;; *) echo "1|$(cat {tmp_path}/state)" ;; esac"""
    monkeypatch.setenv("PATH", write_sacct(tmp_path, script))
    executor, job = slurm_executor(), MagicMock(external_jobid="1")
    for state in STARTED_AGAIN:
        executor.report_job_success.assert_not_called()
        (tmp_path / "state").write_text(state)
        waits = asyncio.run(still_at_work(executor, job))
        assert waits is (state != "COMPLETED"), state
    executor.report_job_error.assert_not_called()
    executor.report_job_success.assert_called_once_with(job)
    assert executor._failed_nodes == set()


def slurm_executor() -> MagicMock:
    """What the plugin's method that asks for jobs needs of its executor."""
    plugin = pytest.importorskip("snakemake_executor_plugin_slurm", reason="pip install '.[slurm]'")
    profile = yaml.safe_load((PROFILE / "profile.yaml").read_text())
    settings = plugin.ExecutorSettings(status_command="sacct", requeue=profile.get("slurm-requeue", False))
    executor = MagicMock(
        workflow=SimpleNamespace(executor_settings=settings),
        run_uuid="a",
        status_rate_limiter=contextlib.nullcontext(),
        next_seconds_between_status_checks=2,
        _failed_nodes=set(),
        _preemption_warning=False,
        _status_query_calls=0,
        _status_query_failures=0,
        _status_query_total_seconds=0.0,
        _status_query_min_seconds=None,
        _status_query_max_seconds=0.0,
    )
    executor.get_status_command.return_value = "sacct"
    return executor


async def still_at_work(executor: MagicMock, job: MagicMock) -> bool:
    """Whether the plugin waits for the job, after it asked."""
    from snakemake_executor_plugin_slurm import Executor

    return [each async for each in Executor.check_active_jobs(executor, [job])] == [job]
