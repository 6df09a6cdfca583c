"""What each phase of session.py does; run from the project's root, one process each. Returns what goes into the report."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import big_model

from roadtrain import processes as process_tree
from roadtrain.data.llava import read_questions
from roadtrain.frames.index import FrameIndex
from roadtrain.model import checkpoints
from roadtrain.train import toml_config
from roadtrain.train.cosmos import environment as cosmos_process
from roadtrain.train.cosmos import plan as cosmos_plan

TOML = Path("results/gpu/nframes8/sft.toml")
FRAMES = Path("results/gpu/frames/nframes8_min4096_max17408")
EPOCHS = (1, 2, 3)


def environment(args, cosmos: bool) -> dict[str, str]:
    """cosmos-rl's packages come in front of the machine's for a program that needs them."""
    paths = [str(args.site)] if cosmos else []
    return os.environ | {"PYTHONPATH": os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])}


def toml(name: str, **changes: str) -> Path:
    """The rendered TOML with lines changed."""
    text = TOML.read_text()
    for key, value in changes.items():
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert count == 1, key
    path = TOML.with_name(f"{name}.toml")
    path.write_text(text)
    return path


def command(engine: str, name: str, path: Path, threads: int = 0) -> list[str]:
    """Exactly the command of rules/train.smk."""
    results = Path("results/gpu", name)
    return list(
        map(
            str,
            [
                sys.executable,
                f"scripts/train_{engine}.py",
                "--toml",
                path,
                "--weights",
                Path("weights/gpu", name),
                "--manifests",
                results / "checkpoints",
                "--log",
                results / "train_log.jsonl",
                "--threads",
                threads or os.cpu_count(),
            ],
        )
    )


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def train(args, engine: str, name: str, path: Path, threads: int = 0) -> list[dict]:
    """Its train_log.jsonl; the times too go to OUT."""
    weights = Path("weights/gpu", name)
    try:
        subprocess.run(command(engine, name, path, threads), env=environment(args, engine == "cosmos_rl"), check=True)
    finally:
        for file in (weights / "train_log.jsonl", weights / "train_times.jsonl", weights / "cosmos-rl/redis.log"):
            if file.exists():
                shutil.copy(file, args.logs / f"{name}.{file.name}")
    return lines(Path("results/gpu", name, "train_log.jsonl"))


def summary(log: list[dict], name: str) -> dict:
    """Steps, losses, and that every epoch's checkpoint is what its manifest says."""
    manifests = [json.loads(Path(f"results/gpu/{name}/checkpoints/epoch_{n}.json").read_text()) for n in EPOCHS]
    for manifest in manifests:
        checkpoints.verify(manifest)
    times = lines(Path("weights/gpu", name, "train_times.jsonl"))
    return {
        "steps": len(log),
        "questions": sum(line["questions"] for line in log),
        "first_loss": log[0]["loss"],
        "last_loss": log[-1]["loss"],
        "seconds_of_steps": round(sum(line["seconds"] for line in times), 2),
        "median_step_seconds": sorted(line["seconds"] for line in times)[len(times) // 2],
        "sha256_of_epochs": [manifest["sha256"][:16] for manifest in manifests],
        "software": manifests[-1].get("software"),
    }


def apart(ours: list[dict], theirs: list[dict]) -> dict:
    """Two runs on the same questions, step by step."""
    same = [line["questions"] for line in ours] == [line["questions"] for line in theirs]
    pairs = list(zip(ours, theirs, strict=False))
    difference = [abs(a["loss"] - b["loss"]) / abs(a["loss"]) for a, b in pairs]
    norms = [abs(a["grad_norm"] - b["grad_norm"]) / abs(a["grad_norm"]) for a, b in pairs]
    return {
        "steps": [len(ours), len(theirs)],
        "same_questions_in_every_step": same,
        "relative_difference_of_loss": {
            "first": difference[0],
            "mean": sum(difference) / len(pairs),
            "max": max(difference),
        },
        "relative_difference_of_grad_norm": {"first": norms[0], "mean": sum(norms) / len(pairs), "max": max(norms)},
        "learning_rates_equal": all(abs(a["learning_rate"] - b["learning_rate"]) < 1e-12 for a, b in pairs),
    }


def machine(args) -> dict:
    def said(*command: str) -> list[str]:
        return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()

    def imports(module: str, cosmos: bool) -> float:
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", f"import {module}"], env=environment(args, cosmos), capture_output=True)
        return round(time.monotonic() - began, 1)

    import torch

    return {
        "gpus": said(
            "nvidia-smi", "--query-gpu=index,name,driver_version,memory.total,memory.used", "--format=csv,noheader"
        ),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "cuda": torch.cuda.device_count(),
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
        "torch": torch.__version__,
        "nccl": ".".join(map(str, torch.cuda.nccl.version())),
        "python": sys.version.split()[0],
        "host": socket.gethostbyname(socket.gethostname()),
        "python_is": said("python", "-c", "import sys; print(sys.executable, sys.prefix)"),
        "redis": said("redis-server", "--version"),
        "seconds_to_import": {m: imports(m, c) for m, c in (("torch", False), ("cosmos_rl", True))},
        "environment": {
            k: v for k, v in os.environ.items() if k.startswith(("NCCL_", "NVSHMEM_", "TORCH_SYMM", "PYTHON"))
        },
    }


def tiny(args) -> dict:
    return summary(train(args, "cosmos_rl", "cosmos", TOML), "cosmos")


def local(args) -> dict:
    ours = train(args, "local", "local", toml("local", engine='"local"'))
    found = summary(ours, "local")
    return compared(args, "local", found, ours)


def compared(args, name: str, found: dict, ours: list[dict]) -> dict:
    """With the curve of `tiny`, which may be being trained beside this; the session ends this when that takes too long."""
    (args.logs / f"{name}.json").write_text(json.dumps(found | {"against_tiny": "never came"}))
    other = Path("results/gpu/cosmos/train_log.jsonl")
    while not other.exists() and (args.logs / "tiny.running").exists():
        time.sleep(0.3)
    if not other.exists():
        return found | {"against_tiny": "it wasn't trained"}
    return found | {"against_tiny": apart(lines(other), ours)}


def evaluate(args) -> dict:
    def one(name: str, n: int) -> dict:
        rows = Path(f"results/gpu/{name}/predictions/epoch_{n}.jsonl")
        done = subprocess.run(
            [
                sys.executable,
                "scripts/evaluate_local.py",
                "--checkpoint",
                f"results/gpu/{name}/checkpoints/epoch_{n}.json",
                "--llava",
                "results/gpu/data/val.llava.json",
                "--frames",
                FRAMES / "val.json",
                "--system-prompt",
                "You are a helpful assistant.",
                "--predictions",
                rows,
                "--source",
                rows.with_suffix(".source.json"),
            ],
            env=environment(args, cosmos=False),
            capture_output=True,
            text=True,
        )
        print(done.stdout, done.stderr, flush=True)
        if done.returncode:
            return {"failed": done.stderr[-300:]}
        right = [row["is_correct"] for row in lines(rows)]
        return {"questions": len(right), "accuracy": round(sum(right) / len(right), 4)}

    todo = [
        (name, n)
        for name in ("cosmos", "local")
        for n in EPOCHS
        if Path(f"results/gpu/{name}/checkpoints/epoch_{n}.json").exists()
    ]
    with ThreadPoolExecutor(6) as pool:
        return {
            f"{name}/epoch_{n}": result
            for (name, n), result in zip(todo, pool.map(lambda one_: one(*one_), todo), strict=True)
        }


def base(args) -> dict:
    return big_model.write(toml_config.read_train_run(TOML).vision)


def shared(args) -> dict:
    return bench(args, "shared", "shared-video", gpus=1, steps=4)


def per_question(args) -> dict:
    return bench(args, "per_question", "per-question", gpus=1, steps=2)


def bench(args, name: str, kind: str, gpus: int, steps: int) -> dict:
    """Steps without checkpoints (26 GB of state): cosmos-rl by itself, ended when the last wanted step is in the log."""
    folder = Path("weights/gpu", name).absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = toml(name, **big_model.changes(kind, folder, gpus))
    visible = cosmos_process.check_machine(gpus)
    env = cosmos_process.environment(
        folder, folder / "train_log.jsonl", folder / "alive", os.cpu_count() // gpus, visible
    )
    env["PYTHONPATH"] = os.pathsep.join([str(args.site), env["PYTHONPATH"]])
    port = 8100 + 10 * ["shared", "per_question", "two_shared"].index(name)
    path.write_text(f'redis = "{port + 5000}"\n{path.read_text()}')
    run = [
        sys.executable,
        "-m",
        "roadtrain.train.cosmos.launcher",
        "--config",
        str(path),
        "--port",
        str(port),
        "scripts/cosmos_sft.py",
    ]
    times, peak = folder / "train_times.jsonl", 0
    process = subprocess.Popen(run, env=env)
    try:
        held = hold(process, port + 5000, args.logs / f"{name}.gate")
        began = time.monotonic()
        while process.poll() is None and not (times.exists() and times.read_text().count("\n") >= steps):
            peak = max(peak, used())
            (args.logs / f"{name}.json").write_text(json.dumps(measured(folder, peak) | held))  # it may be ended
            time.sleep(0.3)
    finally:
        process_tree.end_descendants(grace=2)
    return measured(folder, peak) | held | {"seconds_with_the_gpu": round(time.monotonic() - began, 1)}


def hold(process: subprocess.Popen, redis: int, gate: Path) -> dict:
    """The policy imports cosmos-rl, then it waits for its controller: which is stopped, once its redis answers, until the gate
    opens."""
    began, stopped, ready = time.monotonic(), [], None
    while process.poll() is None and not gate.exists():
        if ready is None and answers(redis):
            ready = round(time.monotonic() - began, 1)
            stopped = [
                pid
                for pid in process_tree.descendants()
                if process_tree.environment(pid).get("COSMOS_ROLE") == "Controller"
            ]
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
        time.sleep(0.02)
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    return {"controller_ready_after": ready, "held_until": round(time.monotonic() - began, 1)}


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    except OSError:
        return False


def measured(folder: Path, peak: int) -> dict:
    took = [json.loads(line) for line in checkpoints.read_log(folder / "train_times.jsonl", 10**9)]
    if not took:
        return {"failed": "no step"}
    done = [json.loads(line) for line in checkpoints.read_log(folder / "train_log.jsonl", len(took))]
    found = {
        "seconds": [line["seconds"] for line in took],
        "waited_for_data": [line["waited_for_data"] for line in took],
        "questions": [line["questions"] for line in done],
        "losses": [line["loss"] for line in done],
        "peak_mib_by_nvidia_smi": peak,
        "peak_gib": round((took[-1].get("peak_bytes") or 0) / 2**30, 2),
    }
    if len(took) > 1:  # the first step warms up
        found["questions_a_second"] = round(sum(found["questions"][1:]) / sum(found["seconds"][1:]), 2)
    return found


def used() -> int:
    """MiB in use on the visible GPU that has most."""
    ask = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    if visible := os.environ.get("CUDA_VISIBLE_DEVICES"):
        ask.append(f"--id={visible}")
    return max(map(int, subprocess.run(ask, capture_output=True, text=True).stdout.split()), default=0)


def kill(args) -> dict:
    """The launcher gets SIGKILL in the second epoch; what it started lives on until the same command runs again."""
    toml_, weights = toml("kill"), Path("weights/gpu/kill")
    log = weights / "train_log.jsonl"
    steps = epoch_steps(toml_)
    process = subprocess.Popen(command("cosmos_rl", "kill", toml_), env=environment(args, True))
    while process.poll() is None and not (log.exists() and log.read_text().count("\n") >= steps + 4):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = {
        "killed_after_step": len(checkpoints.read_log(log, 10**9)),
        "processes_left_by_the_kill": len(process_tree.descendants()),
    }
    before = lines(log)[:steps]
    again = train(args, "cosmos_rl", "kill", toml_)
    found = (
        killed
        | summary(again, "kill")
        | {
            "steps_of_the_whole_log": [line["step"] for line in again] == list(range(1, 3 * steps + 1)),
            "first_epoch_not_trained_again": again[:steps] == before,
        }
    )
    return compared(args, "kill", found, again)


def epoch_steps(path: Path) -> int:
    run = toml_config.read_train_run(path)
    index = FrameIndex.load(run.frames_index)
    return cosmos_plan.epoch_ends(
        run, [entry for entry in read_questions(run.llava) if entry.clip in index], run.ranks
    )[1]


def two(args) -> dict:
    import torch

    if torch.cuda.device_count() < 2:
        return {"skipped": "one GPU"}
    log = train(args, "cosmos_rl", "two", toml("two", dp_shard_size="2", train_batch_per_replica="12"))
    return compared(args, "two", summary(log, "two"), log)


def two_shared(args) -> dict:
    import torch

    return (
        bench(args, "two_shared", "shared-video", gpus=2, steps=4)
        if torch.cuda.device_count() > 1
        else {"skipped": "one GPU"}
    )
