"""What each phase of vllm_session.py does; run from the project's root, one process each. Returns what goes into the report."""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from dev.gpu import big_model
from dev.gpu.runs import Line, lines

RESULTS, WEIGHTS = Path("results/sample"), Path("weights/sample")
FRAMES = RESULTS / "frames/nframes8_min4096_max17408/val.json"
LLAVA = RESULTS / "data/val.llava.json"
PROMPT = "You are a helpful assistant."
MANIFESTS = {
    "epoch_2": RESULTS / "nframes8/checkpoints/epoch_2.json",
    "fp8": RESULTS / "nframes8/quantized/fp8.json",
    "fp8_dynamic": RESULTS / "nframes8/quantized/fp8_dynamic.json",
    "nvfp4": RESULTS / "nframes8/quantized/nvfp4.json",
    "fp8_kv": RESULTS / "nframes8/quantized/fp8_kv.json",
    "lora16": RESULTS / "lora16/checkpoints/epoch_1.json",
}
SHARED = 2  # GiB of keys and values of a vLLM that isn't alone on the GPU

Report = dict[str, Any]


def environment(args: argparse.Namespace) -> dict[str, str]:
    """vLLM's packages in front of the machine's."""
    paths = [str(args.site), *filter(None, [os.environ.get("PYTHONPATH")])]
    caches = {"VLLM_CACHE_ROOT": str(args.site.parent / "cache"), "VLLM_NO_USAGE_STATS": "1"}
    return os.environ | caches | {"PYTHONPATH": os.pathsep.join(paths), "VLLM_USE_FLASHINFER_SAMPLER": "0"}


def run(args: argparse.Namespace, program: str, *words: str, **options: object) -> str:
    """A program of the project, with vLLM's packages; its output goes to the phase's log and comes back. Raises ValueError
    when it failed without a word."""
    words += tuple(str(word) for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value))
    command = [sys.executable, f"scripts/{program}", *words]
    result = subprocess.run(command, env=environment(args), capture_output=True, text=True)
    print(result.stdout[-20_000:], result.stderr[-20_000:], flush=True)
    if result.returncode and not result.stdout.startswith("{"):  # smoke_test.py says in JSON what failed
        raise ValueError(f"{program}: exit code {result.returncode}: {result.stderr[-600:]}")
    return result.stdout


def machine(args: argparse.Namespace) -> Report:
    """GPUs, driver, software, whether vLLM's kernels load."""
    query = "index,name,driver_version,memory.total,memory.used"
    gpus = subprocess.run(
        ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"], capture_output=True, text=True
    )
    code = (
        "import json, torch, vllm, transformers, compressed_tensors\n"
        "from vllm.platforms import current_platform\n"
        "current_platform.import_kernels()\n"
        "print(json.dumps({m.__name__: m.__version__ for m in (torch, vllm, transformers, compressed_tensors)}"
        " | {'platform': str(current_platform.device_name)}))"
    )
    start = time.monotonic()
    result = subprocess.run([sys.executable, "-c", code], env=environment(args), capture_output=True, text=True)
    print(result.stderr[-5000:])
    return {
        "gpus": gpus.stdout.splitlines(),
        "cpus": os.cpu_count(),
        "seconds_to_import": round(time.monotonic() - start, 1),
        "software": (json.loads(result.stdout.splitlines()[-1]) if result.returncode == 0 else result.stderr[-1500:]),
    }


def base(args: argparse.Namespace) -> Report:
    """2B weights at random in memory, and clips of noise."""
    return big_model.write({"nframes": 8}, _clips(args))


def _clips(args: argparse.Namespace) -> big_model.Clips:
    return big_model.SMALL if args.small else big_model.SHORT


def predictions(args: argparse.Namespace, engine: str, name: str) -> Path:
    """Where an evaluation's answers go."""
    return Path(args.logs, f"{engine}_{name}.jsonl")  # so that they come back with the logs


def evaluate(
    args: argparse.Namespace, engine: str, name: str, label: str = "", program: str | None = None, **more: Any
) -> Report:
    """One checkpoint asked by one engine, or by a program like its own, beside the CPU's answers."""
    output = predictions(args, engine, label or name)
    start = time.monotonic()
    said = run(
        args,
        program or f"evaluate_{engine}.py",
        checkpoint=MANIFESTS[name],
        llava=LLAVA,
        frames=FRAMES,
        system_prompt=PROMPT,
        predictions=output,
        source=output.with_suffix(".source.json"),
        **more,
    )
    cpu_file = RESULTS / f"nframes8/predictions/{name}.jsonl"
    cpu = lines(cpu_file) if cpu_file.exists() else None
    hits = [line for line in said.splitlines() if "prefix cache:" in line]
    rows = lines(output)
    return {
        "questions": len(rows),
        "accuracy": accuracy(rows),
        "accuracy_of_the_cpu": accuracy(cpu) if cpu else None,
        "against_the_cpu": agreement(rows, cpu) if cpu else None,
        "seconds": round(time.monotonic() - start, 1),
        "prefix_cache": hits,
        "times": json.loads(output.with_suffix(".times.json").read_text()),
    }


def accuracy(rows: list[Line]) -> float:
    """Share of right answers."""
    return round(sum(row["is_correct"] for row in rows) / len(rows), 4)


def agreement(rows: list[Line], others: list[Line]) -> Report:
    """Two evaluations question by question."""
    pairs = list(zip(rows, others, strict=True))
    assert all(a["id"] == b["id"] for a, b in pairs)
    distances = [
        max(abs(a["probabilities"][letter] - b["probabilities"][letter]) for letter in a["probabilities"])
        for a, b in pairs
        if a["probabilities"] and b["probabilities"]
    ]
    return {
        "same_response": sum(a["response"] == b["response"] for a, b in pairs),
        "same_verdict": sum(a["is_correct"] == b["is_correct"] for a, b in pairs),
        "largest_difference_of_a_letter": max(distances, default=None),
        "mean_of_a_questions_largest": round(sum(distances) / max(1, len(distances)), 6),
    }


def local(args: argparse.Namespace) -> Report:
    """Every checkpoint by the local evaluator on the GPU."""

    def one(name: str) -> Report:
        try:
            return evaluate(args, "local", name, threads=4)
        except Exception as error:
            return {"failed": str(error)[-800:]}

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(MANIFESTS, pool.map(one, MANIFESTS), strict=True))


def one_gpu(args: argparse.Namespace) -> dict[str, Any]:
    """A GPU and a part of its memory; a machine without one tries the session on its CPU."""
    return {"gpus": min(1, args.gpus), "kv_cache_gib": SHARED}


def vllm_one(name: str, label: str, args: argparse.Namespace) -> Report:
    """A checkpoint by evaluate_vllm.py, beside others on the GPU."""
    return evaluate(args, "vllm", name, label, **one_gpu(args), model_max_length=2048, threads=4)


def vllm_two(args: argparse.Namespace) -> Report:
    """The BF16 checkpoint split over two GPUs."""
    if args.gpus < 2:
        return {"skipped": "one GPU"}
    return evaluate(args, "vllm", "epoch_2", "two", **one_gpu(args) | {"gpus": 2}, model_max_length=2048, threads=4)


def compared(args: argparse.Namespace) -> Report:
    """vLLM's answers beside the local evaluator's on the same GPU, and two runs of vLLM."""
    found: Report = {}
    names = {name: (f"vllm_{name}", f"local_{name}") for name in MANIFESTS}
    names["epoch_2 twice"] = ("vllm_epoch_2", "vllm_again")
    names["epoch_2 on two GPUs"] = ("vllm_epoch_2", "vllm_two")
    for name, (one, other) in names.items():
        files = [args.logs / f"{part}.jsonl" for part in (one, other)]
        if all(file.exists() for file in files):
            found[name] = agreement(lines(files[0]), lines(files[1]))
    return found


def bench(engine: str, args: argparse.Namespace) -> Report:
    """2B at random, 24 clips of 2,880 tokens, 16 questions each, alone on the GPU."""
    output = args.logs / f"bench_{engine}.rows.json"
    run(
        args,
        "dev/bench_engines.py",
        engine=engine,
        model=_clips(args).model,
        llava=_clips(args).folder / "train.llava.json",
        frames=_clips(args).folder / "train.json",
        gate=args.logs / f"bench_{engine}.gate",
        output=output,
        gpus=min(1, args.gpus),
        kv_cache_gib=24,
    )
    rows: Report = json.loads(output.read_text())
    return rows


def together(args: argparse.Namespace) -> Report:
    """Some clips in one pass of the local evaluator, against each alone: the same answers?"""
    found: Report = {}
    for name in ("epoch_2", "fp8"):
        files = []
        for label, program in ((f"{name}_together", None), (f"{name}_alone", "dev/gpu/evaluate_alone.py")):
            found[label] = evaluate(args, "local", name, label, program, threads=4)
            files.append(lines(predictions(args, "local", label)))
        found[f"{name}: together against alone"] = agreement(*files)
    return found


def decoding(args: argparse.Namespace) -> Report:
    """The tests of recorded steps."""
    words = ["-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "tests/unit/evaluate/test_decoding.py"]
    result = subprocess.run([sys.executable, *words], env=environment(args), capture_output=True, text=True)
    print(result.stdout, result.stderr, flush=True)
    last = result.stdout.strip().splitlines()[-1:]
    return {"last_line": last} | ({"failed": f"exit code {result.returncode}"} if result.returncode else {})


def _phases() -> dict[str, Callable[[argparse.Namespace], Report]]:
    phases: dict[str, Callable[[argparse.Namespace], Report]] = {"machine": machine, "base": base, "local": local}
    phases |= {f"vllm_{name}": partial(vllm_one, name, "") for name in MANIFESTS}
    phases |= {"vllm_again": partial(vllm_one, "epoch_2", "again"), "vllm_two": vllm_two}
    phases |= {"compared": compared, "together": together, "decoding": decoding}
    return phases | {"bench_local": partial(bench, "local"), "bench_vllm": partial(bench, "vllm")}


PHASES = _phases()
