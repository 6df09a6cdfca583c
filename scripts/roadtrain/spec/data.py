"""`data`: where the videos and questions come from."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from roadtrain.sample.tree import QUESTIONS_FILE, SampleSpec
from roadtrain.spec.section import Folder, Integer, Line, Number, Once, Section, Seed

Task = Literal["environment", "overhead_view", "vehicle_view", "caption", "bdd_vqa", "bdd_caption"]


class Sample(Section):
    """Render the bundled sample below `data.root` instead of reading what is there."""

    seed: Seed = Field(0, description="another seed, other scenes")
    train: Annotated[Integer, Field(ge=1, le=100_000)] = Field(SampleSpec.train, description="training scenarios")
    val: Annotated[Integer, Field(ge=1, le=100_000)] = Field(SampleSpec.val, description="validation scenarios")
    test: Annotated[Integer, Field(ge=0, le=100_000)] = Field(
        SampleSpec.test, description=f"scenarios of a public test, with files: {{test: {QUESTIONS_FILE}}}"
    )


class DataSplit(Section):
    """Take validation out of `files.train` instead of naming a file for it: what was recorded together is on one side."""

    val: Annotated[Number, Field(gt=0, lt=1)] = Field(
        0.2, description="the share of scenarios (or videos) that validate"
    )
    seed: Seed = Field(0, description="another seed, another choice of them")
    by: Literal["scenario", "video"] = Field(
        "scenario", description="what stays whole; video: a scenario's videos may part, which the audit calls a leak"
    )


class Files(Section):
    """Annotation files, relative to `data.root`. WTS finds train and val itself."""

    train: Line | None = Field(None, description="llava: JSON or JSONL; mcq: CSV or JSONL")
    val: Line | None = Field(None, description="the same for validation")
    test: Line | None = Field(None, description="questions without answers; wts: the public test's JSON file")


class Data(Section):
    source: Literal["wts", "llava", "mcq"] = Field(
        "wts",
        description="WTS's layout, LLaVA JSON, or a table of multiple-choice questions (docs/own-data.md)",
    )
    root: Folder = Field("data/wts", description="the folder that holds videos and annotations")
    tasks: Annotated[list[Task], Once] = Field(
        ["environment"],
        min_length=1,
        description="which question sets of WTS (bdd_..: of BDD_PC_5K)",
    )
    captions: Literal["train", "val", "all"] = Field(
        "train",
        description="which splits have the captions of `tasks`; val: checkpoints also write those of val, and are scored by them;"
        " all: also those of the test, which are submitted (docs/ai-city.md)",
    )
    files: Files = Field(Files(), description="annotation files of the sources llava and mcq, and WTS's test")
    split: DataSplit | None = Field(None, description="llava, mcq: no files.val; it is taken out of files.train")
    media: Line = Field(".", description="llava, mcq: the folder below root that videos and pictures are relative to")
    on_bad_video: Literal["skip", "fail"] = Field(
        "skip",
        description="a missing or unreadable video: leave its questions out (audit.json says so), or stop",
    )
    media_links: Literal["inside", "follow"] = Field(
        "inside",
        description="links in the media folder: inside refuses one that leads out of it; follow takes it (data on another"
        " disk, DVC's links)",
    )
    max_bad_fraction: Annotated[Number, Field(ge=0, le=1)] = Field(
        0.05, description="with skip: stop all the same when more than this share of a split's videos is bad"
    )
    on_bad_question: Literal["fail", "skip"] = Field(
        "fail",
        description="an annotation that isn't what it should be: stop, or leave it out (audit.json says so)",
    )
    on_leak: Literal["warn", "fail"] = Field("warn", description="a scenario or a video that is in two splits")
    system_prompt: Line = Field("You are a helpful assistant.", description="the recipe's, in training and evaluation")
    sample: Sample | None = Field(None, description="render the bundled sample under root (specs/sample.yaml)")

    @model_validator(mode="after")
    def _fits_the_source(self) -> Self:
        if self.split is not None and self.source == "wts":
            raise ValueError("split goes with the sources llava and mcq: wts has its own validation")
        if self.split is not None and self.files.val is not None:
            raise ValueError(f"files.val: {self.files.val}: is there beside split, which takes it out of files.train")
        if self.source == "wts":
            if self.media != ".":
                raise ValueError(f"media goes with the sources llava and mcq, not with {self.source}")
            for split in ("train", "val"):
                if getattr(self.files, split) is not None:
                    raise ValueError(f"files.{split} goes with the sources llava and mcq; wts finds its own files")
            if all(task.endswith("caption") for task in self.tasks):
                raise ValueError("tasks: captions have no accuracy to choose an epoch by: add a task with questions")
            if self.captions != "train" and not any(task.endswith("caption") for task in self.tasks):
                raise ValueError(f"captions: {self.captions}: tasks has no captions; add caption or bdd_caption to it")
            if self.sample is not None and any(task.startswith("bdd") for task in self.tasks):
                raise ValueError("tasks: the bundled sample has no BDD_PC_5K")
            if self.sample is not None and self.files.test != (QUESTIONS_FILE if self.sample.test else None):
                raise ValueError(
                    f"files.test: {self.files.test}: the bundled sample's public test is {QUESTIONS_FILE}, where sample.test says"
                    " how many scenarios it has"
                )
            if self.sample is not None and set("{<") & set(self.root):  # its files are outputs of a rule
                raise ValueError(f"root: {self.root}: the bundled sample isn't rendered below a name with {{ or <")
            return self
        for split in ("train", "val") if self.split is None else ("train",):
            if getattr(self.files, split) is None:
                instead = "" if split == "train" else "; or split: {val: 0.2} takes it out of files.train"
                raise ValueError(
                    f"files.{split} is missing: the source {self.source} needs a file for train and val{instead}"
                )
        if self.captions != "train":
            raise ValueError(f"captions goes with the source wts, not with {self.source}")
        if self.tasks != ["environment"]:  # the default: a spec that was written out in full has it too
            raise ValueError(f"tasks goes with the source wts, not with {self.source}")
        if self.sample is not None:
            raise ValueError(f"sample goes with the source wts, not with {self.source}")
        return self

    def conversion(self) -> str:
        """The part that defines the conversions, as JSON: convert_annotations.py --data."""
        return self.model_dump_json(exclude={"system_prompt", "sample"}, exclude_none=True)

    @property
    def caption_splits(self) -> tuple[str, ...]:
        """Those that have captions, where `tasks` has any."""
        return {"train": ("train",), "val": ("train", "val"), "all": ("train", "val", "test")}[self.captions]

    @property
    def splits(self) -> tuple[str, ...]:
        """train and val, and test where there is one."""
        return ("train", "val", "test") if self.files.test else ("train", "val")
