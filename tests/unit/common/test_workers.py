"""Many jobs in a few processes: each done once, and a job that kills its process is named, not waited for."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from roadtrain.cli import UserError
from roadtrain.workers import WorkerDied, run_jobs, worker_pool

SCRIPTS = Path(__file__).parents[3] / "scripts"
# Programs with two workers that are at work: as decode_frames (spawn), and as convert_annotations and make_sample (fork).
SPAWN = """
import time
from roadtrain.workers import run_jobs
def work(number): print("at work", flush=True); time.sleep(300)
if __name__ == "__main__": list(run_jobs(work, [1, 2], 2))
"""
FORK = """
import time
from roadtrain.workers import worker_pool
def work(number): print("at work", flush=True); time.sleep(300)
with worker_pool(2) as pool: list(pool.map(work, [1, 2]))
"""


def square(number: int) -> int:
    if number == 13:
        os._exit(9)  # as a decoder's crash or the kernel's OOM killer ends a process
    if number == 99:
        raise ValueError("ninety-nine")
    return number * number


@pytest.mark.parametrize("workers", [0, 2])
def test_each_job_is_done_once(workers):
    assert sorted(run_jobs(square, range(9), workers)) == [(n, n * n) for n in range(9)]


def test_a_job_that_kills_its_process_costs_only_itself():
    results = dict(run_jobs(square, [1, 2, 13, 4, 5], 2))
    assert isinstance(results.pop(13), WorkerDied) and results == {1: 1, 2: 4, 4: 16, 5: 25}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_jobs_error_is_raised_here(workers):
    with pytest.raises(ValueError, match="ninety-nine"):
        list(run_jobs(square, [1, 99, 2], workers))


def test_a_pool_without_one_of_its_processes():
    with pytest.raises(UserError, match="a worker process died"), worker_pool(2) as pool:
        list(pool.map(square, range(20)))


@pytest.mark.parametrize("program", [SPAWN, FORK])
@pytest.mark.parametrize("end", [psutil.Process.kill, psutil.Process.terminate])
def test_no_worker_outlives_its_program(tmp_path, program, end):
    """Whoever reads the program's output, as Snakemake does for the log, sees its end."""
    (tmp_path / "program.py").write_text(program)
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    command = [sys.executable, tmp_path / "program.py"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout.readline() == process.stdout.readline() == "at work\n"
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    end(psutil.Process(process.pid))
    before = time.monotonic()
    assert process.stdout.read() == "" and time.monotonic() - before < 20  # no worker holds the pipe open
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
    process.wait()
