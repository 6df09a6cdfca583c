"""Drive the workflow as a user does: a copy of the project in a folder of its own, and the snakemake command."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import yaml

from support.programs import python

ROOT = Path(__file__).parents[2]
# The whole chain, small: two ablations, two epochs, a few rendered scenarios.
SMALL = {
    "run": "small",
    "data": {"sample": {"seed": 0, "train": 8, "val": 5}},
    "train": {"epochs": 2, "train_batch_per_replica": 24},
    "quantize": {"calibration_videos": 4, "max_accuracy_drop": 1.0},
    "logs": {"to": ["tensorboard"] if importlib.util.find_spec("tensorboard") else []},
}


def merged(base: dict, change: dict) -> dict:
    """`base` with the keys of `change` set, section by section; None takes a key away."""
    result = dict(base)
    for key, value in change.items():
        nested = isinstance(value, dict) and isinstance(base.get(key), dict)
        result[key] = merged(base[key], value) if nested else value
        if value is None:
            del result[key]
    return result


def copy_project(to: Path) -> Path:
    """The committed and the new files of this checkout, without what runs made."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    for name in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def write_spec(work: Path, change: dict | None = None, base: str = "specs/sample.yaml") -> Path:
    """spec.yaml in `work`: the sample's spec made small, then changed."""
    spec = merged(merged(yaml.safe_load((ROOT / base).read_text()), SMALL), change or {})
    (work / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    return work / "spec.yaml"


def snakemake(
    work: Path, *args: str, spec: str | None = "spec.yaml", timeout: int = 1700, afresh: bool = False
) -> subprocess.CompletedProcess:
    """Run snakemake in `work`; stdout and stderr come back as text in .stdout. `afresh`: every program imports all itself."""
    command = [python(afresh), "-m", "snakemake", "--cores", "2", *args]
    command += ["--configfile", spec] if spec else []  # last: it takes every word that follows
    return subprocess.run(
        command, cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout
    )


def must_run(work: Path, *args: str, **kwargs) -> str:
    process = snakemake(work, *args, **kwargs)
    assert process.returncode == 0, process.stdout[-6000:]
    return process.stdout


def planned(work: Path, *args: str, **kwargs) -> dict[str, int]:
    """The jobs that a dry run wants: {rule: count}, targets left out."""
    out = must_run(work, *args, "--dry-run", "--quiet", "rules", **kwargs)
    if "Nothing to be done" in out:
        return {}
    table = out.split("Job stats:\n")[1].split("\n\n")[0].splitlines()[2:]
    jobs = {rule: int(count) for rule, count in (line.rsplit(maxsplit=1) for line in table)}
    targets = {"all", "total", "data", "plan", "train", "evaluate", "quantize", "cards", "deploy", "paper", "report"}
    return {rule.strip(): count for rule, count in jobs.items() if rule.strip() not in targets}


def read(path: Path):
    return json.loads(path.read_text())
