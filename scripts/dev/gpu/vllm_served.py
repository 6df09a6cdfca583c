"""The phases of vllm_session.py that ask over HTTP: a server for people (serve.py), and `deploy.verify: served` with its gate."""

import argparse
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from dev.gpu.runs import lines
from dev.gpu.vllm_phases import LLAVA, PROMPT, RESULTS, WEIGHTS, Report, agreement, environment, one_gpu, run

QUESTIONS, FEW, SENT = 300, 40, 10  # of a server for people; with --small; whose frames are decoded here, seconds each
MEDIA = Path("data/sample/videos/val")
VISIONS = {
    "nframes8": '{"nframes": 8, "min_pixels": 4096, "max_pixels": 17408}',
    "fps2": '{"fps": 2, "min_pixels": 4096, "total_pixels": 98304}',
}
FRAMES = {
    "nframes8": RESULTS / "frames/nframes8_min4096_max17408/val.json",
    "fps2": RESULTS / "frames/fps2_min4096_total98304/val.json",
}
READERS = ("roadtrain", "vllm")


@contextlib.contextmanager
def served(args: argparse.Namespace, folder: Path, reader: str, log: Path) -> Iterator[tuple[str, float]]:
    """(URL, seconds until it answered) of serve.py on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"port": port, "reader": reader} | one_gpu(args)
    words = [str(word) for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)]
    start, url = time.monotonic(), f"http://127.0.0.1:{port}"
    with open(log, "w") as stream:
        process = subprocess.Popen(
            [sys.executable, "scripts/serve.py", str(folder), *words],
            env=environment(args),
            stdout=stream,
            stderr=stream,
        )
        try:
            while process.poll() is None:
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"{url}/health", timeout=2).read()
                    break
                time.sleep(0.5)
            if process.poll() is not None:
                raise ValueError(f"serve.py: exit code {process.returncode}: {log.read_text()[-1500:]}")
            yield url, round(time.monotonic() - start, 1)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def serve(ablation: str, checkpoint: str, reader: str, args: argparse.Namespace) -> Report:
    """serve.py, smoke_test.py with the files and with the frames of training, ask.py."""
    common = {"llava": LLAVA, "media": MEDIA, "format": "json", "min_accuracy": 0.8}
    log = args.logs / f"server_{ablation}_{reader}.log"
    with served(args, WEIGHTS / ablation / checkpoint, reader, log) as (url, seconds):
        question = json.loads(LLAVA.read_text())[0]
        options = {"server": url, "video": MEDIA / question["video"], "format": "json"}
        words = {"question": question["question"], "options": "|".join(question["options"].values())}
        found: Report = {"seconds_to_start": seconds, "ask": run(args, "ask.py", **options, **words).strip()}
        found["truth"] = question["conversations"][-1]["value"]
        ways: list[tuple[str, dict[str, str], int]] = [
            ("files", {}, FEW if args.small else QUESTIONS),
            ("frames", {"vision": VISIONS[ablation]}, SENT),
        ]
        for name, more, count in ways:
            start = time.monotonic()
            try:
                said = run(args, "smoke_test.py", url, **common, count=count, **more)
                found[name] = json.loads(said) | {"seconds": round(time.monotonic() - start, 1)}
            except ValueError as error:
                found[name] = {"failed": str(error)[-800:]}
    return found


def gate(ablation: str, reader: str, args: argparse.Namespace) -> Report:
    """evaluate_served.py: every validation question with the videos themselves; gate.py on the answers. Offline answers are those of
    the run, from a CPU."""
    precision = "fp8" if args.gpus else "fp8_dynamic"  # what vLLM computes on a CPU
    results = RESULTS / ablation
    name = f"gate_{ablation}_{reader}"
    output = args.logs.parent / name / f"{precision}.jsonl"  # the gate knows it by this name
    output.parent.mkdir(exist_ok=True)
    sources, verdict = output.with_suffix(".source.json"), output.with_name("gate.json")
    checkpoint = {"checkpoint": results / f"quantized/{precision}.json", "reader": reader, "model_max_length": 2048}
    data = {"llava": LLAVA, "media": MEDIA, "frames": FRAMES[ablation], "system_prompt": PROMPT}
    start = time.monotonic()
    run(
        args, "evaluate_served.py", **checkpoint, **data, **one_gpu(args), predictions=output, source=sources, threads=4
    )
    seconds = round(time.monotonic() - start, 1)
    offline = results / f"predictions/{precision}.jsonl"
    epochs = map(str, sorted(results.glob("predictions/epoch_*.jsonl")))
    settings = {"best": results / "best.json", "quantized": offline, "quantize": '{"max_accuracy_drop": 0.02}'}
    words = run(
        args, "gate.py", "--baseline", *epochs, **settings, served=output, served_sources=sources, output=verdict
    )
    for file in (output, sources, verdict):
        shutil.copy(file, args.logs / f"{name}.{file.name}")
    return {
        "in_words": words.strip(),
        "gate": json.loads(verdict.read_text())["precisions"],
        "against_the_offline_answers": agreement(lines(output), lines(offline)),
        "seconds": seconds,
        "times": json.loads(output.with_suffix(".times.json").read_text()),
    }


def phases() -> dict[str, Callable[[argparse.Namespace], Report]]:
    """By name: serve_<setting>_<reader>, gate_<ablation>_<reader>."""
    found: dict[str, Callable[[argparse.Namespace], Report]] = {}
    for name, checkpoint in (("nframes8", "fp8"), ("fps2", "epoch_2")):
        for reader in READERS:
            found[f"gate_{name}_{reader}"] = partial(gate, name, reader)
            found[f"serve_{name}_{reader}"] = partial(serve, name, checkpoint, reader)
    return found
