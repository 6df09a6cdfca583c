"""The first spec of somebody's own data: what was found in the folder, the model, the GPUs -> the text of a spec.

templates/spec.yaml.j2 has the words. The text is read back as any spec is before anybody writes it to a file.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import jinja2

from roadtrain.cli import UserError
from roadtrain.data.audit import SplitAudit
from roadtrain.data.tally import CappedList
from roadtrain.markup import quantity, visible_line
from roadtrain.model import flops
from roadtrain.spec.reading import read_spec
from roadtrain.spec.yaml_text import parse_values
from roadtrain.train.preflight.fitting import RANK, Fit, fit_model
from roadtrain.train.preflight.look import FolderLook
from roadtrain.train.preflight.tokens import estimated_tokens

STEPS = 10  # an epoch, at least, where there are so many questions
MOST_NAMED = 10  # reasons why questions can't be used, a split
BATCH = 256  # questions a step, at most: the published recipe's


@dataclass(frozen=True)
class Machine:
    """What a run will have."""

    gpus: int  # 0: the CPU
    gib: float  # of the smallest GPU
    note: str  # how that is known


def first_spec(look: FolderLook, model: str, machine: Machine, path: str, run: str, needed: int | None) -> str:
    """The text of the spec; `path` is where it will lie, `needed` how many scenarios a gate of 1 % takes. Raises UserError where
    the model doesn't fit the GPUs."""
    train, val = look.audit.splits["train"], look.audit.splits["val"]
    fit = _fit(model, machine)
    batch = _batch(train.questions, machine.gpus)
    scenarios = len(val.scenarios)
    values = {
        "summary": one_line_summary(look),
        "path": visible_line(path),
        "run": run,
        "data": look.data,
        "sides": f"{len(train.scenarios)} scenarios train, {scenarios} validate",
        "model": model,
        "gpus": machine.gpus,
        "fit": fit,
        "machine": f" ({machine.note})" if machine.note else "",
        "lora": fit is not None and fit.way == "lora",
        "rank": RANK,
        "batch": batch,
        "steps": max(1, train.questions // (batch * max(1, machine.gpus))),
        "longest_answer": look.longest_answer,
        "max_new_tokens": min(4096, estimated_tokens("x" * look.longest_answer) + 2) if look.longest_answer else None,
        "calibration": min(128, train.videos.good),
        "undecided": needed is None or scenarios < needed,
        "scenarios": scenarios,
        "needed": needed,
    }
    template = Path(__file__).resolve().parents[4] / "templates/spec.yaml.j2"
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    environment.filters["yaml"] = _yaml_value
    text = environment.from_string(template.read_text(encoding="utf-8")).render(values)
    spec = read_spec(parse_values(text, path), path)
    if spec.data != look.data or spec.model != model:
        raise ValueError(f"{path}: {spec.data}, {spec.model} was read back, not {look.data}, {model}")
    return text


def one_line_summary(look: FolderLook) -> str:
    """What was found, in numbers."""
    parts = look.audit.splits.values()
    counts = {
        "question": sum(part.questions for part in parts),
        "clip": sum(part.videos.good for part in parts),
        "scenario": len(set().union(*(part.scenarios for part in parts))),
    }
    return " about ".join(
        [
            quantity(counts["question"], "question"),
            f"{quantity(counts['clip'], 'clip')} of {quantity(counts['scenario'], 'scenario')}",
        ]
    )


def details(look: FolderLook) -> list[str]:
    """What a reader wants to know of the questions, and has to decide about. One line each."""
    parts: list[SplitAudit] = list(look.audit.splits.values())
    tasks = [tally.report() for part in parts for tally in part.tasks.values()]
    options = sorted({int(number) for task in tasks for number in task["options"] if number != "0"})
    several = f" with {options[0]} to {options[-1]} options" if len(options) > 1 else ""
    several = several or (f" with {options[0]} options" if options else "")
    lines = [
        f"{sum(task['multiple_choice'] for task in tasks):,} multiple choice{several},"
        f" {sum(task['open'] for task in tasks):,} open, {sum(task['doubtful'] for task in tasks):,} of these doubtful"
    ]
    for split, part in look.audit.splits.items():
        if part.left_out.total:
            lines.append(
                f"{split}: {quantity(part.left_out.total, 'question')} can't be used: mend these, or say"
                " data.on_bad_question: skip of rows that can't be read"
            )
            lines += _named(part.left_out)
        if part.videos.bad:
            lines.append(_bad_clips(split, part, look.data.max_bad_fraction))
    if all(len(part.scenarios) == part.videos.good for part in parts):
        lines.append("each clip is a scenario of its own: clips of one recording or place need a common `scenario`")
    return lines


def _bad_clips(split: str, part: SplitAudit, most: float) -> str:
    """Whether the run goes on without them."""
    bad, total = part.videos.bad, part.videos.good + part.videos.bad
    words = f"{split}: {bad:,} of {quantity(total, 'clip')} can't be used ({bad / total:.1%})"
    if bad > most * total:
        return f"{words}, more than data.max_bad_fraction: {most:g}: the run will stop there; mend them, or raise it"
    return f"{words}, no more than data.max_bad_fraction: {most:g}: the run goes on without them"


def _named(left_out: CappedList) -> list[str]:
    """Each reason once, so that they are mended in one go and not one a look: a bad clip's is that of all its questions."""
    places: dict[tuple[str, str], list[str]] = {}
    for item in left_out.items:
        places.setdefault((item["file"], item["reason"]), []).append(item["path"])
    lines = [
        f"- {file}: {where[0]}: {reason}{f' (and {len(where) - 1} more so)' if len(where) > 1 else ''}"
        for (file, reason), where in places.items()
    ]
    if len(lines) > MOST_NAMED:
        lines[MOST_NAMED:] = [f"- and {len(lines) - MOST_NAMED:,} more; the run's audit has them"]
    return lines


def run_name(folder: str) -> str:
    """A run's name out of a folder's."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", Path(folder).resolve().name).strip("-._")
    return name[:60] or "own-data"


def _fit(model: str, machine: Machine) -> Fit | None:
    """None: of a model whose sizes aren't known, or on a CPU."""
    arch = flops.architecture(model)
    if arch is None or machine.gpus == 0:
        return None
    fit = fit_model(arch, machine.gpus, machine.gib)
    if fit.way == "none":
        raise UserError(
            f"--model {model}: {fit} of {machine.gib:.0f} GiB{f' ({machine.note})' if machine.note else ''}: a smaller model, or"
            " more GPUs (--gpus)"
        )
    return fit


def _batch(questions: int, gpus: int) -> int:
    """Questions a step on each GPU."""
    ranks = max(1, gpus)
    return max(1, min(BATCH, questions // STEPS) // ranks)


def _yaml_value(value: str) -> str:
    """A YAML scalar: as it is where it can't be meant otherwise, else quoted as JSON, which is YAML."""
    plain = re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./@-]*", value) and value.lower() not in (
        "null",
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
    )
    return value if plain else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
