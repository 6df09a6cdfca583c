#!/usr/bin/env python3
"""scripts/cosmos_sft.py with two things that only a measurement wants; started by throughput.py, in cosmos-rl.

In the environment, files: the model isn't built before ROADTRAIN_BENCH_ROOM is there; after the first optimizer step, which compiles,
it makes ROADTRAIN_BENCH_READY and goes on when ROADTRAIN_BENCH_GATE is there, so that what is timed has the GPU alone.
ROADTRAIN_BENCH_PROFILE: PyTorch's profile of step ROADTRAIN_BENCH_PROFILE_STEP, of the first rank, is written there.
"""

import os
import time
from pathlib import Path
from typing import Any

import cosmos_sft
from roadtrain.train.cosmos import heartbeat, hooks

WAIT = 600  # seconds, at most


def install() -> None:
    """As hooks.install, and the trainer's step measured."""
    hooks_install()
    if os.environ.get("COSMOS_ROLE") == "Policy":
        from cosmos_rl.policy.trainer.base import TrainerRegistry

        measure(TrainerRegistry.get_trainer_cls("roadtrain"))


def measure(trainer: Any) -> None:
    """Replace its step_training, and its start."""
    init, step = trainer.__init__, trainer.step_training
    room, ready, gate = (Path(os.environ[f"ROADTRAIN_BENCH_{kind}"]) for kind in ("ROOM", "READY", "GATE"))

    def start(self: Any, *args: Any, **kwargs: Any) -> None:
        wait(room)
        init(self, *args, **kwargs)

    def step_training(self: Any, *args: Any, train_step: int, **kwargs: Any) -> Any:
        """`train_step` counts from 0."""
        if train_step == 1:
            ready.touch()
            wait(gate)
        profile = os.environ.get("ROADTRAIN_BENCH_PROFILE")
        if (
            not profile
            or os.environ.get("RANK", "0") != "0"
            or train_step + 1 != int(os.environ["ROADTRAIN_BENCH_PROFILE_STEP"])
        ):
            return step(self, *args, train_step=train_step, **kwargs)
        return profiled(Path(profile), lambda: step(self, *args, train_step=train_step, **kwargs))

    trainer.__init__, trainer.step_training = start, step_training


def wait(gate: Path) -> None:
    """Until the file is there; the launcher is told that this is no silence."""
    heartbeat.begin_phase("compiling")
    end = time.monotonic() + WAIT
    while not gate.exists() and time.monotonic() < end:
        time.sleep(0.05)


def profiled(file: Path, run: Any) -> Any:
    """What `run` gives; where its time went is written to `file`."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    on_gpu = torch.cuda.is_available()
    start = time.monotonic()
    with profile(activities=[ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu) as profiler:
        result = run()
        seconds = time.monotonic() - start
    key = "self_cuda_time_total" if on_gpu else "self_cpu_time_total"
    table = profiler.key_averages().table(sort_by=key, row_limit=70, max_name_column_width=110)
    part = file.with_suffix(".part")
    part.write_text(f"{seconds:.3f} s by the clock, the profiler's own work included\n{table}\n")
    part.replace(file)
    return result


hooks_install, hooks.install = hooks.install, install

if __name__ == "__main__":
    cosmos_sft.main()
