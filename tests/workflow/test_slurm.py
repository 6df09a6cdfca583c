"""The sample through profiles/slurm, on a real Slurm of one node: make test-slurm."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support import slurm_node
from support.slurm_node import LONG
from support.slurm_runs import PROFILE, paused_training, start, steps, told, wait_for_training, wait_until
from support.workflow import copy_project, must_run, snakemake, write_spec

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(4 * LONG)]
# One ablation; training is submitted with too little memory first. Nothing computes on the GPU that Slurm hands out.
SPEC = {
    "ablations": {"fps2": None},
    "data": {"sample": {"seed": 0, "train": 6, "val": 3}},
    "train": {"gpus": 1, "train_batch_per_replica": 12, "state_every_steps": 1},
    "cluster": {
        "train": {"partition": "long", "cpus": 1, "memory_gb": 0.7, "hours": 0.5},
        "evaluate": {"cpus": 1, "memory_gb": 3},
    },
}


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="pip install '.[slurm]'")
    if why := slurm_node.missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("slurm")
    slurm_node.start(folder, os.getpid())
    try:
        yield
    finally:
        slurm_node.stop(folder)


@pytest.fixture(scope="module")
def chain(slurm, tmp_path_factory):
    """(folder, what Snakemake said, Slurm's jobs) of the whole chain."""
    work = copy_project(tmp_path_factory.mktemp("chain"))
    write_spec(work, SPEC)
    output = must_run(work, *PROFILE, timeout=LONG)
    return work, output, jobs()


@pytest.fixture
def untrained(chain, tmp_path):
    """A copy of the finished run that has to train again, with memory enough."""
    work = shutil.copytree(chain[0], tmp_path / "w", symlinks=True)
    write_spec(work, SPEC | {"cluster": {"train": {"cpus": 1, "memory_gb": 3}}})
    shutil.rmtree(work / "weights")
    shutil.rmtree(work / "results/small/nframes8/checkpoints")
    (work / "results/small/nframes8/train_log.jsonl").unlink()
    return work


def jobs() -> list[dict[str, str]]:
    """Every job that Slurm remembers, in the order of submission; `rule` and `wildcards` come from the comment."""
    columns = {
        "id": "%i",
        "state": "%T",
        "comment": "%k",
        "memory": "%m",
        "limit": "%l",
        "partition": "%P",
        "cpus": "%C",
    }
    command = ["squeue", "--states=all", "--noheader", "--sort=i", "--format", "|".join(columns.values())]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [dict(zip(columns, line.split("|"), strict=True)) for line in lines]


def details(job: dict[str, str]) -> str:
    return subprocess.run(
        ["scontrol", "show", "job", job["id"], "--oneliner"], capture_output=True, text=True, check=True
    ).stdout


def of_rule(queue: list[dict[str, str]], rule: str) -> list[dict[str, str]]:
    return [job for job in queue if job["comment"].startswith(f"rule_{rule}")]


# ------------------------------------------------------------------------------------------------------ one whole chain
def test_the_chain_ran_and_nothing_is_left(chain):
    work, output, queue = chain
    assert (work / "results/small/report.html").is_file()
    assert (work / "results/small/nframes8/deploy/compose.yaml").is_file()
    assert output.count("has been submitted with SLURM jobid") == len(queue) >= 25
    assert of_rule(queue, "write_spec") == [], "spec.json waits in no queue"
    assert "Nothing to be done" in must_run(work, *PROFILE, "--dry-run", timeout=LONG)


def test_jobs_ask_for_what_the_spec_says(chain):
    (evaluation, *_) = of_rule(chain[2], "evaluate_checkpoint")
    assert evaluation | {"memory": "3000M", "limit": "4:00:00", "partition": "gpu", "cpus": "1"} == evaluation
    (train, *_) = of_rule(chain[2], "train")
    assert train | {"memory": "700M", "limit": "30:00", "partition": "long", "cpus": "1"} == train
    assert "TresPerJob=gres:gpu:1" in details(train) and "TresPer" not in details(evaluation)
    (convert,) = of_rule(chain[2], "convert_annotations")
    assert convert["memory"] == "1000M" and convert["limit"] == "30:00"


def test_training_was_tried_again_with_more_memory(chain):
    tried = of_rule(chain[2], "train")
    assert [job["memory"] for job in tried] == ["700M", "1400M", "2100M"][: len(tried)] and len(tried) > 1
    assert [job["state"] for job in tried[:-1]].count("COMPLETED") == 0 and tried[-1]["state"] == "COMPLETED"


# ---------------------------------------------------------------------------------------- what goes wrong on a cluster
def test_a_failed_jobs_log_is_shown(chain, tmp_path):
    work = shutil.copytree(chain[0], tmp_path / "w", symlinks=True)
    path = sorted((work / "data/sample/annotations/vqa/val").rglob("environment/*.json"))[0]
    path.write_text(path.read_text()[:-5])
    process = snakemake(work, *PROFILE, "results/small/data/val.llava.json", timeout=LONG)
    assert process.returncode == 1
    assert f"{path.relative_to(work)}: not valid JSON" in process.stdout, process.stdout[-4000:]


def test_a_killed_snakemake_is_started_again(untrained):
    """Its job lives on in Slurm, and watch.py shows it; the new one's job waits for it and trains nothing twice."""
    last = jobs()[-1]["id"]
    killed = start(untrained)
    orphan = wait_for_training(untrained, killed, 2)["id"]
    with paused_training(untrained):  # it would end before the next job is there
        wait_until(lambda: f"{orphan} RUNNING" in picture(untrained), untrained, killed)  # squeue has a few seconds
        assert "train nframes8, since" in picture(untrained)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait()
        run = start(untrained)
        wait_until(lambda: "is training here; waiting for it" in told(untrained), untrained, run)
    assert run.wait(timeout=LONG) == 0, told(untrained)
    queue = {job["id"]: job for job in jobs() if int(job["id"]) > int(last)}
    assert queue[orphan]["state"] == "COMPLETED" and len(of_rule(list(queue.values()), "train")) == 2
    log = steps(untrained)
    assert log == list(range(1, len(log) + 1))
    assert (untrained / "results/small/nframes8/checkpoints/epoch_2.json").is_file()


def picture(work: Path) -> str:
    """What watch.py shows of the run."""
    watch = [sys.executable, "scripts/watch.py", "--once"]
    return subprocess.run(watch, cwd=work, capture_output=True, text=True, check=True).stdout
