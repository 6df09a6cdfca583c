"""scripts/on_nodes.py: a command on one machine, or a Slurm step with a task a node."""

import os
import subprocess
import sys

import pytest

from support.workflow import ROOT

PRINT = [sys.executable, "-c", "import os; print('ran', os.environ.get('CUDA_VISIBLE_DEVICES'))"]


def on_nodes(*arguments: str, **variables: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "scripts/on_nodes.py"), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")} | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def test_one_node_is_this_machine():
    process = on_nodes("1", "0", *PRINT)
    assert (process.returncode, process.stdout) == (0, "ran \n")


def test_several_nodes_are_a_step_of_the_job(tmp_path):
    (tmp_path / "srun").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    process = on_nodes("--cpus", "8", "2", "16", "program", "--flag", PATH=path, SLURM_JOB_ID="1")
    options, _, task = process.stdout.partition(sys.executable)
    assert options.split() == [
        "--nodes=2",
        "--ntasks=2",
        "--ntasks-per-node=1",
        "--cpus-per-task=8",
        "--cpu-bind=none",
        "--kill-on-bad-exit=1",
    ]
    assert task.split() == [str(ROOT / "scripts/on_gpus.py"), "8", "program", "--flag"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["2", "0", "true"], "several nodes are those of a Slurm job, and this is none"),
        (["2", "3", "true"], "shared out evenly"),
        (["1", "0"], "a command"),
    ],
)
def test_what_can_not_be_run(arguments, words):
    process = on_nodes(*arguments, PATH="/nowhere")
    assert process.returncode and words in process.stderr
