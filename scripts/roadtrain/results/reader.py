"""What a run left on disk, read for the paper and the report: the other side of `paths`."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm import tqdm

from roadtrain.data.audit_json import AuditJson, read_audit
from roadtrain.data.strict_json import read_rows
from roadtrain.evaluate.accuracy import Accuracy, read_accuracy
from roadtrain.evaluate.best import BestEpoch, read_best
from roadtrain.evaluate.caption_predictions import CaptionPrediction, read_captions
from roadtrain.evaluate.predictions import Prediction, read_predictions
from roadtrain.files import read_json, sha256_file
from roadtrain.frames.index import FramesRow, IndexFile
from roadtrain.model.checkpoints import CheckpointManifest, read_manifest
from roadtrain.paths import BASELINES, TEXT_ONLY, Paths
from roadtrain.quantize.gate import Gate, read_gate
from roadtrain.results.comparisons import Comparisons, read_comparisons
from roadtrain.results.published import Published, PublishedSetting, published, published_only, published_setting
from roadtrain.results.repeats import CheckpointKey, Repeats
from roadtrain.spec.resolved import AblationSettings, ResolvedSpec, SpecSettings, VisionSettings, read_resolved
from roadtrain.train.share import ShareJson


@dataclass(frozen=True)
class Results:
    """The files of one run, found from its spec.json (results/<run>/spec.json)."""

    folder: Path  # results/<run>, or a copy of it elsewhere (`dvc get`)
    resolved: ResolvedSpec  # what write_spec.py wrote

    @classmethod
    def load(cls, spec: str | Path) -> "Results":
        """Raises ValueError when `spec` isn't the spec.json of a run."""
        return cls(Path(spec).absolute().parent, read_resolved(spec))

    @property
    def root(self) -> Path:
        """The folder that holds results/, weights/ and cache/."""
        return self.folder.parent.parent

    @property
    def run(self) -> str:
        return self.resolved["run"]

    @property
    def spec(self) -> SpecSettings:
        return self.resolved["spec"]

    @property
    def paths(self) -> Paths:
        return Paths(self.run)

    @cached_property
    def ablations(self) -> list["AblationResults"]:
        return [AblationResults(self, name, settings) for name, settings in self.resolved["ablations"].items()]

    @cached_property
    def conversation_hashes(self) -> dict[str, str]:
        """{split: sha256 of its conversations}, which say what was asked about which file."""
        return {split: sha256_file(self.at(self.paths.llava(split))) for split in self.audit["splits"]}

    @cached_property
    def groups(self) -> dict[str, list["AblationResults"]]:
        """{ablation as the spec has it: its run of each seed}; empty without `repeat`."""
        groups: dict[str, list[AblationResults]] = {}
        for ablation in self.ablations:
            if (written := ablation.settings.get("repeat_of")) is not None:
                groups.setdefault(written, []).append(ablation)
        return groups

    @property
    def runs(self) -> dict[str, list["AblationResults"]]:
        """{ablation as the spec has it: its runs}: one of each, or with `repeat` one a seed."""
        return self.groups or {ablation.name: [ablation] for ablation in self.ablations}

    @property
    def repeats(self) -> Repeats | None:
        """Means over the seeds; None without `repeat`, or before there are comparisons."""
        return self.comparisons.get("repeats") if self.groups and self.has_comparisons else None

    def all_checkpoints(self) -> Iterator[tuple["AblationResults", str]]:
        """Every ablation with each of its checkpoints, in the order of the tables."""
        for ablation in self.ablations:
            for checkpoint in ablation.checkpoints:
                yield ablation, checkpoint

    @property
    def precisions(self) -> list[str]:
        return self.spec["quantize"]["precisions"]

    @property
    def visions(self) -> list[VisionSettings]:
        """Each ablation's."""
        return [ablation.vision for ablation in self.ablations]

    @property
    def baselines(self) -> list[str]:
        """What each ablation's checkpoints are measured against: predictions and accuracies that are no checkpoint's."""
        text_only = self.spec["evaluate"].get("text_only", False)  # a run of 0.2 has none
        return [name for name in BASELINES if name != TEXT_ONLY or text_only]

    def predictions(self) -> dict[CheckpointKey, list[Prediction]]:
        """Of every checkpoint of every ablation, and of its baselines."""
        names = [(a, name) for a in self.ablations for name in (*a.checkpoints, *self.baselines)]
        checkpoints = tqdm(names, desc="read predictions", unit="file")
        return {(ablation.name, checkpoint): ablation.predictions(checkpoint) for ablation, checkpoint in checkpoints}

    @property
    def has_captions(self) -> bool:
        """Whether checkpoints write the captions of val."""
        data = self.spec["data"]
        return data.get("captions", "train") != "train" and any(task.endswith("caption") for task in data["tasks"])

    def captions(self) -> dict[CheckpointKey, tuple[list[CaptionPrediction], list[Prediction]]]:
        """Captions and answers of every checkpoint and baseline."""
        return {
            (ablation.name, name): (ablation.captions(name), ablation.predictions(name))
            for ablation in self.ablations
            for name in (*ablation.checkpoints, *self.baselines)
        }

    @cached_property
    def audit(self) -> AuditJson:
        return read_audit(self.at(self.paths.audit))

    @property
    def published(self) -> Published | None:
        """The recipe's numbers, where the run is on the recipe's data (or on the sample, which is laid out alike); else
        None."""
        return published() if (self.audit["source"], self.audit["tasks"]) == ("wts", ["environment"]) else None

    @property
    def published_only(self) -> list[PublishedSetting]:
        """Published settings that no ablation has; none where the data aren't the recipe's."""
        return published_only(self.visions) if self.published else []

    @cached_property
    def comparisons(self) -> Comparisons:
        return read_comparisons(self.at(self.paths.comparisons))

    @property
    def has_calibration(self) -> bool:
        """Whether the predictions of a best epoch carry probabilities."""
        return any("calibration" in ablation.best_accuracy for ablation in self.ablations)

    @property
    def has_comparisons(self) -> bool:
        return self.at(self.paths.comparisons).exists()

    def at(self, path: str) -> Path:
        """A path of the contract on this disk: the run's own files in its folder, whatever that is called."""
        inside = f"{self.paths.results()}/"
        return self.folder / path.removeprefix(inside) if path.startswith(inside) else self.root / path

    def optional_json(self, path: str) -> Any:
        """None where that stage left no file."""
        return read_json(self.at(path)) if self.at(path).exists() else None


@dataclass(frozen=True)
class AblationResults:
    """What a run left of one ablation; files are read when they are asked for."""

    results: Results
    name: str
    settings: AblationSettings

    @property
    def vision(self) -> VisionSettings:
        return self.settings["vision"]

    @property
    def published(self) -> PublishedSetting | None:
        """What the recipe published of this very setting; None where there is nothing, or where the data aren't its."""
        return published_setting(self.vision) if self.results.published else None

    @property
    def published_accuracy(self) -> dict[str, str]:
        """{checkpoint: percent as the page says it} of this very setting; empty where there is none."""
        return self.published["accuracy"] if self.published else {}

    @property
    def epochs(self) -> int:
        return self.settings["train"]["epochs"]

    @property
    def unquantized(self) -> list[str]:
        """zero_shot, epoch_1, ..: one checkpoint after each number of epochs, from 0."""
        return ["zero_shot", *(f"epoch_{n}" for n in range(1, self.epochs + 1))]

    @property
    def checkpoints(self) -> list[str]:
        """zero_shot, epoch_1, .., and the quantized ones: the order of every table."""
        return [*self.unquantized, *self.results.precisions]

    def accuracy(self, checkpoint: str) -> Accuracy:
        return read_accuracy(self.results.at(self.results.paths.accuracy(self.name, checkpoint)))

    @property
    def zero_shot_accuracy(self) -> Accuracy:
        return self.accuracy("zero_shot")

    @property
    def best_accuracy(self) -> Accuracy:
        """Of the best epoch."""
        return self.accuracy(self.best["checkpoint"])

    def predictions(self, checkpoint: str) -> list[Prediction]:
        return read_predictions(self.results.at(self.results.paths.predictions(self.name, checkpoint)))

    def captions(self, checkpoint: str) -> list[CaptionPrediction]:
        """What it wrote about the phases of val; [] where val has no captions."""
        return read_captions(self.results.at(self.results.paths.predictions(self.name, checkpoint)))

    def manifest(self, checkpoint: str) -> CheckpointManifest | None:
        """What describes a checkpoint; None where that stage left no manifest."""
        paths = self.results.paths
        path_of = paths.quantized if checkpoint in self.results.precisions else paths.checkpoint
        path = self.results.at(path_of(self.name, checkpoint))
        return read_manifest(path) if path.exists() else None

    @property
    def last_manifest(self) -> CheckpointManifest | None:
        """Of the last epoch: it counts the steps and seconds of the whole training."""
        return self.manifest(self.unquantized[-1])

    @property
    def share(self) -> float:
        """Of the training scenarios that were trained on."""
        return self.settings["train"].get("share", 1.0)

    @cached_property
    def training_set(self) -> ShareJson | None:
        """How many scenarios, videos and questions of all it was trained on; None where that was all of them."""
        if self.share == 1:
            return None
        part: ShareJson = read_json(
            self.results.at(self.results.paths.training(self.share, self.settings["train"]["seed"], "json"))
        )
        return part

    @property
    def training_questions(self) -> int:
        """That an epoch was trained on: what was counted in training, or what the conversations have."""
        if (manifest := self.last_manifest) and "questions" in manifest:
            return manifest["questions"] // self.epochs
        part = self.training_set
        return part["questions"]["trained"] if part else self.results.audit["splits"]["train"]["questions"]

    @property
    def training_seconds(self) -> float | None:
        """Of all epochs; None where nobody measured it."""
        manifest = self.last_manifest
        return manifest.get("seconds") if manifest else None

    @cached_property
    def best(self) -> BestEpoch:
        return read_best(self.results.at(self.results.paths.best(self.name)))

    @cached_property
    def gate(self) -> Gate:
        return read_gate(self.results.at(self.results.paths.gate(self.name)))

    def frames(self, split: str) -> IndexFile:
        """The index of the frames that the ablation saw."""
        path = self.results.at(self.results.paths.frames(self.settings["vision_name"], split))
        index: IndexFile = read_json(path)
        return index

    @cached_property
    def clips(self) -> list[FramesRow]:
        """Every clip that the model is shown, in training and validation: what tokens a video are counted over."""
        return [clip for split in ("train", "val") for clip in self.frames(split)["clips"]]

    @property
    def vision_tokens(self) -> list[int]:
        """Of each clip."""
        return [clip["vision_tokens"] for clip in self.clips]

    @cached_property
    def train_log(self) -> list[dict[str, Any]]:
        """One line an optimizer step."""
        return [line for _, line in read_rows(self.results.at(self.results.paths.train_log(self.name)))]
