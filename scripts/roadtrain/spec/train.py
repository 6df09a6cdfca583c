"""`train`: one description of a training run for both engines. Defaults are the published recipe's."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from roadtrain.spec.lora import Lora
from roadtrain.spec.parts import PATTERNS, LearningRates, Part
from roadtrain.spec.section import Integer, Line, Number, Once, Section, Seed, Switch

# Keys that one engine reads and the other passes over. (Others that it has no use for are refused below.)
KEYS_OF_ENGINE = {
    "local": frozenset({"state_every_steps", "cache_features"}),
    "cosmos-rl": frozenset({"dataloader_num_workers", "dataloader_prefetch_factor", "logger", "project_name"}),
}


class Train(Section):
    engine: Literal["cosmos-rl", "local"] = Field(
        "local",
        description="local: plain PyTorch and transformers on a CPU or on GPUs; cosmos-rl: NVIDIA's trainer (docs/cosmos-rl.md); both: one to many machines",
    )
    sequences: Literal["shared-video", "per-question"] = Field(
        "shared-video", description="one sequence a video with all its questions, or the recipe's one a question"
    )
    questions_per_video: Annotated[Integer, Field(ge=1)] | Literal["all"] = Field(
        "all", description="shared-video: at most so many questions of a video in one sequence"
    )
    epochs: Annotated[Integer, Field(ge=1, le=1000)] = Field(3, description="each is kept as a checkpoint")
    optimizer: Literal["AdamW", "Muon"] = Field(
        "AdamW", description="local: Muon learns the linear layers' weights in fewer steps, AdamW has the rest"
    )
    learning_rate: Annotated[Number, Field(gt=0, le=1)] = Field(2e-5, description="the peak")
    learning_rates: LearningRates = LearningRates()
    lora: Lora | None = None
    freeze: list[Part] = Field(
        [],
        description="parts that stay as they are: vision (the tower), projector (its merger and deepstack mergers), language, embeddings (with the head)",
    )
    cache_features: Literal["auto", "off"] = Field(
        "auto",
        description="local: a frozen vision tower sees a video once, and what it gives is kept beside the frames for every epoch and evaluation; off: it is computed in every pass",
    )
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="after the warm-up")
    warmup_steps: Annotated[Integer, Field(ge=0, le=10_000_000)] = Field(
        0, description="steps in which the rate rises to its peak"
    )
    weight_decay: Annotated[Number, Field(ge=0, le=1)] = Field(
        0.01, description="shrinks every weight by this share of the learning rate in a step"
    )
    max_grad_norm: Annotated[Number, Field(gt=0, le=1e6)] = Field(
        1.0, description="longer gradients are shortened to this"
    )
    epsilon: Annotated[Number, Field(gt=0, le=1)] = Field(
        1e-8, description="AdamW's epsilon (torch's default; cosmos-rl's, which the recipe trained with, is 1e-6)"
    )
    train_batch_per_replica: Annotated[Integer, Field(ge=1, le=1_000_000)] = Field(
        32,
        description="questions an optimizer step on each data-parallel rank (shared-video: whole videos up to that many). A rank is a"
        " GPU; CPUs are one together, on however many nodes",
    )
    mini_batch: Annotated[Integer, Field(ge=1, le=1_000_000)] = Field(1, description="sequences in one forward pass")
    model_max_length: Annotated[Integer, Field(ge=64, le=10_000_000)] = Field(
        32768, description="tokens of the longest sequence"
    )
    gpus: Annotated[Integer, Field(ge=0, le=4096)] = Field(
        1,
        description="GPUs of one training job, on all of its nodes together (cluster.train.nodes); a node has at most 8, and for"
        " cosmos-rl 1, 2, 4 or 8; 0: local trains on the CPU",
    )
    dtype: Literal["bfloat16", "float32"] = Field(
        "bfloat16", description="of the forward pass; weights stay float32 in local"
    )
    gradient_checkpointing: Annotated[Literal["auto", "on", "off"], Switch] = Field(
        "auto",
        description="compute activations twice to save memory; auto: when a GPU's memory is too small without it",
    )
    share: Annotated[Number, Field(gt=0, le=1)] = Field(
        1,
        description="of the training scenarios that are trained on: whole ones, drawn with `seed`; a smaller share is a part of a larger one (docs/learning-curve.md)",
    )
    seed: Seed = Field(0, description="of the order of the questions, and of what `share` takes")
    state_every_steps: Annotated[Integer, Field(ge=0, le=10_000_000)] = Field(
        0, description="local: also save the state for an exact resume every so many steps (0: at the end of an epoch)"
    )
    dataloader_num_workers: Annotated[Integer, Field(ge=0, le=1000)] = Field(
        4, description="cosmos-rl: processes that load data"
    )
    dataloader_prefetch_factor: Annotated[Integer, Field(ge=1, le=1000)] = Field(
        4, description="cosmos-rl: batches that each holds ready"
    )
    logger: Annotated[list[Literal["console", "wandb"]], Field(min_length=1), Once] = Field(
        ["console"], description="where cosmos-rl reports"
    )
    project_name: Line = Field("roadtrain", description="the project's name where a run is logged")

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, values: Any) -> Any:
        if isinstance(values, dict) and "embedding_learning_rate" in values:
            rate = values["embedding_learning_rate"]
            raise ValueError(f"embedding_learning_rate: {rate}: is called learning_rates: {{embeddings: {rate}}} now")
        return values

    @field_validator("freeze")
    @classmethod
    def _once(cls, freeze: list[Part]) -> list[Part]:
        if len(set(freeze)) < len(freeze):
            raise ValueError("each part once")
        return freeze

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.engine == "cosmos-rl" and self.gpus == 0:
            raise ValueError("gpus: 0: engine: cosmos-rl needs an NVIDIA GPU; engine: local also trains on a CPU")
        if self.engine == "cosmos-rl" and self.optimizer != "AdamW":
            raise ValueError(f"optimizer: {self.optimizer}: engine: cosmos-rl has AdamW only")
        self._check_parts()
        if self.train_batch_per_replica % self.mini_batch:
            raise ValueError(
                f"mini_batch: {self.mini_batch} must divide train_batch_per_replica: {self.train_batch_per_replica}"
            )
        if self.sequences == "per-question" and self.questions_per_video != "all":
            raise ValueError("questions_per_video only goes with sequences: shared-video")
        return self

    def freeze_patterns(self) -> list[str]:
        """What is frozen, as cosmos-rl takes it."""
        return [PATTERNS[part] for part in self.freeze]

    def _check_parts(self) -> None:
        rates = self.learning_rates.rates()
        if rates and self.engine == "cosmos-rl":
            raise ValueError(f"learning_rates: {rates}: engine: cosmos-rl has one learning_rate for all weights")
        if still := [part for part in rates if part in self.freeze]:
            raise ValueError(f"learning_rates.{still[0]}: {rates[still[0]]}: {still[0]} is frozen (freeze)")
        if set(get_args(Part)) <= set(self.freeze):
            raise ValueError(f"freeze: {self.freeze}: nothing is left to train")
        if self.lora is None:
            return
        if self.engine == "cosmos-rl":
            raise ValueError(
                "lora: engine: cosmos-rl exports adapters that nothing here merges (rank 8, alpha 8 and no targets are its own"
                " defaults); engine: local trains them"
            )
        if self.freeze:
            raise ValueError(
                f"freeze: {self.freeze}: lora freezes every weight; its targets say which parts have adapters"
            )
        if without := [part for part in rates if part not in self.lora.parts()]:
            raise ValueError(
                f"learning_rates.{without[0]}: {rates[without[0]]}: lora.targets: {self.lora.targets} leave {without[0]} out"
            )
        if self.optimizer == "Muon":
            raise ValueError("optimizer: Muon: lora trains its two thin matrices with AdamW only")
