"""How far a run is, read from its files alone: Snakemake and the trainers needn't be asked, or be running."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.words import describe_checkpoint, percent, percent_range

RECENT = 20  # steps whose mean time gives the time left
SILENT_AFTER = 120  # seconds without a new line, after which nothing is said to run


@dataclass(frozen=True)
class Stage:
    """How far one stage of an ablation is, counted in its own units."""

    ablation: str  # "" for what all ablations share
    name: str
    finished: int
    total: int
    detail: str = ""
    seconds_left: float | None = None
    age: float | None = None  # seconds since something was last written
    curve: tuple[float, ...] = ()  # the loss of every step

    @property
    def state(self) -> str:
        if self.finished >= self.total:
            return "done"
        if self.age is not None and self.age < SILENT_AFTER:
            return "running"
        return "started" if self.finished else "waiting"


def stages(results: Results, now: float | None = None) -> list[Stage]:
    """Every stage of the run, in the order in which files are made. `now`: seconds since 1970 (this moment)."""
    now = time.time() if now is None else now
    paths, at = results.paths, results.at
    visions = sorted({ablation.settings["vision_name"] for ablation in results.ablations})
    all_stages = [
        _files("", "data", [at(path) for path in (paths.llava("train"), paths.llava("val"), paths.audit)]),
        _files("", "frames", [at(paths.frames(vision, split)) for vision in visions for split in ("train", "val")]),
    ]
    for ablation in results.ablations:
        name = ablation.name
        all_stages += [_training(ablation, now), *_evaluations(ablation, now)]
        if results.precisions:
            all_stages.append(_files(name, "quantize", [at(paths.quantized(name, p)) for p in results.precisions]))
            all_stages.append(_files(name, "gate", [at(paths.gate(name))]))
        all_stages.append(_files(name, "deploy", [at(paths.deploy(name, "manifest.json"))]))
    all_stages.append(_files("", "paper", [at(paths.paper("paper.md"))]))
    all_stages.append(_files("", "report", [at(paths.report)]))
    return all_stages


def _files(ablation: str, name: str, files: Sequence[Path]) -> Stage:
    return Stage(ablation, name, sum(file.exists() for file in files), len(files))


def _training(ablation: AblationResults, now: float) -> Stage:
    """Steps, loss and time left from the log that the trainer writes below weights/."""
    results = ablation.results
    root = results.at(results.paths.weights(ablation.name))
    running_log = root / "train_log.jsonl"
    log = list(_lines(running_log)) or list(_lines(results.at(results.paths.train_log(ablation.name))))
    last = ablation.last_manifest
    plan = results.optional_json(results.paths.preflight(ablation.name)) or {}
    total = (last.get("steps") if last else None) or plan.get("steps") or max(len(log), 1)
    if last:
        return Stage(ablation.name, "train", total, total, _loss(log), curve=_curve(log))
    if not log:
        return Stage(ablation.name, "train", 0, total)
    step = log[-1]["step"]
    # An epoch's checkpoint comes after its last step: all is done when the manifest is there.
    finished = min(step, total - 1)
    times = [line["seconds"] for line in _lines(root / "train_times.jsonl")][-RECENT:]
    seconds_left = (total - step) * sum(times) / len(times) if times else None
    age = now - running_log.stat().st_mtime if running_log.exists() else None
    return Stage(ablation.name, "train", finished, total, _loss(log), seconds_left, age, _curve(log))


def _curve(log: Sequence[dict[str, Any]]) -> tuple[float, ...]:
    return tuple(line["loss"] for line in log)


def _loss(log: Sequence[dict[str, Any]]) -> str:
    if not log:
        return ""
    recent = log[-RECENT:]
    return f"epoch {log[-1]['epoch']}, loss {sum(line['loss'] for line in recent) / len(recent):.3f}"


def _evaluations(ablation: AblationResults, now: float) -> Iterator[Stage]:
    """One line a checkpoint that has been begun, and one for those that have not."""
    results, waiting = ablation.results, 0
    for checkpoint in (*ablation.checkpoints, *results.baselines):
        name = f"evaluate {describe_checkpoint(checkpoint)}"
        predictions = results.at(results.paths.predictions(ablation.name, checkpoint))
        partial = predictions.with_name(f".{predictions.name}.finished")
        if results.at(results.paths.accuracy(ablation.name, checkpoint)).exists():
            accuracy = ablation.accuracy(checkpoint)
            total = accuracy["total_questions"]
            detail = f"accuracy {percent(accuracy['accuracy'])} ({percent_range(accuracy['ci95'])})"
            yield Stage(ablation.name, name, total, total, detail)
        elif partial.exists():
            answered = sum(len(line) for line in _lines(partial))
            index = results.optional_json(results.paths.frames(ablation.settings["vision_name"], "val"))
            videos = f"{len(index['clips']):,} videos" if index else ""
            age = now - partial.stat().st_mtime
            yield Stage(ablation.name, name, answered, max(answered + 1, _questions(results)), videos, None, age)
        else:
            waiting += 1
    if waiting:
        yield Stage(ablation.name, f"evaluate {waiting} more", 0, waiting)


def _questions(results: Results) -> int:
    """Of the validation split; 1 while nobody knows."""
    return results.audit["splits"]["val"]["questions"] if results.at(results.paths.audit).exists() else 1


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a JSON-lines file that somebody may be writing; what isn't an object is passed over."""
    if not path.exists():
        return
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            try:
                value = json.loads(line)
            except json.JSONDecodeError:  # the line in hand, or the key on the first line of .finished
                continue
            if isinstance(value, dict):
                yield value
