"""Seconds of a piece of work on a CPU or a GPU, and what they were spent on."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def synchronize(device: torch.device) -> None:
    """Wait for the work that a GPU was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds_of(run: Callable[[], Any], device: torch.device) -> float:
    """How long it takes, the GPU's work included."""
    synchronize(device)
    start = time.monotonic()
    run()
    synchronize(device)
    return time.monotonic() - start


def append_profile(file: Path, title: str, run: Callable[[], Any], device: torch.device) -> None:
    """PyTorch's profile of `run`, after what the file has already."""
    from torch.profiler import ProfilerActivity, profile

    on_gpu = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA] if on_gpu else None) as profiler:
        run()
        synchronize(device)
    key = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
    table = profiler.key_averages().table(sort_by=key, row_limit=60, max_name_column_width=110)
    with open(file, "a") as stream:
        stream.write(f"{title}\n{table}\n")
