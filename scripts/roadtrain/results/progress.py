"""How far a run is, read from its files alone: Snakemake and the trainers needn't be asked, or be running."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from roadtrain.results.run import AblationResults, Results, describe_checkpoint

RECENT = 20  # steps whose mean time gives the ETA


@dataclass(frozen=True)
class Stage:
    ablation: str  # "" for what all ablations share
    name: str
    done: int
    total: int
    detail: str = ""
    eta: float | None = None  # seconds
    age: float | None = None  # seconds since something was last written

    @property
    def state(self) -> str:
        if self.done >= self.total:
            return "done"
        return "running" if self.age is not None and self.age < 120 else "started" if self.done else "waiting"


def stages(results: Results, now: float | None = None) -> list[Stage]:
    """Every stage of the run, in the order in which files are made."""
    now = time.time() if now is None else now
    paths, at = results.paths, results.at
    found = [
        Stage("", "data", sum(at(p).exists() for p in (paths.llava("train"), paths.llava("val"), paths.audit)), 3),
        _files("", "frames", [at(paths.frames(v, s)) for v in _visions(results) for s in ("train", "val")]),
    ]
    for ablation in results.ablations:
        found.append(_training(ablation, now))
        found += _evaluations(ablation, now)
        name = ablation.name
        if results.precisions:
            found.append(_files(name, "quantize", [at(paths.quantized(name, p)) for p in results.precisions]))
            found.append(_files(name, "gate", [at(paths.gate(name))]))
        found.append(_files(name, "deploy", [at(paths.deploy(name, "manifest.json"))]))
    found.append(_files("", "paper", [at(paths.paper("paper.md"))]))
    found.append(_files("", "report", [at(paths.report)]))
    return found


def _visions(results: Results) -> list[str]:
    return sorted({ablation.settings["vision_name"] for ablation in results.ablations})


def _files(ablation: str, name: str, files: list[Path]) -> Stage:
    return Stage(ablation, name, sum(file.exists() for file in files), len(files))


def _training(ablation: AblationResults, now: float) -> Stage:
    """Steps, loss and ETA from the log that the trainer writes below weights/."""
    results = ablation.of
    root = results.at(results.paths.weights(ablation.name))
    log = list(_lines(root / "train_log.jsonl")) or list(_lines(results.at(results.paths.train_log(ablation.name))))
    times = [line["seconds"] for line in _lines(root / "train_times.jsonl")][-RECENT:]
    plan = results.optional(results.paths.preflight(ablation.name)) or {}
    last = results.optional(results.paths.checkpoint(ablation.name, f"epoch_{ablation.epochs}"))
    total = (last or {}).get("steps") or plan.get("steps") or max(len(log), 1)
    if last:
        return Stage(ablation.name, "train", total, total, _loss(log))
    if not log:
        return Stage(ablation.name, "train", 0, total)
    done = log[-1]["step"]
    # The last step's own files (an epoch's checkpoint) come after it: done is said when the manifest is there.
    eta = (total - done) * sum(times) / len(times) if times else None
    age = now - (root / "train_log.jsonl").stat().st_mtime if (root / "train_log.jsonl").exists() else None
    return Stage(ablation.name, "train", min(done, total - 1) if done >= total else done, total, _loss(log), eta, age)


def _loss(log: list[dict]) -> str:
    if not log:
        return ""
    recent = log[-RECENT:]
    return f"epoch {log[-1]['epoch']}, loss {sum(line['loss'] for line in recent) / len(recent):.3f}"


def _evaluations(ablation: AblationResults, now: float) -> Iterator[Stage]:
    """One line a checkpoint that has been begun, and one for what is left."""
    results, waiting = ablation.of, 0
    for checkpoint in ablation.checkpoints:
        words = f"evaluate {describe_checkpoint(checkpoint)}"
        found = results.optional(results.paths.accuracy(ablation.name, checkpoint))
        predictions = results.at(results.paths.predictions(ablation.name, checkpoint))
        beside = predictions.with_name(f".{predictions.name}.finished")
        if found:
            detail = f"accuracy {found['accuracy']:.2%} ({found['ci95'][0]:.2%} to {found['ci95'][1]:.2%})"
            yield Stage(ablation.name, words, found["total_questions"], found["total_questions"], detail)
        elif beside.exists():
            answered = sum(len(line) for line in _lines(beside))
            index = results.optional(results.paths.frames(ablation.settings["vision_name"], "val"))
            asked = f"{len(index['clips']):,} videos" if index else ""
            age = now - beside.stat().st_mtime
            yield Stage(ablation.name, words, answered, max(answered + 1, _questions(results)), asked, None, age)
        else:
            waiting += 1
    if waiting:
        yield Stage(ablation.name, f"evaluate {waiting} more", 0, waiting)


def _questions(results: Results) -> int:
    audit = results.optional(results.paths.audit)
    return audit["splits"]["val"]["questions"] if audit else 1


def _lines(path: Path) -> Iterator[dict]:
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
