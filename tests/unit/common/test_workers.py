"""Many jobs in a few processes: each done once; one that kills its process, or hangs, is named and costs only itself."""

import gc
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import av
import psutil
import pytest

from roadtrain.cli import UserError
from roadtrain.frames.reading import to_rgb
from roadtrain.workers import JobLimits, WorkerDied, Workers, run_jobs, worker_pool
from support.jobs import collect, fail, process_id, square

SCRIPTS = Path(__file__).parents[3] / "scripts"
# Programs with two workers that are at work: as decode_frames (spawn), and as convert_annotations and make_sample (fork).
SPAWN = """
import time
from roadtrain.workers import run_jobs
def work(number): print("at work\\n", end="", flush=True); time.sleep(300)
if __name__ == "__main__": list(run_jobs(work, [1, 2], 2))
"""
FORK = """
import time
from roadtrain.workers import worker_pool
def work(number): print("at work\\n", end="", flush=True); time.sleep(300)
with worker_pool(2) as pool: list(pool.map(work, [1, 2]))
"""


def test_an_error_of_the_system_in_a_job_is_raised_here():
    """It was taken for one of the connection, and the job for one that never ends."""
    with pytest.raises(BlockingIOError, match="no thread could be started"):
        list(run_jobs(fail, [1], 1, limits=JobLimits(seconds=5)))


def test_a_process_that_does_not_begin_is_no_hang(monkeypatch):
    monkeypatch.setattr("roadtrain.workers.START", 0.5)
    with pytest.raises(OSError, match="did not begin within 0.5 s"):
        list(run_jobs(square, [1], 1, start=partial(time.sleep, 60)))


@pytest.fixture
def picture_in_a_cycle():
    """Garbage of this process: a decoder's picture whose conversion has threads, which a fork doesn't have."""

    class Cycle:
        pass

    gc.disable()
    cycle = Cycle()
    cycle.itself, cycle.frame = cycle, av.VideoFrame(1280, 720, "yuv420p")
    to_rgb(cycle.frame)
    del cycle
    yield
    gc.enable()
    gc.collect()  # here, where its threads are: no later fork gets it


def test_a_fork_does_not_collect_what_its_parent_left(picture_in_a_cycle):
    with Workers(1, limits=JobLimits(seconds=20), method="fork") as workers:
        assert list(workers.run(collect, [1])) == [(1, "collected")]


def test_a_pool_does_not_collect_what_its_parent_left(picture_in_a_cycle):
    with worker_pool(1) as pool:
        assert pool.submit(collect, 1).result(timeout=20) == "collected"


@pytest.mark.parametrize("workers", [0, 2])
def test_each_job_is_done_once(workers):
    assert sorted(run_jobs(square, range(9), workers)) == [(n, n * n) for n in range(9)]


def test_a_job_that_kills_its_process_costs_only_itself():
    results = dict(run_jobs(square, [1, 2, 13, 4, 5], 2))
    died = results.pop(13)
    assert isinstance(died, WorkerDied) and "exit code 9" in died.reason and results == {1: 1, 2: 4, 4: 16, 5: 25}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_jobs_error_is_raised_here(workers):
    with pytest.raises(ValueError, match="ninety-nine"):
        list(run_jobs(square, [1, 99, 2], workers))


def test_a_silent_job_is_killed_by_the_clock_and_one_that_gets_on_is_not():
    start = time.monotonic()
    results = dict(run_jobs(square, [1, 60, 61, 2], 2, limits=JobLimits(seconds=2)))
    assert results.pop(60) == WorkerDied("the decoder did not answer for 2 s")
    assert results == {1: 1, 61: 61 * 61, 2: 4} and time.monotonic() - start < 30


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is bounded by Linux")
def test_a_job_that_takes_too_much_memory_is_named_and_its_process_goes_on():
    with Workers(1, limits=JobLimits(memory=200_000_000)) as workers:
        ((_, before),) = workers.run(process_id, [0])
        ((_, result),) = workers.run(square, [80])
        ((_, after),) = workers.run(process_id, [0])
    assert result == WorkerDied("it takes more than the 0.2 GB of memory that a decoder may have") and before == after


def test_processes_start_once_and_end_with_the_last_job():
    with Workers(1) as workers:
        ids = {number for _ in range(2) for _, number in workers.run(process_id, range(5))}
    assert len(ids) == 1 and not psutil.pid_exists(ids.pop())


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
