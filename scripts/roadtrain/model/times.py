"""When, where and how long: what a job measured, kept apart from what it computed (<result>.times.json beside it).

Results are the same bytes whenever and wherever they are made again; these files are not. No rule reads them and nothing
is stale by them; the report's summary shows them, where they are.
"""

import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import NotRequired, TypedDict

from roadtrain.files import read_json, write_json

PRICE = "ROADTRAIN_GPU_HOUR"  # the price of an hour on one GPU, as scripts/show_plan.py reads it
_CODE = Path(__file__).parent
_GPUS, _CPU = Path("/proc/driver/nvidia/gpus"), Path("/proc/cpuinfo")


class Times(TypedDict):
    """The JSON of such a file."""

    date: str  # 2026-11-29, UTC: the day on which it was finished
    commit: str | None  # of the code, with a + where files differed from it; None outside of a clone
    hardware: str  # 2 x NVIDIA H200; AMD EPYC 7763 (4 cores)
    gpus: int  # 0: a CPU
    seconds: NotRequired[float]  # of the job, loading the model included; of training the manifest has them
    questions: NotRequired[int]  # that were asked in these seconds: a job that goes on after a kill asks the rest
    gpu_hour: NotRequired[float]  # the price then


def note_times(path: str | Path, gpus: int, **measured: float) -> None:
    """Write the file of a job that ends now. `measured`: seconds, questions."""
    times: Times = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": commit(),
        "hardware": hardware(gpus),
        "gpus": gpus,
    }
    if (price := _price()) is not None:
        times["gpu_hour"] = price
    write_json(path, times | measured)


def read_times(path: str | Path) -> Times | None:
    """None where there is no such file, as in a run of an earlier version. Raises ValueError naming the file."""
    if not Path(path).exists():
        return None
    value: Times = read_json(path)
    if not isinstance(value, dict) or not {"date", "commit", "hardware", "gpus"} <= value.keys():
        raise ValueError(
            f"{path}: expected date, commit, hardware and gpus: delete the file; nothing is computed from it"
        )
    return value


def hardware(gpus: int) -> str:
    """Of this machine, in words: so many of its GPUs, or its processor."""
    if gpus:
        return f"{gpus} x {_gpu_model()}"
    return f"{_line_of(_CPU, 'model name') or platform.machine()} ({os.cpu_count()} cores)"


def commit() -> str | None:
    """Of the code that runs: 4d7cb13, or 4d7cb13+ where tracked files were changed. None outside of a clone."""
    head = _git("rev-parse", "--short=10", "HEAD")
    return head and head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(_CODE), *arguments]
    try:
        process = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):  # no git, no clone, another user's clone
        return None
    return process.stdout.strip()


def _gpu_model() -> str:
    models = {_line_of(path, "Model") for path in sorted(_GPUS.glob("*/information"))} - {""}
    return " or ".join(sorted(models)) or "NVIDIA GPU"


def _line_of(path: Path, key: str) -> str:
    """The value of the first `key : value` of a file of /proc."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == key), "")


def _price() -> float | None:
    """None where it is no number, too: a finished job is not lost for that. show_plan.py refuses it before any job."""
    try:
        return float(os.environ.get(PRICE, ""))
    except ValueError:
        return None
