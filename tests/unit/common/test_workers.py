"""Many jobs in a few processes: each done once, and a job that kills its process is named, not waited for."""

import os

import pytest

from roadtrain.workers import WorkerDied, run_jobs


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
