"""The whole spec, and an ablation: a name, a vision setting, and overrides of `train` and `model`."""

import os
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from roadtrain.files import sha256_json
from roadtrain.spec.adapter_use import check_adapter_use
from roadtrain.spec.card import Card
from roadtrain.spec.cluster import Cluster, nodes_fault
from roadtrain.spec.data import Data
from roadtrain.spec.deploy import Deploy
from roadtrain.spec.evaluate import Evaluate
from roadtrain.spec.frames import Frames
from roadtrain.spec.logs import Logs
from roadtrain.spec.names import ablations_fault, folder_fault
from roadtrain.spec.open_questions import OpenQuestions
from roadtrain.spec.quantize import Quantize
from roadtrain.spec.repeat import Repeat
from roadtrain.spec.section import LONGEST_NAME, Folder, Name, Section
from roadtrain.spec.train import Train
from roadtrain.spec.vision import Vision

SENTENCES = 64  # tokens that TAR's texts need at least
# Folders of the project that runs write to.
WRITTEN = ("results", "weights", "cache", "logs", "benchmarks", ".snakemake")


class Override(Section):
    """One entry of `ablations` as written: `vision`, and any keys of `train` and `model` to change."""

    vision: Vision
    model: Folder | None = Field(None, description="another model than the spec's")
    train: dict[str, Any] = Field({}, description="keys of `train` that differ in this ablation")


class Ablation(Section):
    """One training run with every override applied."""

    name: Name
    model: Folder
    vision: Vision
    train: Train


class Spec(Section):
    run: Name = Field("wts-environment", description="everything lands in results/<run>/ and weights/<run>/")
    data: Data = Data()
    frames: Frames = Frames()
    model: Folder = Field(
        "nvidia/Cosmos-Reason2-2B", description="a Hugging Face name, name@revision, or a local directory"
    )
    train: Train = Train()
    ablations: dict[Name, Override] = Field(min_length=1)
    repeat: Repeat | None = None
    evaluate: Evaluate = Evaluate()
    quantize: Quantize = Quantize()
    deploy: Deploy = Deploy()
    logs: Logs = Logs()
    open_questions: OpenQuestions = OpenQuestions()
    card: Card = Card()
    cluster: Cluster = Cluster()

    @field_validator("ablations")
    @classmethod
    def _free_names(cls, ablations: dict[str, Override]) -> dict[str, Override]:
        if (fault := ablations_fault(ablations)) is not None:
            raise ValueError(fault)
        return ablations

    @field_validator("run")
    @classmethod
    def _folder(cls, run: str) -> str:
        if (fault := folder_fault(run)) is not None:
            raise ValueError(f"a run {fault}")
        return run

    @model_validator(mode="after")
    def _overrides_are_right(self) -> Self:
        self._check_repeat()
        for name in self.trained():
            train, nodes = self.ablation(name).train, self.cluster.train.nodes
            check_adapter_use(train, name, self.evaluate, self.deploy)
            if (fault := nodes_fault(train.engine, train.gpus, nodes)) is not None:
                raise ValueError(f"{fault} (ablations.{name})")
        sample, shards = self.data.sample, self.evaluate.shards
        if sample is not None and shards > sample.val:
            raise ValueError(
                f"evaluate.shards: {shards} is more than data.sample.val: {sample.val}: jobs without a video"
            )
        if self.quantize.gate != "accuracy" and self.data.captions == "train":
            raise ValueError(
                f"quantize.gate: {self.quantize.gate}: val has no captions to lose; say data.captions: val"
            )
        if (holder := _holds_results(self.data.root)) is not None:
            reason = f"{holder} lies in it: what a run makes would be its input; move the data"
            raise ValueError(f"data.root: {self.data.root}: {reason}")
        self._check_answers()
        files = self.data.files
        if files.train is not None and files.train == files.val:
            raise ValueError(
                f"data.files.val: {files.val}: is data.files.train: validation would be on what was trained"
            )
        return self

    def _check_answers(self) -> None:
        """What is trained can be said when it is asked."""
        if self.data.source != "tar" or self.evaluate.reasoning is not None:
            return
        if self.data.reasoning == "keep":
            raise ValueError(
                "data.reasoning: keep: evaluate.reasoning is missing: responses would be read without their reasoning;"
                " add reasoning: {max_new_tokens: 1024} to evaluate"
            )
        texts = [task for task in self.data.tasks if task not in ("bcq", "mcq")]
        if texts and self.evaluate.max_new_tokens < SENTENCES:
            raise ValueError(
                f"evaluate.max_new_tokens: {self.evaluate.max_new_tokens}: {texts[0]} is answered in sentences, which would be cut"
                f" off: {SENTENCES} or more"
            )

    def _check_repeat(self) -> None:
        if self.repeat is None:
            return
        for name, override in self.ablations.items():
            if "seed" in override.train:
                reason = f"repeat.seeds: {self.repeat.seeds} says the seeds of every ablation: leave one of both out"
                raise ValueError(f"ablations.{name}.train.seed: {override.train['seed']}: {reason}")
        if longest := [name for name in self.trained() if len(name) > LONGEST_NAME]:
            raise ValueError(
                f"repeat.seeds: {longest[0]} is longer than {LONGEST_NAME} characters: give the ablation a shorter name"
            )

    def trained(self) -> dict[str, tuple[str, int | None]]:
        """{what is trained: the ablation as it is written, its seed of `repeat` or None}: the names of all folders."""
        return (
            {name: (name, None) for name in self.ablations}
            if self.repeat is None
            else {**self.repeat.names(self.ablations)}
        )

    def ablation(self, name: str) -> Ablation:
        """The run of a name of trained() with overrides applied; KeyError for an unknown name."""
        written, seed = self.trained()[name]
        override = self.ablations[written]
        seeds = {} if seed is None else {"seed": seed}
        train = Train.model_validate(self.train.model_dump() | override.train | seeds)
        return Ablation(name=name, model=override.model or self.model, vision=override.vision, train=train)

    def results(self) -> str:
        """The part that defines results, as JSON: who asks a scheduler for other memory, or names a licence, gets the same."""
        parts: dict[str, Any] = {"card": True, "cluster": True, "frames": {"timeout", "memory_gb"}}
        return self.model_dump_json(exclude=parts | self.unsaid())

    def unsaid(self) -> dict[str, bool]:
        """`repeat` where there is none: such a spec is written as before there was the key."""
        return {"repeat": True} if self.repeat is None else {}

    def hash(self, name: str) -> str:
        """Hash of everything that decides an ablation's accuracy: data, model, vision, training, evaluation (but not on
        how many machines it is done)."""
        parts = {"data": self.data, "ablation": self.ablation(name), "evaluate": self.evaluate}
        unsaid = {"shards", *self.data.unsaid(), *self.evaluate.unsaid()}
        return sha256_json({key: part.model_dump(mode="json", exclude=unsaid) for key, part in parts.items()})[:16]


def _holds_results(root: str) -> str | None:
    """What of the project's lies in `root`: a folder that runs write to, or the project itself. Paths are relative to it."""
    here = os.getcwd()
    folder = os.path.normpath(os.path.join(here, root))
    if os.path.commonpath([folder, here]) == folder:
        return "the project"
    first = os.path.relpath(folder, here).split(os.sep)[0]
    return None if first not in WRITTEN else f"{first}/"
