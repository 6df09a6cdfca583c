"""WTS on disk (the public README of woven-visionai/wts-dataset), read scenario by scenario. SynWTS, its synthetic twin of 2026
(the public data card of mlcglab/synwts), has the same folders below data/, the same files and the names of the scenarios.

    videos/<split>/[normal_trimmed/]<scenario>/{overhead_view,vehicle_view}/*.mp4
    annotations/vqa/<split>/[normal_trimmed/]<scenario>/{environment,overhead_view,vehicle_view}/<scenario>.json
    annotations/caption/<split>/[normal_trimmed/]<scenario>/{overhead_view,vehicle_view}/<scenario>_caption.json

Every overhead camera of a scenario gets the environment questions, as in the recipe. Phase questions are asked
about their window of each camera. Captions are open questions; of which splits, the spec's `data.captions` says.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from roadtrain.data.provenance import SAMPLE, SYNWTS, WTS
from roadtrain.data.sources.annotation_files import load_json, stand_in
from roadtrain.data.sources.base import Block, Malformed, Unit
from roadtrain.data.sources.records import RecordPlace, record_blocks, record_of, record_videos
from roadtrain.sample.tree import MARK

TASKS = ("environment", "overhead_view", "vehicle_view", "caption")
NORMAL = "normal_trimmed"
ACCESS = (
    "access to WTS is by request: https://github.com/woven-visionai/wts-dataset. Without it, the bundled sample runs"
    " the whole chain: snakemake --cores all --configfile specs/sample.yaml"
)


def views(task: str) -> tuple[str, ...]:
    """The folders of videos that a task asks about."""
    return {"environment": ("overhead_view",), "caption": ("overhead_view", "vehicle_view")}.get(task, (task,))


@dataclass(frozen=True)
class Wts:
    """`root` holds videos/ and annotations/. `from_root`: media are relative to it, so that they mix with others."""

    root: str
    selected: tuple[str, ...] = ("environment",)
    from_root: bool = False
    caption_splits: tuple[str, ...] = ("train",)
    synthetic: bool = False  # SynWTS, which is laid out alike
    rows = False

    def set_of(self, file: str) -> str:
        """The data set: the bundled sample marks its folder."""
        if self.synthetic:
            return SYNWTS
        return SAMPLE if is_sample(self.root) else WTS

    def tasks(self, split: str) -> list[str]:
        return [task for task in TASKS if task in self.selected and (task != "caption" or split in self.caption_splits)]

    def media_root(self, split: str) -> str:
        return self.root if self.from_root else f"{self.root}/videos/{split}"

    def input_files(self, split: str) -> list[str]:
        paths = (
            file
            for unit in self._units(split)
            for task in self.tasks(split)
            for _, file in _files(self.root, unit, task)
        )
        return sorted(path for path in paths if os.path.exists(path))

    def units(self, split: str) -> list[Unit]:
        for folder in {"caption" if task == "caption" else "vqa" for task in self.tasks(split)}:
            if not os.path.isdir(f"{self.root}/annotations/{folder}"):
                raise ValueError(f"{self.root}: no WTS here (annotations/{folder} is missing); {ACCESS}")
            if not os.path.isdir(path := f"{self.root}/annotations/{folder}/{split}"):
                raise ValueError(f"{path}: no such folder; the split {split} has no annotations")
        return self._units(split)

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        # Names that say the same in both splits: normal_trimmed is a folder, not a part of the scenario.
        scenario = unit.where.rsplit("/", 1)[-1]
        place = f"videos/{unit.split}/{unit.where}" if self.from_root else unit.where
        for task in self.tasks(unit.split):
            for view, file in _files(self.root, unit, task):
                try:
                    record, path = record_of(load_json(file), file)
                    if record is not None:
                        key = "vehicle_view" if view == "vehicle_view" else "overhead_videos"
                        media = [f"{place}/{view}/{name}" for name in record_videos(record, (key,), file, path)]
                        about = RecordPlace(file, path, scenario, task, media)
                        yield from record_blocks(record, about, prefix=_prefix(task))
                except FileNotFoundError:
                    if problem := stand_in(file):  # else it lacks the file, as some do: the audit counts them
                        yield problem
                except Malformed as problem:
                    yield problem

    def _units(self, split: str) -> list[Unit]:
        kinds = dict.fromkeys("caption" if task == "caption" else "vqa" for task in self.tasks(split))
        folders = {folder for kind in kinds for folder in scenario_folders(f"{self.root}/annotations/{kind}/{split}")}
        prefix = f"videos/{split}/" if self.from_root else ""
        tasks = tuple(self.tasks(split))
        return [Unit(f"{prefix}{folder}/", split, folder, tasks) for folder in sorted(folders, key=_path_order)]


def _prefix(task: str) -> str:
    return "caption_" if task == "caption" else ""


def _files(root: str, unit: Unit, task: str) -> list[tuple[str, str]]:
    """(view, annotation file) of a task."""
    name = unit.where.rsplit("/", 1)[-1]
    if task == "caption":
        base = f"{root}/annotations/caption/{unit.split}/{unit.where}"
        return [(view, f"{base}/{view}/{name}_caption.json") for view in views(task)]
    return [(views(task)[0], f"{root}/annotations/vqa/{unit.split}/{unit.where}/{task}/{name}.json")]


def scenario_folders(folder: str) -> list[str]:
    """`[normal_trimmed/]<scenario>` of every folder below, sorted as the paths of their videos sort."""
    if not os.path.isdir(folder):
        return []
    folders = [name for name in _folders(folder) if name != NORMAL]
    if os.path.isdir(normal := f"{folder}/{NORMAL}"):
        folders += [f"{NORMAL}/{name}" for name in _folders(normal)]
    return sorted(folders, key=_path_order)


def _path_order(folder: str) -> str:
    return f"{folder}/"


def is_sample(root: str) -> bool:
    """Whether a folder holds the bundled sample."""
    return os.path.exists(f"{root}/{MARK}")


def _folders(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
