"""What each phase of session.py does; run from the project's root, one process each. Returns what goes into the report."""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dev.gpu import big_model
from dev.gpu.runs import (
    EPOCHS,
    TOML,
    Line,
    changed_toml,
    differences,
    environment,
    lines,
    summary,
    train,
    training_command,
)
from dev.gpu.throughput import ALL_STEPS, bench, clips_of
from roadtrain import processes
from roadtrain.train.cosmos.plan import epoch_ends
from roadtrain.train.logs import read_log
from roadtrain.train.questions import read_frame_index, usable_questions
from roadtrain.train.toml_config import read_train_run

FRAMES = Path("results/gpu/frames/nframes8_min4096_max17408")

Report = dict[str, Any]


def machine(args: argparse.Namespace) -> Report:
    """GPUs, driver, software, how long imports take."""

    def output(*command: str) -> list[str]:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()

    def seconds_to_import(module: str, cosmos: bool) -> float:
        start = time.monotonic()
        subprocess.run([sys.executable, "-c", f"import {module}"], env=environment(args, cosmos), capture_output=True)
        return round(time.monotonic() - start, 1)

    import torch

    query = "index,name,driver_version,memory.total,memory.used"
    return {
        "gpus": output("nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "cuda": torch.cuda.device_count(),
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
        "torch": torch.__version__,
        "nccl": ".".join(map(str, torch.cuda.nccl.version())),
        "python": sys.version.split()[0],
        "host": socket.gethostbyname(socket.gethostname()),
        "python_is": output("python", "-c", "import sys; print(sys.executable, sys.prefix)"),
        "redis": output("redis-server", "--version"),
        "seconds_to_import": {
            module: seconds_to_import(module, cosmos) for module, cosmos in (("torch", False), ("cosmos_rl", True))
        },
        "environment": {
            name: value
            for name, value in os.environ.items()
            if name.startswith(("NCCL_", "NVSHMEM_", "TORCH_SYMM", "PYTHON"))
        },
    }


def base(args: argparse.Namespace) -> Report:
    """2B weights at random, in memory."""
    return big_model.write(read_train_run(TOML).vision, clips_of(args))


def tiny(args: argparse.Namespace) -> Report:
    """The sample through the rule's own command."""
    return summary(train(args, "cosmos_rl", "cosmos", TOML), "cosmos")


def local(args: argparse.Namespace) -> Report:
    """The same with the local engine."""
    log = train(args, "local", "local", changed_toml("local", engine='"local"'))
    return compare_with_tiny(args, "local", summary(log, "local"), log)


def compare_with_tiny(args: argparse.Namespace, name: str, report: Report, log: list[Line]) -> Report:
    """With the curve of `tiny`, which may be being trained beside this; the session ends this when that takes too long."""
    (args.logs / f"{name}.json").write_text(json.dumps(report | {"against_tiny": "never came"}))
    other = Path("results/gpu/cosmos/train_log.jsonl")
    while not other.exists() and (args.logs / "tiny.running").exists():
        time.sleep(0.3)
    if not other.exists():
        return report | {"against_tiny": "it wasn't trained"}
    return report | {"against_tiny": differences(lines(other), log)}


def evaluate(args: argparse.Namespace) -> Report:
    """Every epoch of `tiny` and `local` asked the validation questions."""
    epochs = [(name, n) for name in ("cosmos", "local") for n in EPOCHS if manifest_of(name, n).exists()]
    with ThreadPoolExecutor(6) as pool:
        reports = pool.map(lambda epoch: evaluate_epoch(args, *epoch), epochs)
        return {f"{name}/epoch_{n}": report for (name, n), report in zip(epochs, reports, strict=True)}


def manifest_of(name: str, epoch: int) -> Path:
    """Of a training's epoch."""
    return Path(f"results/gpu/{name}/checkpoints/epoch_{epoch}.json")


def evaluate_epoch(args: argparse.Namespace, name: str, epoch: int) -> Report:
    """Accuracy of one checkpoint."""
    predictions = Path(f"results/gpu/{name}/predictions/epoch_{epoch}.jsonl")
    options = {
        "--checkpoint": manifest_of(name, epoch),
        "--llava": "results/gpu/data/val.llava.json",
        "--frames": FRAMES / "val.json",
        "--system-prompt": "You are a helpful assistant.",
        "--predictions": predictions,
        "--source": predictions.with_suffix(".source.json"),
    }
    command = [sys.executable, "scripts/evaluate_local.py", *(str(w) for option in options.items() for w in option)]
    result = subprocess.run(command, env=environment(args, cosmos=False), capture_output=True, text=True)
    print(result.stdout, result.stderr, flush=True)
    if result.returncode:
        return {"failed": result.stderr[-300:]}
    correct = [row["is_correct"] for row in lines(predictions)]
    return {"questions": len(correct), "accuracy": round(sum(correct) / len(correct), 4)}


def shared(args: argparse.Namespace) -> Report:
    """2B, a video's questions in one sequence; a step's profile."""
    return bench(args, "shared", "shared-video", gpus=1, steps=6, questions=64, profile=True)


def pairs(args: argparse.Namespace) -> Report:
    """2B shared, two clips a pass; a step's profile."""
    return bench(args, "pairs", "shared-video", gpus=1, steps=6, questions=64, clips=2, profile=True)


def per_question(args: argparse.Namespace) -> Report:
    """2B, a sequence a question."""
    return bench(args, "per_question", "per-question", gpus=1, steps=4, questions=16)


def shared_stock(args: argparse.Namespace) -> Report:
    """2B shared, with transformers' forward."""
    return bench(args, "shared_stock", "shared-video", gpus=1, steps=5, questions=64)


def pairs_stock(args: argparse.Namespace) -> Report:
    """2B shared, two clips a pass, with transformers' forward."""
    return bench(args, "pairs_stock", "shared-video", gpus=1, steps=5, questions=64, clips=2)


def per_question_stock(args: argparse.Namespace) -> Report:
    """2B per question, with transformers' forward."""
    return bench(args, "per_question_stock", "per-question", gpus=1, steps=3, questions=8)


def kill(args: argparse.Namespace) -> Report:
    """The launcher gets SIGKILL in the second epoch; what it started lives on until the same command runs again."""
    toml, weights = changed_toml("kill"), Path("weights/gpu/kill")
    log = weights / "train_log.jsonl"
    steps = epoch_steps(toml)
    process = subprocess.Popen(training_command("cosmos_rl", "kill", toml), env=environment(args, True))
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= steps + 4):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = {
        "killed_after_step": len(read_log(log, ALL_STEPS)),
        "processes_left_by_the_kill": len(processes.descendants()),
    }
    before = lines(log)[:steps]
    again = train(args, "cosmos_rl", "kill", toml)
    report = {
        **killed,
        **summary(again, "kill"),
        "steps_of_the_whole_log": [line["step"] for line in again] == list(range(1, 3 * steps + 1)),
        "first_epoch_not_trained_again": again[:steps] == before,
    }
    return compare_with_tiny(args, "kill", report, again)


def epoch_steps(toml: Path) -> int:
    """Optimizer steps of an epoch."""
    run = read_train_run(toml)
    return epoch_ends(run, usable_questions(run, read_frame_index(run)), run.ranks)[1]


def gpu_count() -> int:
    """Those that torch sees."""
    import torch

    return torch.cuda.device_count()


def two(args: argparse.Namespace) -> Report:
    """The sample on two GPUs."""
    if gpu_count() < 2:
        return {"skipped": "one GPU"}
    log = train(args, "cosmos_rl", "two", changed_toml("two", dp_shard_size="2", train_batch_per_replica="12"))
    return compare_with_tiny(args, "two", summary(log, "two"), log)


def two_shared(args: argparse.Namespace) -> Report:
    """As shared, on two GPUs."""
    if gpu_count() < 2:
        return {"skipped": "one GPU"}
    return bench(args, "two_shared", "shared-video", gpus=2, steps=6, questions=128)


def two_pairs(args: argparse.Namespace) -> Report:
    """As pairs, on two GPUs; a step's profile."""
    if gpu_count() < 2:
        return {"skipped": "one GPU"}
    return bench(args, "two_pairs", "shared-video", gpus=2, steps=6, questions=128, clips=2, profile=True)


def two_shared_stock(args: argparse.Namespace) -> Report:
    """As shared_stock, on two GPUs."""
    if gpu_count() < 2:
        return {"skipped": "one GPU"}
    return bench(args, "two_shared_stock", "shared-video", gpus=2, steps=5, questions=128)


PHASES: dict[str, Callable[[argparse.Namespace], Report]] = {
    phase.__name__: phase
    for phase in (
        machine,
        base,
        tiny,
        kill,
        local,
        evaluate,
        shared,
        pairs,
        per_question,
        shared_stock,
        pairs_stock,
        per_question_stock,
        two,
        two_shared,
        two_pairs,
        two_shared_stock,
    )
}
