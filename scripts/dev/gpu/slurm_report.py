"""What scripts/dev/gpu/slurm_gpus.sh found: Slurm's jobs with the GPUs that they had, the losses side by side, accuracies."""

import argparse
import re
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from dev.gpu.runs import differences, lines
from roadtrain.files import read_json, write_json

KEYS = ("JobId", "JobState", "Comment", "SubmitTime", "StartTime", "EndTime", "NumCPUs", "TRES", "TresPerJob", "GRES")


def main() -> None:
    """Write report.json and logs.tar.xz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ablations", nargs="+", help="those that were trained")
    parser.add_argument("--seconds", type=int, help="what Snakemake took")
    parser.add_argument("--status", type=int, help="its exit code")
    for name in ("logs", "slurm", "out"):
        parser.add_argument(f"--{name}", type=Path)
    args = parser.parse_args()
    report: dict[str, Any] = {"seconds": args.seconds, "status": args.status, "jobs": jobs()}
    seen = [line.split(", ") for line in (args.logs / "gpus.csv").read_text().splitlines()]
    report["gpus_that_computed"] = sorted({line[0] for line in seen if len(line) == 3})
    trained = [name for name in args.ablations if (results(name) / "train_log.jsonl").exists()]
    logs = {name: lines(results(name) / "train_log.jsonl") for name in trained}
    for name, log in logs.items():
        times = [line["seconds"] for line in lines(Path("weights/slurm", name, "train_times.jsonl"))]
        accuracy = results(name) / "accuracy/epoch_2.json"
        report[name] = {
            "losses": [round(line["loss"], 5) for line in log],
            "questions": sum(line["questions"] for line in log),
            "median_step_seconds": sorted(times)[len(times) // 2],
            "accuracy": read_json(accuracy)["accuracy"] if accuracy.exists() else None,
        }
    for name in ("one", "cosmos"):
        if name in logs and "two" in logs:
            report[f"two_and_{name}"] = differences(logs["two"], logs[name])
    write_json(args.out / "report.json", report)
    with tarfile.open(args.out / "logs.tar.xz", "w:xz") as tar:
        for path in [args.logs, *args.slurm.glob("*.log"), Path("logs/slurm"), Path(".snakemake/slurm_logs")]:
            if path.exists():
                tar.add(path)
    print((args.out / "report.json").read_text())
    if missing := [name for name in args.ablations if report.get(name, {}).get("accuracy") is None]:
        raise SystemExit(f"slurm_report.py: no accuracy of {', '.join(missing)}")


def results(name: str) -> Path:
    """What an ablation left."""
    return Path("results/slurm", name)


def jobs() -> list[dict[str, str]]:
    """Each job that Slurm remembers, with the numbers of its GPUs (GRES=gpu:2(IDX:0-1))."""
    command = ["scontrol", "show", "job", "--details", "--oneliner"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in shown if line.startswith("JobId=")]
    return [{key: job[key] for key in KEYS if key in job} for job in found]


if __name__ == "__main__":
    main()
