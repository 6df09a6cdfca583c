"""What scale.py reckons with: figures of two runs, unit costs from the benchmarks' JSON, what is assumed, and one's own."""

import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from roadtrain import cli
from roadtrain.files import read_json

FIGURES = Path(__file__).parents[2] / "docs/figures"
MEASURED = "bench_scale.json"
DAY = 86_400.0
# A run's own figures. The first is the recipe's kind at WTS's questions a video, 60,000 of its videos.
RUNS: dict[str, dict[str, float]] = {
    "post-training": {
        "videos": 60_000,
        "seconds": 75,
        "questions": 1_000_000,
        "val_share": 0.1,
        "epochs": 3,
        "ablations": 2,
        "batch": 32,  # questions a step on each GPU: train_batch_per_replica
        "cameras": 0,
        "settings": 2,  # of vision: both published ones, or the smaller alone
    },
    "cameras": {
        "videos": 0,  # cameras times a day in clips of so many seconds
        "seconds": 75,
        "questions": 0,  # 16 a clip
        "val_share": 1,
        "epochs": 0,
        "ablations": 1,
        "batch": 32,
        "cameras": 1_000,
        "settings": 1,
    },
}
ASSUMED: dict[str, tuple[float, str]] = {
    "video_mbit": (4, "Mbit/s of a camera's H.264"),
    "network_gbit": (400, "Gbit/s between nodes, of each node"),
    "storage_gb": (10, "GB/s of the shared file system, all nodes together"),
    "node_cores": (96, "cores of a node"),
    "job_start": (60, "s until a job asks its first question: environment, model, compiling"),
    "step_questions": (256, "questions of a step at which the recipe was published: more are another training"),
}


@dataclass(frozen=True)
class Unit:
    """A figure and where it is from."""

    value: float
    words: str
    source: str


def measured(figures: Path) -> dict[str, Unit]:
    """Unit costs from the benchmarks' files. Raises KeyError or StopIteration where a file has no such row."""
    gpu, convert = read_json(figures / "bench_gpu.json"), read_json(figures / "bench_convert.json")
    workflow, decode = read_json(figures / "bench_workflow.json"), read_json(figures / "bench_decode.json")
    own, frames = read_json(figures / MEASURED), read_json(figures / "bench_frames.json")
    write = {
        name: statistics.median(cpu for _, cpu in clips)
        for name, clips in frames["seconds_a_clip_wall_and_cpu"].items()
    }
    questions = gpu["training"][0]["machine"]["questions"]
    train = row(gpu["training"][0]["rows"], size="2B", vision_tokens=2880, way="shared/2")
    ask = row(gpu["evaluation"][0]["rows"], size="2B", vision_tokens=2880, way="shared")
    plan, converted = workflow["plans"]["1000"], max(convert["runs"], key=lambda run: run["questions"])
    converted = row(convert["runs"], questions=converted["questions"], method="ours", workers=1)
    words = decode["command"].split()
    seconds = float(words[words.index("--seconds") + 1])
    reader = row(decode["rows"], codec="H.264", reader="pyav")
    return {
        "train_video": Unit(
            train["seconds_a_video"], f"GPU s a video and epoch, {questions} questions, 2,880 tokens", "bench_gpu.json"
        ),
        "ask_video": Unit(ask["seconds_a_video"], "GPU s a video, its questions asked", "bench_gpu.json"),
        "questions_video": Unit(questions, "questions a video of both", "bench_gpu.json"),
        "decode_second": Unit(
            reader["cpu_seconds"] / seconds, "core s a second of 1080p, both settings", "bench_decode.json"
        ),
        "decode_alone": Unit(
            write["write nframes8"] / write["write both"], "of that, the smaller setting alone", "bench_frames.json"
        ),
        "convert_question": Unit(
            converted["cpu_seconds"] / converted["questions"], "core s a question", "bench_convert.json"
        ),
        "conversation_bytes": Unit(
            converted["bytes"] / converted["questions"], "bytes a question", "bench_convert.json"
        ),
        "plan_job": Unit(plan["cpu_seconds"] / plan["jobs"], "core s a job of a plan", "bench_workflow.json"),
        "plan_job_mb": Unit(plan["memory_mb"] / plan["jobs"], "MB a job of a plan", "bench_workflow.json"),
        "jobs_ablation": Unit(plan["jobs"] / 1000, "jobs an ablation", "bench_workflow.json"),
        **{name: Unit(unit["value"], unit["words"], MEASURED) for name, unit in own["units"].items()},
    }


def row(rows: list[dict[str, Any]], **wanted: object) -> dict[str, Any]:
    """The first row with these values."""
    return next(one for one in rows if all(one.get(key) == value for key, value in wanted.items()))


def read_figures(run: str, figures: Path, own: dict[str, float]) -> tuple[dict[str, float], dict[str, str]]:
    """({name: value}, {name: what it is and where it is from}). Raises UserError for a name that is no figure's."""
    known = {name: (unit.value, f"{unit.words}; {unit.source}") for name, unit in measured(figures).items()}
    known |= {name: (value, f"{words}; assumed") for name, (value, words) in ASSUMED.items()}
    known |= {name: (value, f"of the run {run}") for name, value in RUNS[run].items()}
    if unknown := sorted(own.keys() - known.keys()):
        raise cli.UserError(f"--set {unknown[0]}: no such figure; there are {', '.join(sorted(known))}")
    known |= {name: (value, "yours") for name, value in own.items()}
    values = {name: value for name, (value, _) in known.items()}
    if values["cameras"]:
        values["videos"] = values["cameras"] * DAY / values["seconds"]
        values["questions"] = values["videos"] * values["questions_video"]
    return values, {name: source for name, (_, source) in known.items()}


def own_figures(pairs: list[str], file: Path | None) -> dict[str, float]:
    """{name: value} of a YAML file and of NAME=VALUE, which goes before it. Raises UserError naming what isn't one."""
    lines = {} if file is None else yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(lines, dict):
        raise cli.UserError(f"{file}: expected lines of `name: number`")
    for pair in pairs:
        name, _, value = pair.partition("=")
        lines[name] = value
    for name, value in lines.items():
        try:
            lines[name] = float(value)
        except (TypeError, ValueError):
            raise cli.UserError(f"--set {name}: {value!r}: expected a number") from None
        if not 0 <= lines[name] < math.inf:
            raise cli.UserError(f"--set {name}: {value!r}: expected a number from 0 on")
    return lines


def renewed(page: str, blocks: dict[str, str]) -> str:
    """The page with each block that it has, between `<!-- NAME -->` and `<!-- end -->`, as it is now."""
    for name, block in blocks.items():
        begin, end = f"<!-- {name} -->\n", "\n<!-- end -->"
        if begin in page:
            before, _, rest = page.partition(begin)
            page = before + begin + block + end + rest.partition(end)[2]
    return page
