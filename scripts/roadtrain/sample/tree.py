"""Names of every file of the sample, from a seed and two counts. Nothing is rendered here.

The layout is WTS's:

    videos/<folder>/<view>/*.mp4
    annotations/vqa/<folder>/{environment,<view>}/<scenario>.json
    annotations/caption/<folder>/<view>/<scenario>_caption.json

where <folder> is <split>/[normal_trimmed/]<scenario> and <view> is overhead_view or vehicle_view. Its public test, where it has
one, is laid out as the AI City challenge's: below videos/test/public and annotations/caption/test/public_challenge, phases without
captions, and every question, without its answer, in one file. With `tar` there are questions with reasoning, too, in the layout of
TAR: <split>/<task>.json, and test/test.json.
Snakemake declares these names as outputs, so this module stays free of numpy.
"""

from dataclasses import dataclass
from random import Random

from roadtrain.sample.chance import one_in, spread, stream

SPLITS = ("train", "val", "test")
QUESTIONS_FILE = "WTS_VQA_PUBLIC_TEST.json"
TAR_TASKS = ("bcq", "mcq", "scene_description")  # a kind of answer each; TAR has ten
TAR_TEST = "test/test.json"
PUBLIC = {"videos": "test/public", "annotations": "test/public_challenge"}
CAMERAS = (1,) * 36 + (2, 2, 3, 4)  # overhead cameras of 40 scenarios: few, other scenes teach more than other views
NORMAL_EVERY = 5  # one scenario in five lies under normal_trimmed/
NO_ENVIRONMENT_EVERY = 15
VEHICLE_VIEW_EVERY = 15  # few: the default task doesn't use them


MARK = ".sample.json"  # says which sample a directory holds


@dataclass(frozen=True)
class SampleSpec:
    """What the sample has: a seed and the number of scenarios in each split."""

    seed: int = 0
    train: int = 330
    val: int = 60
    test: int = 0
    tar: bool = False

    def __post_init__(self) -> None:
        for split in SPLITS:
            if getattr(self, split) < 0:
                raise ValueError(f"{split}: {getattr(self, split)} scenarios; it must be 0 or more")

    @property
    def tar_files(self) -> dict[str, list[str]]:
        """{split: files of its questions with reasoning}, where there are any."""
        if not self.tar:
            return {}
        files = {split: [f"{split}/{task}.json" for task in TAR_TASKS] for split in ("train", "val")} | {
            "test": [TAR_TEST]
        }
        return {split: paths for split, paths in files.items() if getattr(self, split)}


@dataclass(frozen=True)
class Scenario:
    """Names of one scenario: its place in the tree and its videos (file names, without folders)."""

    split: str
    index: int  # position in its split
    id: int  # unique in the tree
    name: str
    normal: bool  # lies under normal_trimmed/
    overhead: tuple[str, ...]
    vehicle: str | None
    environment: bool  # has an environment file

    def folder(self, kind: str) -> str:
        """`<split>/[normal_trimmed/]<scenario>` of videos or annotations."""
        split = PUBLIC[kind] if self.split == "test" else self.split
        return f"{split}/{'normal_trimmed/' if self.normal else ''}{self.name}"

    @property
    def videos(self) -> list[tuple[str, str]]:
        """(view, file name) of every video, overhead cameras first."""
        vehicle = [("vehicle_view", self.vehicle)] if self.vehicle else []
        return [("overhead_view", name) for name in self.overhead] + vehicle

    @property
    def views(self) -> list[str]:
        return list(dict.fromkeys(view for view, _ in self.videos))

    def video_path(self, view: str, name: str) -> str:
        return f"videos/{self.folder('videos')}/{view}/{name}"

    def vqa_path(self, kind: str) -> str:
        """`kind` is environment, overhead_view or vehicle_view. A test has none: its questions are in one file."""
        return f"annotations/vqa/{self.folder('annotations')}/{kind}/{self.name}.json"

    def caption_path(self, view: str) -> str:
        return f"annotations/caption/{self.folder('annotations')}/{view}/{self.name}_caption.json"

    def files(self) -> list[str]:
        """Paths of all its files, relative to the tree's root."""
        kinds = [] if self.split == "test" else self.views + (["environment"] if self.environment else [])
        return (
            [self.video_path(view, name) for view, name in self.videos]
            + [self.vqa_path(kind) for kind in kinds]
            + [self.caption_path(view) for view in self.views]
        )


def sample_scenarios(spec: SampleSpec) -> list[Scenario]:
    """Every scenario, train first. No name occurs twice, in one split or in both."""
    names: set[str] = set()
    return [scenario for split in SPLITS for scenario in _split_scenarios(spec, split, names)]


def tree_files(spec: SampleSpec) -> list[str]:
    """Relative paths of every file of the sample, sorted."""
    questions = [QUESTIONS_FILE] if spec.test else []
    reasoning = [path for paths in spec.tar_files.values() for path in paths]
    return sorted([*questions, *reasoning, *(path for scenario in sample_scenarios(spec) for path in scenario.files())])


def _split_scenarios(spec: SampleSpec, split: str, names: set[str]) -> list[Scenario]:
    n = getattr(spec, split)
    rng = stream(spec.seed, split, "tree")
    cameras = spread(rng, CAMERAS, n)
    normal = one_in(rng, NORMAL_EVERY, n)
    bare = one_in(rng, NO_ENVIRONMENT_EVERY, n)
    vehicle = one_in(rng, VEHICLE_VIEW_EVERY, n)
    first_id = 1 + {"train": 0, "val": spec.train, "test": spec.train + spec.val}[split]
    scenarios = []
    for i in range(n):
        name = _new_name(rng, names)
        numbers = sorted(rng.sample(range(1, 5), cameras[i]))
        scenarios.append(
            Scenario(
                split=split,
                index=i,
                id=first_id + i,
                name=name,
                normal=i in normal,
                overhead=tuple(f"{name}_Camera{c}_{k}.mp4" for k, c in enumerate(numbers)),
                vehicle=f"{name}_vehicle_view.mp4" if i in vehicle else None,
                environment=i not in bare,
            )
        )
    return scenarios


def _new_name(rng: Random, names: set[str]) -> str:
    """A name in WTS's style, such as 20230707_8_SN46_T1."""
    while True:
        day = f"2023{rng.randint(7, 11):02d}{rng.randint(1, 28):02d}"
        kind = rng.choice(("SN", "SY", "CN", "CY"))
        name = f"{day}_{rng.randint(1, 40)}_{kind}{rng.randint(1, 60)}_T{rng.randint(1, 3)}"
        if name not in names:
            names.add(name)
            return name
