"""Questions a second of cosmos-rl on a model of 2B weights: some steps by itself, without checkpoints."""

import argparse
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from dev.gpu import big_model
from dev.gpu.runs import changed_toml
from roadtrain import processes
from roadtrain.train.cosmos.environment import check_machine, cosmos_variables
from roadtrain.train.logs import read_log

NAMES = ("shared", "per_question", "two_shared")  # each has a port of its own
ALL_STEPS = 10**9


def bench(args: argparse.Namespace, name: str, kind: str, gpus: int, steps: int) -> dict[str, Any]:
    """Steps without checkpoints (26 GB of state), ended when the last step that is wanted is in the log."""
    folder = Path("weights/gpu", name).absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    toml = changed_toml(name, **big_model.changes(kind, folder, gpus))
    port = 8100 + 10 * NAMES.index(name)
    redis_port = port + 5000
    toml.write_text(f'redis = "{redis_port}"\n{toml.read_text()}')
    command = [sys.executable, "-m", "roadtrain.train.cosmos.launcher", "--config", str(toml), "--port", str(port)]
    threads = (os.cpu_count() or 1) // gpus
    env = cosmos_variables(folder, folder / "train_log.jsonl", folder / "alive", threads, check_machine(gpus))
    env["PYTHONPATH"] = os.pathsep.join([str(args.site), env["PYTHONPATH"]])
    times, peak = folder / "train_times.jsonl", 0
    process = subprocess.Popen([*command, "scripts/cosmos_sft.py"], env=env)
    try:
        waiting = wait_at_gate(process, redis_port, args.logs / f"{name}.gate")
        start = time.monotonic()
        while process.poll() is None and not (times.exists() and times.read_text().count("\n") >= steps):
            peak = max(peak, used_mib())
            (args.logs / f"{name}.json").write_text(json.dumps(measurements(folder, peak) | waiting))  # it may be ended
            time.sleep(0.3)
    finally:
        processes.end_descendants(grace=2)
    return measurements(folder, peak) | waiting | {"seconds_with_the_gpu": round(time.monotonic() - start, 1)}


def wait_at_gate(process: subprocess.Popen[bytes], redis_port: int, gate: Path) -> dict[str, Any]:
    """The policy imports cosmos-rl, then it waits for its controller: which is stopped, once its redis answers, until the gate
    opens."""
    start, ready = time.monotonic(), None
    stopped: list[psutil.Process] = []
    while process.poll() is None and not gate.exists():
        if ready is None and answers(redis_port):
            ready = round(time.monotonic() - start, 1)
            stopped = [one for one in processes.descendants() if role(one) == "Controller"]
            for controller in stopped:
                controller.send_signal(signal.SIGSTOP)
        time.sleep(0.02)
    for controller in stopped:
        with contextlib.suppress(psutil.NoSuchProcess):
            controller.send_signal(signal.SIGCONT)
    return {"controller_ready_after": ready, "held_until": round(time.monotonic() - start, 1)}


def role(process: psutil.Process) -> str | None:
    """What cosmos-rl started a process as: Controller, Policy."""
    return processes.environment_of(process).get("COSMOS_ROLE")


def answers(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    except OSError:
        return False


def measurements(folder: Path, peak: int) -> dict[str, Any]:
    """From the logs so far. `peak`: MiB that nvidia-smi showed at most."""
    times = [json.loads(line) for line in read_log(folder / "train_times.jsonl", ALL_STEPS)]
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
    if len(times) > 1:  # the first step warms up
        report["questions_a_second"] = round(sum(report["questions"][1:]) / sum(report["seconds"][1:]), 2)
    return report


def used_mib() -> int:
    """MiB in use on the visible GPU that has most."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        command.append(f"--id={visible}")
    return max(map(int, subprocess.run(command, capture_output=True, text=True).stdout.split()), default=0)
