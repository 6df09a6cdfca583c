"""A training run as both engines read it: cosmos-rl's TOML, typed.

run = read_train_run("results/sample/nframes8/sft.toml")
run.learning_rate, run.frames_index
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from roadtrain.model.parts import PARTS


@dataclass(frozen=True)
class LoraRun:
    """An adapter; what each value means says the spec's section."""

    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...]
    rslora: bool
    merge: bool

    @property
    def parts(self) -> set[str]:
        """Parts of the model that have adapters."""
        return {target.split(".")[0] for target in self.targets}


@dataclass(frozen=True)
class TrainRun:
    """What an engine needs. Counts of questions and steps are per data-parallel rank, as in cosmos-rl."""

    source: str  # the TOML, for messages
    engine: str  # cosmos-rl | local
    model: str
    model_max_length: int  # tokens
    gradient_checkpointing: str  # auto | on | off
    llava: str
    media: str
    frames_index: str
    system_prompt: str
    vision: dict[str, Any]
    sequences: str  # shared-video | per-question
    questions_per_video: int | None  # None: all
    epochs: int
    optimizer: str  # AdamW | Muon
    learning_rate: float  # the peak
    learning_rates: dict[str, float]  # {part of the model: its own peak}
    freeze: tuple[str, ...]  # parts of the model (model/parts.py)
    cache_features: bool  # of a frozen vision tower, where it is frozen
    lora: LoraRun | None  # None: the weights themselves are trained
    epsilon: float
    schedule: str  # cosine | linear | constant
    warmup_steps: int
    weight_decay: float
    max_grad_norm: float
    batch_questions: int  # questions in one optimizer step
    mini_batch: int
    dtype: str
    seed: int
    state_every_steps: int
    ranks: int  # data-parallel ranks: GPUs, or 1 on a CPU
    gpus: int  # 0: the CPU (the local engine)
    output_dir: str

    @property
    def frozen_parts(self) -> frozenset[str]:
        """Parts of the model in which nothing is trained."""
        return frozenset(PARTS) - self.lora.parts if self.lora else frozenset(self.freeze)

    @property
    def reads_features(self) -> bool:
        """Whether a frozen tower's outputs are computed once and read in every pass."""
        return self.engine == "local" and self.cache_features and "vision" in self.frozen_parts

    @property
    def questions_per_sequence(self) -> int | None:
        """How many questions of a clip share a sequence at most; None: all of them."""
        return 1 if self.sequences == "per-question" else self.questions_per_video


def read_train_run(path: str | Path) -> TrainRun:
    """Raises ValueError naming the file and the key that is missing."""
    try:
        value = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from None
    return parse_train_run(value, str(path))


def parse_train_run(value: dict[str, Any], source: str) -> TrainRun:
    """The same of a TOML that is read already; `source` is its name in messages."""

    def get(keys: str) -> Any:
        here: Any = value
        for key in keys.split("."):
            if not isinstance(here, dict) or key not in here:
                raise ValueError(f"{source}: {keys} is missing")
            here = here[key]
        return here

    local = value.get("custom", {}).get("local", {})
    if "embedding_learning_rate" in local:  # rendered by 0.2
        raise ValueError(
            f"{source}: custom.local.embedding_learning_rate is called custom.local.learning_rates.embeddings now: render it again"
        )
    return TrainRun(
        source=source,
        model=get("policy.model_name_or_path"),
        model_max_length=get("policy.model_max_length"),
        gradient_checkpointing=get("custom.local.gradient_checkpointing"),
        llava=get("custom.dataset.annotation_path"),
        media=get("custom.dataset.media_path"),
        frames_index=get("custom.dataset.frames_index"),
        system_prompt=get("custom.dataset.system_prompt"),
        vision=get("custom.vision"),
        sequences=get("custom.sequences.kind"),
        questions_per_video=get("custom.sequences.questions_per_video") or None,
        epochs=get("train.epoch"),
        optimizer=get("custom.local.optimizer"),
        learning_rate=get("train.optm_lr"),
        learning_rates=local.get("learning_rates", {}),
        freeze=tuple(get("custom").get("freeze", ())),
        cache_features=get("custom").get("cache_features", "auto") == "auto",
        lora=_lora_run(get) if "lora" in get("custom") else None,
        epsilon=get("train.epsilon"),
        schedule=get("custom.local.schedule"),
        warmup_steps=get("train.optm_warmup_steps"),
        weight_decay=get("train.optm_weight_decay"),
        max_grad_norm=get("train.optm_grad_norm_clip"),
        batch_questions=get("train.train_batch_per_replica"),
        mini_batch=get("train.train_policy.mini_batch"),
        dtype=get("train.param_dtype"),
        seed=get("train.seed"),
        state_every_steps=get("custom.local.state_every_steps"),
        ranks=get("policy.parallelism.dp_shard_size"),
        gpus=get("custom.local.gpus"),
        output_dir=get("train.output_dir"),
        engine=get("custom.engine"),
    )


def _lora_run(get: Callable[[str], Any]) -> LoraRun:
    values = {field.name: get(f"custom.lora.{field.name}") for field in fields(LoraRun)}
    return LoraRun(**values | {"targets": tuple(values["targets"])})


def replace_values(text: str, values: Mapping[str, str], source: str | Path) -> str:
    """A rendered TOML with other `values`, which are TOML already, by their keys. Raises ValueError naming `source` when a
    key doesn't stand there just once."""
    for key, value in values.items():
        line = f"{key} = {value}".replace("\\", "\\\\")  # a backslash would be an escape
        text, count = re.subn(rf"^{key} = .*$", line, text, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"{source}: {count} lines {key} = ..: not rendered by render_toml.py")
    return text
