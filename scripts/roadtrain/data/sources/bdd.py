"""BDD_PC_5K, the external part of WTS: one video a scenario, its files beside each other.

    external/BDD_PC_5K/videos/<split>/<video>.mp4
    external/BDD_PC_5K/annotations/vqa/<split>/<video>[_vqa].json                  one file a video, or
    external/BDD_PC_5K/annotations/vqa/<split>/<video>/<view>/<video>.json         one a view
    external/BDD_PC_5K/annotations/[caption/]<split>/<video>_caption.json

A record names its video under video_name, videos, overhead_videos or vehicle_view.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from roadtrain.data.provenance import BDD
from roadtrain.data.sources.annotation_files import load_json, stand_in
from roadtrain.data.sources.base import Block, Malformed, Unit
from roadtrain.data.sources.records import VIDEO_KEYS, RecordPlace, record_blocks, record_of, record_videos

TASKS = ("bdd_vqa", "bdd_caption")
FOLDER = "external/BDD_PC_5K"
VIEWS = ("environment", "overhead_view", "vehicle_view")


@dataclass(frozen=True)
class Bdd:
    """`root` holds external/. Media are relative to it."""

    root: str
    selected: tuple[str, ...] = ("bdd_vqa",)
    caption_splits: tuple[str, ...] = ("train",)
    rows = False

    def set_of(self, file: str) -> str:
        return BDD

    def tasks(self, split: str) -> list[str]:
        here = split in self.caption_splits
        return [task for task in TASKS if task in self.selected and (task != "bdd_caption" or here)]

    def media_root(self, split: str) -> str:
        return self.root

    def input_files(self, split: str) -> list[str]:
        return sorted(file for annotations in self._annotations(split).values() for _, _, file in annotations)

    def units(self, split: str) -> list[Unit]:
        if not os.path.isdir(f"{self.root}/{FOLDER}/annotations"):
            raise ValueError(f"{self.root}/{FOLDER}/annotations: no such folder; BDD_PC_5K is a download of its own")
        annotations = self._annotations(split)
        prefix = f"{FOLDER}/videos/{split}/"
        return [
            Unit(f"{prefix}{name}.", split, (name, tuple(annotations[name])))
            for name in sorted(annotations, key=_path_order)
        ]

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        scenario, files = unit.where
        for task, view, file in files:
            try:
                record, path = record_of(load_json(file), file)
                if record is None:
                    continue
                names = record_videos(record, VIDEO_KEYS, file, path)
                names = [name if "." in name else f"{name}.mp4" for name in names]
                media = [f"{FOLDER}/videos/{unit.split}/{name}" for name in names]
                prefix = "caption_" if task == "bdd_caption" else f"{view}_" if view not in ("", "environment") else ""
                about = RecordPlace(file, path, scenario, task, media)
                yield from record_blocks(record, about, prefix=prefix, need_id=False)
            except FileNotFoundError:
                yield stand_in(file) or Malformed(file, "", "isn't there any more")
            except Malformed as problem:
                yield problem

    def _annotations(self, split: str) -> dict[str, list[tuple[str, str, str]]]:
        """{video: its (task, view, file)}, in a fixed order."""
        annotations: dict[str, list[tuple[str, str, str]]] = {}
        base = f"{self.root}/{FOLDER}/annotations"
        if "bdd_vqa" in self.tasks(split):
            for name in _visible_names(folder := f"{base}/vqa/{split}"):
                if name.endswith(".json"):
                    video = name.removesuffix(".json").removesuffix("_vqa")
                    annotations.setdefault(video, []).append(("bdd_vqa", "", f"{folder}/{name}"))
                for view in VIEWS if os.path.isdir(f"{folder}/{name}") else ():
                    file = f"{folder}/{name}/{view}/{name}.json"
                    if os.path.lexists(file) or stand_in(file):
                        annotations.setdefault(name, []).append(("bdd_vqa", view, file))
        if "bdd_caption" in self.tasks(split):
            for folder in (f"{base}/caption/{split}", f"{base}/{split}"):
                for name in _visible_names(folder):
                    if name.endswith("_caption.json"):
                        video = name.removesuffix("_caption.json")
                        annotations.setdefault(video, []).append(("bdd_caption", "", f"{folder}/{name}"))
        return annotations


def _visible_names(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith(".")) if os.path.isdir(folder) else []


def _path_order(video: str) -> str:
    return f"{video}."
