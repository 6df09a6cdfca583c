"""Questions a second of cosmos-rl on a model of 2B weights: some steps by itself, without checkpoints."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from dev.gpu import big_model
from dev.gpu.runs import changed_toml
from roadtrain import processes
from roadtrain.train.cosmos import own_forward
from roadtrain.train.cosmos.environment import check_machine, cosmos_variables
from roadtrain.train.logs import read_log

# Each has a port of its own.
ONE_GPU = ("shared", "pairs", "per_question", "shared_stock", "pairs_stock", "per_question_stock")
NAMES = (*ONE_GPU, "two_shared", "two_pairs", "two_shared_stock")
ALL_STEPS = 10**9
CLIPS = 64  # of noise: eight steps of 128 questions


def bench(
    args: argparse.Namespace,
    name: str,
    kind: str,
    *,
    gpus: int,
    steps: int,
    questions: int,
    clips: int = 1,
    profile: bool = False,
) -> dict[str, Any]:
    """Steps of so many questions on all GPUs together, `clips` a pass, without checkpoints (26 GB of state), ended when the last
    step that is wanted is in the log; one more is profiled. Names that end in _stock: with transformers' forward."""
    folder = Path("weights/gpu", name).absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    toml = changed_toml(
        name,
        **big_model.changes(kind, folder, gpus, questions, clips_of(args)) | {"mini_batch": str(clips)},
    )
    port = 8100 + 10 * NAMES.index(name)
    toml.write_text(f'redis = "{port + 5000}"\n{toml.read_text()}')
    command = [sys.executable, "-m", "roadtrain.train.cosmos.launcher", "--config", str(toml), "--port", str(port)]
    threads = (os.cpu_count() or 1) // gpus
    env = cosmos_variables(folder, folder / "train_log.jsonl", folder / "alive", threads, check_machine(gpus))
    env["PYTHONPATH"] = os.pathsep.join([str(args.site), env["PYTHONPATH"]])
    env[own_forward.FORWARD] = "stock" if name.endswith("_stock") else "own"
    gate, table = args.logs / f"{name}.gate", args.logs / f"{name}.profile.txt"
    env |= {f"ROADTRAIN_BENCH_{kind.upper()}": str(args.logs / f"{name}.{kind}") for kind in ("room", "ready", "gate")}
    if profile:
        env |= {"ROADTRAIN_BENCH_PROFILE": str(table), "ROADTRAIN_BENCH_PROFILE_STEP": str(steps + 1)}
    times, peak, opened = folder / "train_times.jsonl", 0, None
    start = time.monotonic()

    def measured() -> dict[str, Any]:
        held = {"first_step_after": None} if opened is None else {"first_step_and_gate_after": round(opened - start, 1)}
        return measurements(folder, peak, steps) | held

    process = subprocess.Popen([*command, "scripts/dev/gpu/timed_sft.py"], env=env)
    try:
        while process.poll() is None and not (
            times.exists() and times.read_text().count("\n") >= steps and (table.exists() or not profile)
        ):
            if gate.exists():
                opened = opened or time.monotonic()
                peak = max(peak, used_mib())
            (args.logs / f"{name}.json").write_text(json.dumps(measured()))  # it may be ended
            time.sleep(0.3)
    finally:
        processes.end_descendants(grace=2)
    return measured() | {"seconds_with_the_gpu": round(time.monotonic() - (opened or start), 1)}


def measurements(folder: Path, peak: int, steps: int) -> dict[str, Any]:
    """From the logs of the first `steps` steps. `peak`: MiB that nvidia-smi showed at most."""
    times = [json.loads(line) for line in read_log(folder / "train_times.jsonl", ALL_STEPS)][:steps]
    if not times:
        return {"failed": "no step"}
    log = [json.loads(line) for line in read_log(folder / "train_log.jsonl", len(times))]
    report: dict[str, Any] = {
        "seconds": [line["seconds"] for line in times],
        "waited_for_data": [line["waited_for_data"] for line in times],
        "questions": [line["questions"] for line in log],
        "losses": [line["loss"] for line in log],
        "peak_mib_by_nvidia_smi": peak,
        "peak_gib": round((times[-1].get("peak_bytes") or 0) / 2**30, 2),
    }
    if len(times) > 2:  # the first compiles, the second waited at the gate
        report["questions_a_second"] = round(sum(report["questions"][2:]) / sum(report["seconds"][2:]), 2)
    return report


def clips_of(args: argparse.Namespace) -> big_model.Clips:
    """That are trained on."""
    return replace(big_model.SMALL if args.small else big_model.SHORT, count=CLIPS)


def used_mib() -> int:
    """Of the visible GPU that has most."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        command.append(f"--id={visible}")
    return max(map(int, subprocess.run(command, capture_output=True, text=True).stdout.split()), default=0)
