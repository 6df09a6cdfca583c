"""`data`: where the videos and questions come from."""

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from roadtrain.sample.tree import QUESTIONS_FILE, TAR_TEST, SampleSpec
from roadtrain.sample.tree import TAR_TASKS as SAMPLE_TAR_TASKS
from roadtrain.spec.section import Folder, Integer, Line, Number, Once, Section, Seed

Task = Literal[
    "environment",
    "overhead_view",
    "vehicle_view",
    "caption",
    "bdd_vqa",
    "bdd_caption",
    "bcq",
    "bcq_openended",
    "mcq",
    "mcq_openended",
    "open_qa",
    "scene_description",
    "video_summarization",
    "temporal_localization",
    "temporal_description",
    "causal_linkage",
]
_TASKS: tuple[str, ...] = get_args(Task)
TAR_TASKS = _TASKS[_TASKS.index("bcq") :]


class Sample(Section):
    """Render the bundled sample below `data.root` instead of reading what is there."""

    seed: Seed = Field(0, description="another seed, other scenes")
    train: Annotated[Integer, Field(ge=1, le=100_000)] = Field(SampleSpec.train, description="training scenarios")
    val: Annotated[Integer, Field(ge=1, le=100_000)] = Field(SampleSpec.val, description="validation scenarios")
    test: Annotated[Integer, Field(ge=0, le=100_000)] = Field(
        SampleSpec.test,
        description=f"scenarios of a public test, with files: {{test: {QUESTIONS_FILE}}} (tar: {TAR_TEST})",
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
    source: Literal["wts", "synwts", "llava", "mcq", "tar"] = Field(
        "wts",
        description="WTS, its synthetic twin SynWTS, LLaVA JSON, a table of multiple-choice questions (docs/own-data.md), or TAR (docs/tar.md)",
    )
    root: Folder = Field("data/wts", description="the folder that holds videos and annotations")
    tasks: Annotated[list[Task], Once] = Field(
        ["environment"],
        min_length=1,
        description="which question sets of WTS (bdd_..: of BDD_PC_5K), or which tasks of TAR, bcq to causal_linkage (all, if"
        " left out)",
    )
    reasoning: Literal["drop", "keep"] = Field(
        "drop",
        description="tar: train the answers alone, or <think>reasoning</think><answer>answer</answer>; keep goes with"
        " evaluate.reasoning",
    )
    views: Literal["each", "together"] = Field(
        "each",
        description="wts, synwts: a question of several cameras is asked about each of them, or once about all in one prompt"
        " (docs/ai-city.md)",
    )
    captions: Literal["train", "val", "all"] = Field(
        "train",
        description="which splits have the captions of `tasks`; val: checkpoints also write those of val, and are scored by them;"
        " all: also those of the test, which are submitted (docs/ai-city.md)",
    )
    files: Files = Field(Files(), description="annotation files of the sources llava and mcq, and WTS's test")
    split: DataSplit | None = Field(None, description="llava, mcq, tar: no files.val; it is taken out of train")
    media: Line = Field(
        ".", description="llava, mcq, tar: the folder below root that videos and pictures are relative to (tar: videos)"
    )
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

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_tar(cls, data: Any) -> Any:
        """Where TAR's downloads lie, and all of it."""
        if isinstance(data, dict) and data.get("source") == "tar":
            return {"tasks": list(TAR_TASKS), "media": "videos"} | data
        return data

    @model_validator(mode="after")
    def _has_its_tasks(self) -> Self:
        tasks = TAR_TASKS if self.source == "tar" else tuple(task for task in _TASKS if task not in TAR_TASKS)
        if others := [task for task in self.tasks if task not in tasks]:
            raise ValueError(f"tasks: {others[0]}: the source {self.source} has {', '.join(tasks)}")
        if self.reasoning != "drop" and self.source != "tar":
            raise ValueError(f"reasoning goes with the source tar, not with {self.source}")
        if self.views != "each" and not self.is_wts:
            raise ValueError(f"views goes with the sources wts and synwts, not with {self.source}")
        if self.source == "tar" and not {"bcq", "mcq"} & set(self.tasks):
            raise ValueError("tasks: texts and intervals have no accuracy to choose an epoch by: add bcq or mcq")
        return self

    @property
    def is_wts(self) -> bool:
        """Whether it is laid out as WTS is."""
        return self.source in ("wts", "synwts")

    @model_validator(mode="after")
    def _fits_the_source(self) -> Self:
        if self.split is not None and self.is_wts:
            raise ValueError(f"split goes with the sources llava, mcq and tar: {self.source} has its own validation")
        if self.split is not None and self.files.val is not None:
            raise ValueError(f"files.val: {self.files.val}: is there beside split, which takes it out of files.train")
        if self.is_wts:
            if self.media != ".":
                raise ValueError(f"media goes with the sources llava and mcq, not with {self.source}")
            for split in ("train", "val"):
                if getattr(self.files, split) is not None:
                    raise ValueError(
                        f"files.{split} goes with the sources llava and mcq; {self.source} finds its own files"
                    )
            if all(task.endswith("caption") for task in self.tasks):
                raise ValueError("tasks: captions have no accuracy to choose an epoch by: add a task with questions")
            if self.captions != "train" and not any(task.endswith("caption") for task in self.tasks):
                raise ValueError(f"captions: {self.captions}: tasks has no captions; add caption or bdd_caption to it")
            if self.source == "synwts" and any(task.startswith("bdd") for task in self.tasks):
                raise ValueError("tasks: SynWTS has no BDD_PC_5K")
            if self.source == "synwts" and self.sample is not None:
                raise ValueError("sample goes with the source wts: the bundled sample is no SynWTS")
            if self.sample is not None and any(task.startswith("bdd") for task in self.tasks):
                raise ValueError("tasks: the bundled sample has no BDD_PC_5K")
            if self.sample is not None and self.files.test != (QUESTIONS_FILE if self.sample.test else None):
                raise ValueError(
                    f"files.test: {self.files.test}: the bundled sample's public test is {QUESTIONS_FILE}, where sample.test says"
                    " how many scenarios it has"
                )
            self._check_sample_root()
            return self
        needed = () if self.source == "tar" else ("train", "val") if self.split is None else ("train",)
        for split in needed:
            if getattr(self.files, split) is None:
                instead = "" if split == "train" else "; or split: {val: 0.2} takes it out of files.train"
                raise ValueError(
                    f"files.{split} is missing: the source {self.source} needs a file for train and val{instead}"
                )
        if self.source == "tar" and (name := self.files.train or self.files.val) is not None:
            raise ValueError(f"files: {name}: the source tar finds train/<task>.json itself")
        if self.captions != "train":
            raise ValueError(f"captions goes with the source wts, not with {self.source}")
        if self.source != "tar" and self.tasks != [
            "environment"
        ]:  # the default: a spec that was written out in full has it too
            raise ValueError(f"tasks goes with the source wts, not with {self.source}")
        if self.sample is not None:
            self._check_sample_of_tar()
        return self

    def _check_sample_root(self) -> None:
        if self.sample is not None and set("{<") & set(self.root):  # its files are outputs of a rule
            raise ValueError(f"root: {self.root}: the bundled sample isn't rendered below a name with {{ or <")

    def _check_sample_of_tar(self) -> None:
        """Raises ValueError where the bundled sample isn't what would be read."""
        assert self.sample is not None
        self._check_sample_root()
        if self.source != "tar":
            raise ValueError(f"sample goes with the sources wts and tar, not with {self.source}")
        if others := [task for task in self.tasks if task not in SAMPLE_TAR_TASKS]:
            raise ValueError(f"tasks: {others[0]}: the bundled sample has {', '.join(SAMPLE_TAR_TASKS)}")
        if self.split is not None or self.media != "videos":
            raise ValueError(
                "sample: the bundled sample has its own validation, and its videos in videos: no split, no media"
            )
        if self.files.test != (TAR_TEST if self.sample.test else None):
            raise ValueError(
                f"files.test: {self.files.test}: the bundled sample's test is {TAR_TEST}, where sample.test says how many scenarios it"
                " has"
            )

    def conversion(self) -> str:
        """The part that defines the conversions, as JSON: convert_annotations.py --data."""
        return self.model_dump_json(exclude={"system_prompt", "sample", *self.unsaid()}, exclude_none=True)

    def unsaid(self) -> set[str]:
        """Keys that are written only where they say something: what other specs made stays as it is."""
        return {key for key in ("reasoning", "views") if getattr(self, key) == Data.model_fields[key].default}

    @property
    def caption_splits(self) -> tuple[str, ...]:
        """Those that have captions, where `tasks` has any."""
        return {"train": ("train",), "val": ("train", "val"), "all": ("train", "val", "test")}[self.captions]

    @property
    def splits(self) -> tuple[str, ...]:
        """train and val, and test where there is one."""
        return ("train", "val", "test") if self.files.test else ("train", "val")
