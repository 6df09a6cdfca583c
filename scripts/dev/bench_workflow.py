#!/usr/bin/env python3
"""Time of the workflow itself: how long Snakemake plans config.yaml with 10, 100, 1,000 ablations, and a run of nothing.

Plans: config.yaml with so many ablations of three epochs each, nothing made yet, `snakemake -n`. A run of nothing:
config.yaml as it is, every output there with Snakemake's records, `snakemake`. Raw data are empty files in WTS's layout.
One plan is made once more under cProfile: which share of the CPU time is Snakemake's, which ours (Snakefile, rules/,
scripts/roadtrain/).

    PYTHONPATH=scripts python scripts/dev/bench_workflow.py --sizes 10 100 1000 --output docs/figures/bench_workflow.json
"""

import argparse
import json
import os
import platform
import pstats
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from dev.machine import cpu
from roadtrain import cli
from roadtrain.files import write_json

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("Snakefile", "rules", "scripts", "templates", "envs", "profiles", "specs")
SPLITS = {"train": 250, "val": 90}  # scenarios, about WTS's
# CPU time, not the clock: other programs of the machine must not count.
PROFILED = """
import cProfile, sys, time
profile = cProfile.Profile(time.process_time)
try:
    from snakemake.cli import main
    profile.runcall(main, sys.argv[1:])
finally:
    profile.dump_stats("profile")
"""
# An index of frames and a checkpoint's manifest, of nothing: both are read before the first job.
NOTHING = {"clips": [], "checkpoint": "none", "path": ".", "sha256": "", "files": {}}
VIEWS = ("overhead_view/camera1.mp4", "overhead_view/camera2.mp4", "vehicle_view/vehicle.mp4")


@cli.main
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10, 100, 1000], help="numbers of ablations (%(default)s)"
    )
    parser.add_argument("--profile", type=int, default=100, help="ablations of the plan under cProfile (%(default)s)")
    parser.add_argument("--repeat", type=int, default=1, help="the best of so many runs counts (%(default)s)")
    parser.add_argument("--output", type=Path, help="JSON with every measurement")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for name in NEEDED:
            (work / name).symlink_to(ROOT / name)
        write_raw_data(work / "data/wts")
        plans = {}
        for size in tqdm(args.sizes, desc="plans", unit="size"):
            write_spec(work / "spec.yaml", size)
            plans[size] = best(work, args.repeat, "--dry-run", "--quiet", "rules")
            tqdm.write(f"{size} ablations: {plans[size]}")
        write_spec(work / "spec.yaml", args.profile)
        shares, functions = profiled(work)
        write_spec(work / "spec.yaml", None)
        make_outputs(work)
        nothing = best(work, args.repeat, says="Nothing to be done")
    result = {
        "machine": {
            "cpu": cpu(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load": os.getloadavg()[1],
        },
        "command": " ".join(["python", *sys.argv]),
        "plans": plans,
        "nothing_to_do": nothing,
        "profiled_ablations": args.profile,
        "cpu_shares": shares,
        "functions": functions,
    }
    if args.output:
        write_json(args.output, result)
    print("| ablations | jobs | CPU | clock | memory |\n| ---: | ---: | ---: | ---: | ---: |")
    for size, run in plans.items():
        print(
            f"| {size:,} | {run['jobs']:,} | {run['cpu_seconds']:.1f} s | {run['seconds']:.1f} s | {run['memory_mb']:,} MB |"
        )
    print(
        f"| nothing to do | 0 | {nothing['cpu_seconds']:.1f} s | {nothing['seconds']:.1f} s | {nothing['memory_mb']:,} MB |"
    )
    print("\n".join(f"{share:6.1%}  {name}" for name, share in shares.items()))
    print("\n".join(f"{row['seconds']:8.2f} s {row['calls']:>10,}  {row['function']}" for row in functions))


def write_raw_data(root: Path) -> None:
    for split, count in SPLITS.items():
        for number in range(count):
            scenario = f"20230707_{number}_SN{number:03}_T1"
            files = [f"videos/{split}/{scenario}/{view}" for view in VIEWS]
            for file in [*files, f"annotations/vqa/{split}/{scenario}/environment/{scenario}.json"]:
                (root / file).parent.mkdir(parents=True, exist_ok=True)
                (root / file).touch()


def write_spec(path: Path, ablations: int | None) -> None:
    """config.yaml, with so many ablations (None: its own) that share its two vision settings."""
    spec = yaml.safe_load((ROOT / "config.yaml").read_text())
    if ablations:
        visions = [ablation["vision"] for ablation in spec["ablations"].values()]
        spec["ablations"] = {
            f"a{n:04}": {"vision": visions[n % len(visions)], "train": {"learning_rate": 1e-5 + n * 1e-8}}
            for n in range(ablations)
        }
    path.write_text(yaml.safe_dump(spec, sort_keys=False))


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "2", *options, "--configfile", "spec.yaml"]


def best(work: Path, repeat: int, *options: str, says: str = "") -> dict[str, float]:
    """Clock, CPU and memory of the quickest of `repeat` runs. RuntimeError when one fails or doesn't say `says`."""
    runs = []
    for _ in range(repeat):
        with open(work / "snakemake.out", "w+") as out:
            began = time.monotonic()
            run = subprocess.Popen(command(*options), cwd=work, stdout=out, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(run.pid, 0)
            seconds = time.monotonic() - began
            run.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            text = out.read()
        if run.returncode or says not in text:
            raise RuntimeError(text[-4000:])
        total = [line.split()[1] for line in text.splitlines() if line.startswith("total ")]  # of its table of jobs
        memory = usage.ru_maxrss / 1024 * (1 if sys.platform == "linux" else 1 / 1024)
        runs.append(
            {
                "seconds": round(seconds, 2),
                "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
                "memory_mb": round(memory),
                "jobs": int(total[0]) if total else 0,
            }
        )
    return min(runs, key=lambda run: run["cpu_seconds"])


def profiled(work: Path) -> tuple[dict[str, float], list[dict]]:
    """(share of the CPU time by whose code it is, the ten functions that took most) of the plan that spec.yaml asks for."""
    python, _, _, *rest = command("--dry-run", "--quiet")
    process = subprocess.run([python, "-c", PROFILED, *rest], cwd=work, capture_output=True, text=True)
    if not (work / "profile").exists():
        raise RuntimeError(process.stdout[-2000:] + process.stderr[-2000:])
    profile: Any = pstats.Stats(str(work / "profile"))  # its table is not in the type stubs
    stats = profile.stats
    seconds_of = {function: row[2] for function, row in stats.items()}
    # What Python's own functions take is their callers', by how much each caller had of them.
    for _ in range(30):
        for function, (_, _, _, _, callers) in stats.items():
            whole = sum(row[3] for row in callers.values())
            if owner(function[0]) == "Python" and whole and seconds_of[function]:
                seconds, seconds_of[function] = seconds_of[function], 0.0
                for caller, row in callers.items():
                    seconds_of[caller] += seconds * row[3] / whole
    shares: Counter = Counter()
    for function, seconds in seconds_of.items():
        shares[owner(function[0])] += seconds
    total = sum(shares.values())
    rows = [
        {
            "seconds": round(seconds, 2),
            "calls": stats[function][1],
            "function": "{}: {}:{} {}".format(owner(function[0]), Path(function[0]).name, *function[1:]),
        }
        for function, seconds in sorted(seconds_of.items(), key=lambda item: -item[1])[:10]
    ]
    return {name: round(seconds / total, 3) for name, seconds in shares.most_common(6)}, rows


def owner(file: str) -> str:
    parts = Path(file).parts
    if "roadtrain" in parts or file.endswith((".smk", "/Snakefile")):
        return "Roadtrain"
    if "snakemake" in parts or any(part.startswith("snakemake_interface") for part in parts):
        return "Snakemake"
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    return "Python"


def make_outputs(work: Path) -> None:
    """Every output as a small file, and Snakemake's records of it: `--touch` writes them for files that are there."""
    summary = subprocess.run(command("--dry-run", "--detailed-summary"), cwd=work, capture_output=True, text=True)
    for row in summary.stdout.splitlines()[1:]:
        path = work / row.split("\t")[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(NOTHING))
    process = subprocess.run(command("--touch", "--quiet"), cwd=work, capture_output=True, text=True)
    if process.returncode:
        raise RuntimeError(process.stdout[-2000:] + process.stderr[-2000:])


if __name__ == "__main__":
    main()
