"""One check for each failure that users of cosmos-rl and of the recipe run into. What this machine has: machine.py."""

from dataclasses import dataclass
from typing import Any, Literal

from roadtrain.train import memory
from roadtrain.train.preflight.estimate import GPU_MEMORY
from roadtrain.train.toml_config import TrainRun


@dataclass(frozen=True)
class Check:
    """One known way for a training run to go wrong."""

    name: str
    state: Literal["ok", "problem", "not checked"]  # what isn't known is not ok
    found: str  # what was looked at, and what the run has; a key of preflight.json
    remedy: str


def checked_as(name: str, right: bool, finding: str, remedy: str) -> Check:
    """A check that could be made."""
    return Check(name, "ok" if right else "problem", finding, remedy)


def is_problem(check: Check) -> bool:
    """What a run must not begin with; not what isn't known here."""
    return check.state == "problem"


@dataclass(frozen=True)
class RunSizes:
    """What the checks have to know of a run beside its TOML. Lengths in tokens."""

    questions: int
    longest_sequence: int
    longest_question: int  # a clip with its longest question alone
    calibration_max_length: int | None = None  # None: nothing is quantized
    memory_gib_per_gpu: float | None = None  # None: not known
    text_counted: bool = True  # by the model's tokenizer; False: estimated, rather too long


def check_run(run: TrainRun, toml: dict[str, Any], sizes: RunSizes, gpus: int) -> list[Check]:
    """All checks that don't ask an engine. `toml` is the file as it is, `run` what is read from it."""
    return [
        *_batch_checks(run, sizes.questions, max(1, gpus)),
        _one_frame_rule(toml.get("custom", {}).get("vision", {})),
        _sequence_fits(run, sizes),
        *_setting_checks(toml),
        *_epoch_checks(toml.get("train", {}).get("ckpt", {}), run.epochs),
        _memory_fits(run.model, sizes.memory_gib_per_gpu, gpus),
        _calibration_fits(sizes.longest_question, sizes.calibration_max_length),
    ]


def _batch_checks(run: TrainRun, questions: int, ranks: int) -> list[Check]:
    per_rank = -(-questions // ranks)
    return [
        checked_as(
            "mini-batch-divides-batch",
            run.batch_questions % run.mini_batch == 0,
            f"mini_batch {run.mini_batch}, train_batch_per_replica {run.batch_questions}",
            "set train.mini_batch to a divisor of train.train_batch_per_replica",
        ),
        checked_as(
            "batch-fits-data",
            questions > 0 and run.batch_questions <= per_rank,
            f"{per_rank} questions a rank, train_batch_per_replica {run.batch_questions}",
            "lower train.train_batch_per_replica or train.gpus: an epoch would have no step",
        ),
    ]


def _one_frame_rule(vision: dict[str, Any]) -> Check:
    return checked_as(
        "one-frame-rule",
        ("fps" in vision) != ("nframes" in vision),
        f"vision: {', '.join(vision) or 'empty'}",
        "give either nframes or fps: with both, workers fall back silently and deadlock",
    )


def _sequence_fits(run: TrainRun, sizes: RunSizes) -> Check:
    name = "sequence-fits-model"
    finding = f"longest sequence {sizes.longest_sequence} tokens, model_max_length {run.model_max_length}"
    remedy = "raise train.model_max_length, lower the pixels, or set train.questions_per_video"
    fits = sizes.longest_sequence <= run.model_max_length
    if not sizes.text_counted:
        finding += f" (text estimated, rather too long: no {run.model}/tokenizer.json)"
    return checked_as(name, fits, finding, remedy)


def _setting_checks(toml: dict[str, Any]) -> list[Check]:
    """Settings that cosmos-rl takes, and that mean another training."""
    train, parallelism = toml.get("train", {}), toml.get("policy", {}).get("parallelism", {})
    kind = train.get("train_policy", {}).get("type")
    return [
        checked_as(
            "policy-is-sft",
            kind == "sft",
            f"train_policy.type = {kind!r}",
            'keep train.train_policy.type = "sft": without it cosmos-rl trains by reinforcement',
        ),
        checked_as(
            "compile-off",
            train.get("compile") is False,
            f"train.compile = {train.get('compile')}",
            "keep train.compile = false: Hugging Face models break under cosmos-rl's compile",
        ),
        checked_as(
            "tensor-parallel-is-one",
            parallelism.get("tp_size") == 1,
            f"tp_size = {parallelism.get('tp_size', 'missing (default 2)')}",
            "keep policy.parallelism.tp_size = 1",
        ),
    ]


def _epoch_checks(ckpt: dict[str, Any], epochs: int) -> list[Check]:
    return [
        checked_as(
            "every-epoch-saved",
            ckpt.get("enable_checkpoint") is True and ckpt.get("save_freq_in_epoch") == 1,
            f"enable_checkpoint = {ckpt.get('enable_checkpoint')}, save_freq_in_epoch = {ckpt.get('save_freq_in_epoch')}",
            "keep train.ckpt.enable_checkpoint = true and save_freq_in_epoch = 1",
        ),
        checked_as(
            "epochs-are-kept",
            ckpt.get("max_keep", 5) == -1 or ckpt.get("max_keep", 5) >= epochs,
            f"max_keep = {ckpt.get('max_keep', 'missing (default 5)')}, {epochs} epochs",
            "keep train.ckpt.max_keep above the number of epochs: fewer deletes finished exports",
        ),
    ]


def _memory_fits(model: str, gib_per_gpu: float | None, gpus: int) -> Check:
    name, remedy = "memory-fits-gpu", "use more GPUs, fewer pixels or a smaller model"
    if gpus == 0:
        return Check(name, "not checked", "train.gpus: 0: a CPU's memory isn't looked at", remedy)
    if gib_per_gpu is None:
        why = f"{model}: no config.json here, and not one of the models whose sizes are known"
        return Check(name, "not checked", f"{why}: memory is not known", "put the model on this machine and plan again")
    finding = f"about {gib_per_gpu} GiB a GPU of {GPU_MEMORY} GiB (assumed)"
    return checked_as(name, gib_per_gpu <= GPU_MEMORY * memory.SHARE, finding, remedy)


def _calibration_fits(longest_question: int, max_length: int | None) -> Check:
    name, remedy = "calibration-fits", "raise quantize.calibration_max_length: shorter ones lose their video"
    if max_length is None:
        return Check(name, "not checked", "nothing is quantized", remedy)
    finding = f"longest video and question {longest_question} tokens, calibration_max_length {max_length}"
    return checked_as(name, longest_question <= max_length, finding, remedy)
