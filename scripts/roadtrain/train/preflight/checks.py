"""One check for each failure that users of cosmos-rl and of the recipe run into."""

from dataclasses import dataclass
from typing import Any

from roadtrain.model.hub import needs_token
from roadtrain.train import memory
from roadtrain.train.preflight.estimate import GPU_MEMORY
from roadtrain.train.toml_config import TrainRun


@dataclass(frozen=True)
class Check:
    """One known way for a training run to go wrong."""

    name: str
    ok: bool
    found: str  # what the run has; a key of preflight.json
    remedy: str


@dataclass(frozen=True)
class RunSizes:
    """What the checks have to know of a run beside its TOML. Lengths in tokens."""

    questions: int
    longest_sequence: int
    longest_question: int  # a clip with its longest question alone
    calibration_max_length: int | None = None  # None: nothing is quantized
    memory_gib_per_gpu: float | None = None  # None: not known


def check_run(run: TrainRun, toml: dict[str, Any], sizes: RunSizes, gpus: int) -> list[Check]:
    """All checks that don't ask an engine. `toml` is the file as it is, `run` what is read from it."""
    return [
        *_batch_checks(run, sizes.questions, max(1, gpus)),
        _one_frame_rule(toml.get("custom", {}).get("vision", {})),
        _sequence_fits(run, sizes.longest_sequence),
        *_setting_checks(toml),
        *_epoch_checks(toml.get("train", {}).get("ckpt", {}), run.epochs),
        _token_for_gated_model(run.model),
        _memory_fits(sizes.memory_gib_per_gpu, gpus),
        _calibration_fits(sizes.longest_question, sizes.calibration_max_length),
    ]


def _batch_checks(run: TrainRun, questions: int, ranks: int) -> list[Check]:
    per_rank = -(-questions // ranks)
    return [
        Check(
            "mini-batch-divides-batch",
            run.batch_questions % run.mini_batch == 0,
            f"mini_batch {run.mini_batch}, train_batch_per_replica {run.batch_questions}",
            "set train.mini_batch to a divisor of train.train_batch_per_replica",
        ),
        Check(
            "batch-fits-data",
            questions > 0 and run.batch_questions <= per_rank,
            f"{per_rank} questions a rank, train_batch_per_replica {run.batch_questions}",
            "lower train.train_batch_per_replica or train.gpus: an epoch would have no step",
        ),
    ]


def _one_frame_rule(vision: dict[str, Any]) -> Check:
    return Check(
        "one-frame-rule",
        ("fps" in vision) != ("nframes" in vision),
        f"vision: {', '.join(vision) or 'empty'}",
        "give either nframes or fps: with both, workers fall back silently and deadlock",
    )


def _sequence_fits(run: TrainRun, longest_sequence: int) -> Check:
    return Check(
        "sequence-fits-model",
        longest_sequence <= run.model_max_length,
        f"longest sequence {longest_sequence} tokens, model_max_length {run.model_max_length}",
        "raise train.model_max_length, lower the pixels, or set train.questions_per_video",
    )


def _setting_checks(toml: dict[str, Any]) -> list[Check]:
    """Settings that cosmos-rl takes, and that mean another training."""
    train, parallelism = toml.get("train", {}), toml.get("policy", {}).get("parallelism", {})
    kind = train.get("train_policy", {}).get("type")
    return [
        Check(
            "policy-is-sft",
            kind == "sft",
            f"train_policy.type = {kind!r}",
            'keep train.train_policy.type = "sft": without it cosmos-rl trains by reinforcement',
        ),
        Check(
            "compile-off",
            train.get("compile") is False,
            f"train.compile = {train.get('compile')}",
            "keep train.compile = false: Hugging Face models break under cosmos-rl's compile",
        ),
        Check(
            "tensor-parallel-is-one",
            parallelism.get("tp_size") == 1,
            f"tp_size = {parallelism.get('tp_size', 'missing (default 2)')}",
            "keep policy.parallelism.tp_size = 1",
        ),
    ]


def _epoch_checks(ckpt: dict[str, Any], epochs: int) -> list[Check]:
    return [
        Check(
            "every-epoch-saved",
            ckpt.get("enable_checkpoint") is True and ckpt.get("save_freq_in_epoch") == 1,
            f"enable_checkpoint = {ckpt.get('enable_checkpoint')}, save_freq_in_epoch = {ckpt.get('save_freq_in_epoch')}",
            "keep train.ckpt.enable_checkpoint = true and save_freq_in_epoch = 1",
        ),
        Check(
            "epochs-are-kept",
            ckpt.get("max_keep", 5) == -1 or ckpt.get("max_keep", 5) >= epochs,
            f"max_keep = {ckpt.get('max_keep', 'missing (default 5)')}, {epochs} epochs",
            "keep train.ckpt.max_keep above the number of epochs: fewer deletes finished exports",
        ),
    ]


def _token_for_gated_model(model: str) -> Check:
    missing = needs_token(model)
    return Check(
        "token-for-gated-model",
        not missing,
        "no token for a gated model" if missing else "open, or a token is there",
        "accept the model's terms on Hugging Face and set HF_TOKEN",
    )


def _memory_fits(gib_per_gpu: float | None, gpus: int) -> Check:
    return Check(
        "memory-fits-gpu",
        gpus == 0 or gib_per_gpu is None or gib_per_gpu <= GPU_MEMORY * memory.SHARE,
        "no GPU" if gpus == 0 else f"about {gib_per_gpu} GiB a GPU of {GPU_MEMORY}",
        "use more GPUs, fewer pixels or a smaller model",
    )


def _calibration_fits(longest_question: int, max_length: int | None) -> Check:
    return Check(
        "calibration-fits",
        max_length is None or longest_question <= max_length,
        f"longest video and question {longest_question} tokens, calibration_max_length {max_length or 'unused'}",
        "raise quantize.calibration_max_length: shorter ones lose their video",
    )
