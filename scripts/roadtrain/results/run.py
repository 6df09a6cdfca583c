"""What a run left on disk, read for the paper and the report: the other side of `paths`."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from roadtrain.evaluate.predictions import Prediction, read_predictions
from roadtrain.files import read_json, read_rows
from roadtrain.model.checkpoints import CheckpointManifest, read_manifest
from roadtrain.paths import Paths
from roadtrain.train.preflight.report import PreflightReport


@dataclass(frozen=True)
class Results:
    """The files of one run, found from its spec.json (results/<run>/spec.json)."""

    root: Path  # the folder that holds results/
    resolved: dict[str, Any]  # what write_spec.py wrote

    @classmethod
    def load(cls, spec: str | Path) -> "Results":
        """Raises ValueError when `spec` isn't the spec.json of a run."""
        resolved = read_json(spec)
        if not isinstance(resolved, dict) or not {"run", "spec", "ablations"} <= resolved.keys():
            raise ValueError(f"{spec}: not a resolved spec; make it with scripts/write_spec.py")
        return cls(Path(spec).absolute().parents[2], resolved)

    @property
    def run(self) -> str:
        return self.resolved["run"]

    @property
    def spec(self) -> dict[str, Any]:
        return self.resolved["spec"]

    @property
    def paths(self) -> Paths:
        return Paths(self.run)

    @cached_property
    def ablations(self) -> list["AblationResults"]:
        return [AblationResults(self, name, settings) for name, settings in self.resolved["ablations"].items()]

    @property
    def precisions(self) -> list[str]:
        return self.spec["quantize"]["precisions"]

    @cached_property
    def audit(self) -> dict[str, Any]:
        return self.json(self.paths.audit)

    def at(self, path: str) -> Path:
        """A path of the contract on this disk."""
        return self.root / path

    def json(self, path: str) -> Any:
        return read_json(self.at(path))

    def optional(self, path: str) -> Any:
        """The JSON, or None where that stage left none."""
        return self.json(path) if self.at(path).exists() else None

    def frames(self, vision_name: str, split: str) -> dict[str, Any]:
        return self.json(self.paths.frames(vision_name, split))


@dataclass(frozen=True)
class AblationResults:
    of: Results
    name: str
    settings: dict[str, Any]  # model, vision, train, vision_name, spec_hash

    @property
    def vision(self) -> dict[str, Any]:
        return self.settings["vision"]

    @property
    def epochs(self) -> int:
        return self.settings["train"]["epochs"]

    @property
    def checkpoints(self) -> list[str]:
        """zero_shot, epoch_1, .., and the quantized ones: the order of every table."""
        return ["zero_shot", *(f"epoch_{n}" for n in range(1, self.epochs + 1)), *self.of.precisions]

    def accuracy(self, checkpoint: str) -> dict[str, Any]:
        return self.of.json(self.of.paths.accuracy(self.name, checkpoint))

    def predictions(self, checkpoint: str) -> list[Prediction]:
        return read_predictions(self.of.at(self.of.paths.predictions(self.name, checkpoint)))

    def manifest(self, checkpoint: str) -> CheckpointManifest | None:
        """What describes a checkpoint; None where that stage left none."""
        path_of = self.of.paths.quantized if checkpoint in self.of.precisions else self.of.paths.checkpoint
        path = self.of.at(path_of(self.name, checkpoint))
        return read_manifest(path) if path.exists() else None

    @cached_property
    def best(self) -> dict[str, Any]:
        return self.of.json(self.of.paths.best(self.name))

    @cached_property
    def gate(self) -> dict[str, Any]:
        return self.of.json(self.of.paths.gate(self.name))

    @cached_property
    def preflight(self) -> PreflightReport:
        return self.of.json(self.of.paths.preflight(self.name))

    def frames(self, split: str) -> dict[str, Any]:
        return self.of.frames(self.settings["vision_name"], split)

    @cached_property
    def train_log(self) -> list[dict[str, Any]]:
        """One line an optimizer step."""
        return [line for _, line in read_rows(self.of.at(self.of.paths.train_log(self.name)))]


def describe_vision(vision: dict[str, Any]) -> str:
    """A setting in the recipe's words: `nframes 8`, `fps 1, total_pixels 8,388,608`."""
    whole = {key: int(value) if value == int(value) else value for key, value in vision.items()}
    return ", ".join(f"{key} {value:,}" for key, value in whole.items())


def describe_checkpoint(checkpoint: str) -> str:
    """zero_shot -> zero-shot, epoch_2 -> epoch 2, fp8_dynamic -> FP8 dynamic."""
    if checkpoint.startswith("epoch_"):
        return checkpoint.replace("_", " ")
    words = checkpoint.replace("_", "-" if checkpoint == "zero_shot" else " ")
    return words.replace("nvfp", "NVFP").replace("fp8", "FP8")


def checkpoints_of(results: Results) -> Iterator[tuple[AblationResults, str]]:
    """Every (ablation, checkpoint) in the order of the tables."""
    for ablation in results.ablations:
        for checkpoint in ablation.checkpoints:
            yield ablation, checkpoint
