"""Phases of WTS's public test, whose captions are to be written: records with windows and without references.

    annotations/caption/test/public_challenge/[normal_trimmed/]<scenario>/<view>/<scenario>_caption.json
    external/BDD_PC_5K/annotations/caption/test/public_challenge/<video>_caption.json

The folder public_challenge may be missing. A scenario's views ask for the same captions: they say where a phase lies in
their videos. The challenge knows a phase by the file's name without _caption.json and by its label, as its scorer reads them.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from roadtrain.data.sources.annotation_files import load_json, stand_in
from roadtrain.data.sources.base import Block, Malformed
from roadtrain.data.sources.bdd import FOLDER
from roadtrain.data.sources.records import (
    VIDEO_KEYS,
    RecordPlace,
    phase_window,
    record_blocks,
    record_of,
    record_videos,
)
from roadtrain.data.sources.wts import scenario_folders, views

SUFFIX = "_caption.json"
CHALLENGE = "public_challenge"
PLACES = {"caption": "annotations/caption/test", "bdd_caption": f"{FOLDER}/annotations/caption/test"}


@dataclass(frozen=True, slots=True)
class CaptionFile:
    """Phases of one scenario in one view."""

    task: str  # caption, bdd_caption
    scenario: str  # as the challenge calls it
    path: str


def caption_files(root: str, tasks: tuple[str, ...]) -> list[CaptionFile]:
    """Of the test split, in a fixed order: a scenario's overhead view before its vehicle's. Raises ValueError where a task has
    none, or a scenario is there twice."""
    files: list[CaptionFile] = []
    for task in tasks:
        folder = _folder(f"{root}/{PLACES[task]}")
        if not os.path.isdir(folder):
            raise ValueError(
                f"{folder}: no such folder; the public test's phases belong there (captions: val does without them)"
            )
        of_task = list(_wts(folder) if task == "caption" else _bdd(folder))
        if not of_task:
            raise ValueError(f"{folder}: no phases (<scenario>{SUFFIX}); is this the public test's folder?")
        files += of_task
    places: dict[tuple[str, str], str] = {}
    for file in files:
        view = os.path.basename(os.path.dirname(file.path)) if file.task == "caption" else ""
        if other := places.get((file.scenario, view)):
            raise ValueError(f"{file.path}: {other} has phases of {file.scenario} too; keep one of them")
        places[file.scenario, view] = file.path
    return files


def caption_blocks(file: CaptionFile, find: Callable[[list[str], str, str], list[str]]) -> Iterator[Block | Malformed]:
    """Both captions of each phase, asked about each video. `find`: (names, file, path) -> the videos' paths; raises Malformed."""
    try:
        record, path = record_of(load_json(file.path), file.path)
        if record is None:
            return
        key = "vehicle_view" if file.path.endswith(f"/vehicle_view/{file.scenario}{SUFFIX}") else "overhead_videos"
        keys = (key,) if key in record else VIDEO_KEYS
        names = [name if "." in name else f"{name}.mp4" for name in record_videos(record, keys, file.path, path)]
        about = RecordPlace(file.path, path, file.scenario, file.task, find(names, file.path, path))
        labels: set[str] = set()
        for block in record_blocks(record, about, prefix="caption_", answered=False, need_id=False):
            if isinstance(block, Block):
                block.wts_id = None  # the scenario's name: a submission has no numbers
                if block.phase in labels:  # a submission has one text of a label: which window's would be a guess
                    yield Malformed(
                        file.path, block.path, f"the phase {block.phase!r} is there twice; keep one of them"
                    )
                    continue
                labels.add(block.phase)
            yield block
    except FileNotFoundError:
        yield stand_in(file.path) or Malformed(file.path, "", "isn't there any more")
    except Malformed as problem:
        yield problem


def submitted_phases(root: str, tasks: tuple[str, ...]) -> dict[str, list[str]]:
    """{scenario: names of its phases, in the files' order}: what a submission must have. Raises ValueError, Malformed."""
    phases: dict[str, list[str]] = {}
    for file in caption_files(root, tasks):
        record, path = record_of(load_json(file.path), file.path)
        names = phases.setdefault(file.scenario, [])
        for number, phase in enumerate((record or {}).get("event_phase", ())):
            name, _, _ = phase_window(phase, file.path, f"{path}.event_phase[{number}]")
            if name not in names:
                names.append(name)
    return phases


def _folder(folder: str) -> str:
    return below if os.path.isdir(below := f"{folder}/{CHALLENGE}") else folder


def _wts(folder: str) -> Iterator[CaptionFile]:
    for scenario in scenario_folders(folder):
        name = scenario.rsplit("/", 1)[-1]
        for view in views("caption"):
            path = f"{folder}/{scenario}/{view}/{name}{SUFFIX}"
            if os.path.lexists(path) or stand_in(path):
                yield CaptionFile("caption", name, path)


def _bdd(folder: str) -> Iterator[CaptionFile]:
    for name in sorted(os.listdir(folder)):
        if name.endswith(SUFFIX) and not name.startswith("."):
            yield CaptionFile("bdd_caption", name.removesuffix(SUFFIX), f"{folder}/{name}")
