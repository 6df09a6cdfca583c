"""The whole spec, and an ablation: a name, a vision setting, and overrides of `train` and `model`."""

from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from roadtrain.files import sha256_json
from roadtrain.spec.cluster import Cluster
from roadtrain.spec.data import Data
from roadtrain.spec.deploy import Deploy
from roadtrain.spec.evaluate import Evaluate
from roadtrain.spec.logs import Logs
from roadtrain.spec.names import ablations_fault, folder_fault
from roadtrain.spec.open_questions import OpenQuestions
from roadtrain.spec.quantize import Quantize
from roadtrain.spec.section import Line, Name, Section
from roadtrain.spec.train import Train
from roadtrain.spec.vision import Vision


class Override(Section):
    """One entry of `ablations` as written: `vision`, and any keys of `train` and `model` to change."""

    vision: Vision
    model: Line | None = Field(None, description="another model than the spec's")
    train: dict[str, Any] = Field({}, description="keys of `train` that differ in this ablation")


class Ablation(Section):
    """One training run with every override applied."""

    name: Name
    model: Line
    vision: Vision
    train: Train


class Spec(Section):
    run: Name = Field("wts-environment", description="everything lands in results/<run>/ and weights/<run>/")
    data: Data = Data()
    model: Line = Field("nvidia/Cosmos-Reason2-2B", description="a Hugging Face name or a local directory")
    train: Train = Train()
    ablations: dict[Name, Override] = Field(min_length=1)
    evaluate: Evaluate = Evaluate()
    quantize: Quantize = Quantize()
    deploy: Deploy = Deploy()
    logs: Logs = Logs()
    open_questions: OpenQuestions = OpenQuestions()
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
        for name in self.ablations:
            self.ablation(name)
        return self

    def ablation(self, name: str) -> Ablation:
        """The ablation's run with overrides applied; KeyError for an unknown name."""
        override = self.ablations[name]
        train = Train.model_validate(self.train.model_dump() | override.train)
        return Ablation(name=name, model=override.model or self.model, vision=override.vision, train=train)

    def results(self) -> str:
        """The part that defines results, as JSON: who asks a scheduler for other memory gets the same."""
        return self.model_dump_json(exclude={"cluster"})

    def hash(self, name: str) -> str:
        """Hash of everything that decides an ablation's accuracy: data, model, vision, training, evaluation (but not on
        how many machines it is done)."""
        parts = {"data": self.data, "ablation": self.ablation(name), "evaluate": self.evaluate}
        return sha256_json({key: part.model_dump(mode="json", exclude={"shards"}) for key, part in parts.items()})[:16]
