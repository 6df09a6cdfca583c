"""Which jobs are at work, read from what Snakemake keeps on disk and from Slurm's queue: no process of the run is asked.

Snakemake marks the outputs of every job that it has begun in .snakemake/incomplete, and takes the marks away when the job is
whole (a mark's name is the output's path in base64; it holds the number of a job that was submitted elsewhere). A killed
Snakemake leaves its marks, so they are shown with whether one is alive on this machine.
"""

import base64
import binascii
import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from roadtrain.results.tool_output import tool_output

_COLUMNS = ("%i", "%T", "%M", "%R", "%k", "%Z")  # number, state, time, node or reason, comment, folder


@dataclass(frozen=True)
class RunningJob:
    """A job that Snakemake has begun and not finished."""

    name: str  # in words
    since: float  # seconds since 1970
    submitted: str | None  # its number in another queue, while it waits there


@dataclass(frozen=True)
class SlurmJob:
    """A line of squeue."""

    number: str
    state: str  # RUNNING, PENDING, ..
    time: str
    place: str  # a node, or why it waits
    name: str  # rule and wildcards


def running_jobs(folder: Path, run: str) -> list[RunningJob]:
    """Of one run, those that began first come first. `folder` holds .snakemake."""
    jobs: dict[str, RunningJob] = {}
    for output, file in _marks(folder / ".snakemake/incomplete"):
        name = _job_name(output, run)
        if name is None:
            continue
        with contextlib.suppress(OSError, ValueError):  # finished meanwhile
            since = file.stat().st_mtime
            record = json.loads(file.read_text(encoding="utf-8"))
            before = jobs.get(name)
            submitted = record.get("external_jobid") if isinstance(record, dict) else None
            jobs[name] = RunningJob(name, min(since, before.since) if before else since, submitted)
    return sorted(jobs.values(), key=lambda job: (job.since, job.name))


def _marks(folder: Path) -> Iterator[tuple[str, Path]]:
    """(output, its mark). A long name is spread over folders that begin with @."""
    for place, _, files in os.walk(folder):
        for name in files:
            parts = [*Path(place).relative_to(folder).parts, name]
            text = "".join(part.removeprefix("@") for part in parts)
            with contextlib.suppress(ValueError, binascii.Error):
                yield base64.urlsafe_b64decode(text).decode(), Path(place, name)


def _job_name(output: str, run: str) -> str | None:
    """What makes an output, in words; None for one of another run."""
    if not output.startswith("results/"):
        return f"make {'/'.join(output.split('/')[:2])}"
    parts = output.split("/")[1:]
    if parts[0] != run or len(parts) < 2:
        return None
    match parts[1:]:
        case ["data", *_]:
            return "convert annotations"
        case ["frames", vision, split]:
            return f"decode {split.partition('.')[0]} for {vision}"
        case [ablation, "checkpoints", "zero_shot.json"]:
            return f"look up the base of {ablation}"
        case [ablation, "checkpoints", _] | [ablation, "train_log.jsonl"]:
            return f"train {ablation}"
        case [ablation, "predictions", file]:
            return f"evaluate {file.removesuffix('.jsonl').removesuffix('.source.json')} of {ablation}"
        case [ablation, "accuracy", file]:
            return f"score {file.removesuffix('.json')} of {ablation}"
        case [ablation, "quantized", file]:
            return f"quantize {ablation} to {file.removesuffix('.json')}"
        case [name, *_] if name in ("paper", "metrics"):
            return f"make the {name}"
    return f"make {'/'.join(parts[1:])}"


def snakemake_is_alive(folder: Path) -> bool:
    """Whether a Snakemake of this folder runs on this machine. It holds a lock (locks.hold_snakemake), which the kernel lists:
    trying to lock the file would disturb one that starts."""
    with contextlib.suppress(OSError):
        inode = (folder / ".snakemake/alive").stat().st_ino
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            words = line.split()
            if "FLOCK" in words and "->" not in words and words[5].split(":")[-1] == str(inode):
                return True
    return False


def slurm_jobs(folder: Path, numbers: Sequence[str] = ()) -> list[SlurmJob]:
    """This user's jobs in Slurm's queue that were submitted from `folder`, or have one of these numbers. [] where there is no
    Slurm, or it doesn't answer."""
    text = tool_output("squeue", "--me", "--noheader", "--sort=i", f"--format={'|'.join(_COLUMNS)}")
    jobs = []
    for line in text.splitlines():
        fields = line.split("|", len(_COLUMNS) - 1)
        if len(fields) == len(_COLUMNS) and (fields[0] in numbers or fields[5] == str(folder.resolve())):
            name = fields[4].removeprefix("rule_").replace("_wildcards_", " of ")
            number, state, elapsed, place = fields[:4]
            jobs.append(SlurmJob(number, state, elapsed, place, name))
    return jobs
