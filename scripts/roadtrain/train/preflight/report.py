"""preflight.json: what a training run holds, what it will cost, what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, NotRequired, TypedDict, cast

from roadtrain.data.question import Question, group_by_clip
from roadtrain.media import Clip
from roadtrain.model import flops
from roadtrain.train.batches import epoch_batches
from roadtrain.train.preflight.checks import Check, RunSizes, check_run
from roadtrain.train.preflight.estimate import Estimate, estimate_run
from roadtrain.train.preflight.machine import machine_checks
from roadtrain.train.preflight.media import ClipPlan
from roadtrain.train.preflight.tokens import ESTIMATE, clip_tokens, tokenizer_of
from roadtrain.train.toml_config import TrainRun


class Clips(TypedDict):
    """How many clips the questions are about, and which of them can't be used."""

    total: int
    left_out: list[str]  # name: reason


class Summary(TypedDict):
    """Of one number for each clip."""

    min: int
    mean: float
    max: int
    total: int


class CheckRow(TypedDict):
    """A Check."""

    name: str
    state: Literal["ok", "problem", "not checked"]
    found: str
    remedy: str


class PreflightReport(TypedDict):
    """The JSON, in its order."""

    model: str
    sequences: str  # shared-video | per-question
    clips: Clips
    questions: int
    vision_tokens: Summary
    tokens_counted: str  # how
    longest_sequence: int  # tokens
    longest_question: int  # tokens of a clip with its longest question alone
    model_max_length: int
    epochs: int
    steps_per_epoch: list[int]
    steps: int
    gpus: int
    calibration_max_length: int | None
    estimate: NotRequired[Estimate]  # of a model whose sizes are known
    checks: list[CheckRow]


def preflight_report(
    run: TrainRun,
    toml: dict[str, Any],
    questions: Sequence[Question],
    plans: Mapping[Clip, ClipPlan | str],
    gpus: int,
    calibration_max_length: int | None = None,
    engine_checks: Sequence[Check] = (),
) -> PreflightReport:
    """`plans`: media.plan_clips. `calibration_max_length`: what quantization takes, None where nothing is quantized.
    `engine_checks`: what the run's engine said to the TOML."""
    usable = {clip: plan for clip, plan in plans.items() if not isinstance(plan, str)}
    trained = [question for question in questions if question.clip in usable]
    clips = group_by_clip(trained)
    count, arch = tokenizer_of(run.model), flops.architecture(run.model)
    tokens = clip_tokens(clips, usable, count or ESTIMATE, run.system_prompt)
    steps = steps_per_epoch(run, trained, max(1, gpus))
    estimate = estimate_run(run, arch, usable, tokens, gpus, sum(steps)) if arch and clips else None
    sizes = RunSizes(
        questions=len(trained),
        longest_sequence=max((one.longest_sequence(run.questions_per_sequence) for one in tokens.values()), default=0),
        longest_question=max((one.longest_sequence(1) for one in tokens.values()), default=0),
        calibration_max_length=calibration_max_length,
        memory_gib_per_gpu=_estimate_of(estimate, run.sequences),
        text_counted=count is not None,
    )
    report: dict[str, Any] = {
        "model": run.model,
        "sequences": run.sequences,
        "clips": clip_counts(plans),
        "questions": sizes.questions,
        "vision_tokens": summary([plan.vision_tokens for plan, _ in usable.values()]),
        "tokens_counted": "vision and text"
        if count
        else "vision; text estimated: the model's tokenizer is not on this machine",
        "longest_sequence": sizes.longest_sequence,
        "longest_question": sizes.longest_question,
        "model_max_length": run.model_max_length,
        "epochs": run.epochs,
        "steps_per_epoch": steps,
        "steps": sum(steps),
        "gpus": gpus,
        "calibration_max_length": calibration_max_length,
    }
    if estimate:
        report["estimate"] = estimate
    report["checks"] = [asdict(check) for check in (*check_run(run, toml, sizes, gpus), *engine_checks)]
    return cast(PreflightReport, report)


def all_checks(report: PreflightReport) -> list[Check]:
    """Those of the run, and of what this machine has now."""
    rows: Sequence[Mapping[str, Any]] = report["checks"]
    checks = [Check(row["name"], _state(row), row["found"], row["remedy"]) for row in rows]
    machine = machine_checks(report["model"], report["gpus"])
    return [*(check for check in checks if check.name not in {one.name for one in machine}), *machine]


def _state(row: Mapping[str, Any]) -> Literal["ok", "problem", "not checked"]:
    """Version 0.2 and earlier wrote `ok`, true or false."""
    return row["state"] if "state" in row else "ok" if row["ok"] else "problem"


def steps_per_epoch(run: TrainRun, questions: list[Question], ranks: int) -> list[int]:
    """Optimizer steps of each epoch; with cosmos-rl as many in every one (train/cosmos/plan.py)."""
    planned = 1 if run.engine == "cosmos-rl" else run.epochs
    steps = [len(epoch_batches(run, questions, epoch=epoch, ranks=ranks)) for epoch in range(1, planned + 1)]
    return steps * run.epochs if run.engine == "cosmos-rl" else steps


def _estimate_of(estimate: Estimate | None, sequences: str) -> float | None:
    if estimate is None:
        return None
    kind = estimate["shared-video"] if sequences == "shared-video" else estimate["per-question"]
    return kind["memory_gib_per_gpu"]


def clip_counts(plans: Mapping[Clip, ClipPlan | str]) -> Clips:
    """How many clips there are, and why some can't be used."""
    left_out = sorted(f"{clip.first.file}: {plan}" for clip, plan in plans.items() if isinstance(plan, str))
    return {"total": len(plans), "left_out": left_out}


def summary(values: list[int]) -> Summary:
    """Of one number for each clip."""
    if not values:
        return {"min": 0, "mean": 0, "max": 0, "total": 0}
    return {"min": min(values), "mean": round(sum(values) / len(values), 1), "max": max(values), "total": sum(values)}
