"""WTS's public test: one file of questions without answers, each with an id that the submission repeats.

    [{"videos": [name, ..], "event_phase": [{"start_time", "end_time", "labels", "conversations": [QUESTION, ..]}]},
     {"videos": [name, ..], "conversations": [QUESTION, ..]}, ..]          QUESTION: {"id", "question", "a", "b", ..}

Videos are named without folders; they lie anywhere below videos/test or external/BDD_PC_5K/videos/test. A question
about several cameras is asked about each; make_submission.py lets them vote. With `captions`, the phases of the test follow
(wts_test_captions.py), whose captions are written.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from roadtrain.data.provenance import BDD, SAMPLE, WTS_TEST
from roadtrain.data.sources.base import Block, Draft, Malformed, Unit, describe_value, required_value, stem
from roadtrain.data.sources.checks import unread_keys
from roadtrain.data.sources.records import RECORD_KEYS, VIDEO_KEYS, check_question, phase_window, record_videos
from roadtrain.data.sources.rows import read_records
from roadtrain.data.sources.wts import is_sample
from roadtrain.data.sources.wts_test_captions import CaptionFile, caption_blocks, caption_files
from roadtrain.media import Medium

PLACES = ("videos/test", "external/BDD_PC_5K/videos/test")


@dataclass(frozen=True)
class WtsTest:
    """`file`: the questions; `root` holds videos/. `captions`: tasks whose phases are asked about, too."""

    root: str
    file: str
    captions: tuple[str, ...] = ()
    places: dict[str, list[str]] = field(default_factory=dict)  # name -> paths below root; filled when units are read
    rows = True

    def set_of(self, file: str) -> str:
        """The data set of a medium."""
        if is_sample(self.root):
            return SAMPLE
        return BDD if file.startswith("external/") else WTS_TEST

    def tasks(self, split: str) -> list[str]:
        return ["test", *self.captions]

    def media_root(self, split: str) -> str:
        return self.root

    def input_files(self, split: str) -> list[str]:
        questions = [self.file] if os.path.exists(self.file) else []
        if not os.path.isdir(self.root):  # only results were pulled
            return questions
        return sorted([*questions, *(file.path for file in caption_files(self.root, self.captions))])

    def find_videos(self) -> dict[str, list[str]]:
        """{name: its paths below root}, sorted."""
        videos: dict[str, list[str]] = {}
        for path in sorted(path for place in PLACES for path in _files_below(f"{self.root}/{place}")):
            below = os.path.relpath(path, self.root).replace(os.sep, "/")
            videos.setdefault(os.path.basename(path), []).append(below)
        return videos

    def units(self, split: str) -> Iterator[Unit]:
        self.places.update(self.find_videos())
        for path, value in read_records(self.file):
            yield Unit("", split, (path, value))
        for file in caption_files(self.root, self.captions):
            yield Unit("", split, file)

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        if isinstance(unit.where, CaptionFile):
            yield from caption_blocks(unit.where, self._find)
            return
        path, record = unit.where
        if isinstance(record, Malformed):
            yield record
            return
        try:
            yield from self._record(record, path)
        except Malformed as problem:
            yield problem

    def _record(self, record: Any, path: str) -> Iterator[Block | Malformed]:
        if not isinstance(record, dict):
            raise Malformed(
                self.file, path, f"expected an object with videos and questions, found {describe_value(record)}"
            )
        unread_keys(record, RECORD_KEYS, self.file, path)
        questions = [key for key in ("event_phase", "environment", "conversations") if key in record]
        if len(questions) > 1:
            problem = f"stands beside {questions[0]!r}, and only one of them can be asked"
            raise Malformed(self.file, f"{path}.{questions[1]}", problem)
        names = record_videos(record, VIDEO_KEYS, self.file, path)
        media = self._find(names, self.file, path)
        if "event_phase" not in record:
            rows = record.get("environment", record.get("conversations"))
            whole = [Medium(name) for name in media]
            yield from self._blocks(rows, whole, f"{path}.conversations", "environment", "full_video")
            return
        for number, phase in enumerate(
            required_value(record, "event_phase", list, self.file, path, "a list of phases")
        ):
            where = f"{path}.event_phase[{number}]"
            try:
                label, start, end = phase_window(phase, self.file, where)
                task = "vehicle_view" if all("vehicle_view" in name for name in media) else "overhead_view"
                rows, where = phase.get("conversations"), f"{where}.conversations"
                windows = [Medium(name, start, end) for name in media]
                yield from self._blocks(rows, windows, where, task, label)
            except Malformed as problem:
                yield problem

    def _find(self, names: list[str], file: str, path: str) -> list[str]:
        """The videos of these names, below root. Raises Malformed for a name that two have."""
        if twice := [name for name in names if len(self.places.get(name, ())) > 1]:
            problem = f"{twice[0]!r} is the name of two videos: {' and '.join(self.places[twice[0]][:2])}"
            raise Malformed(file, path, problem)
        return [self.places.get(name, [f"videos/test/{name}"])[0] for name in names]

    def _blocks(self, rows: Any, media: list[Medium], path: str, task: str, phase: str) -> Iterator[Block | Malformed]:
        """A block a question, so that each id is checked."""
        if not isinstance(rows, list):
            raise Malformed(self.file, path, f"expected a list of questions, found {describe_value(rows)}")
        parts = media[0].file.split("/")
        scenario = parts[-3] if len(parts) > 3 and parts[-2].endswith("_view") else stem(media[0].file)
        for number, row in enumerate(rows):
            where = f"{path}[{number}]"
            try:
                content = check_question(row, self.file, where, answered=False)
                id = required_value(row, "id", (str, int), self.file, where, "the question's id")
                yield Block(
                    file=self.file,
                    path=path,
                    scenario=scenario,
                    task=task,
                    phase=phase,
                    media=media,
                    questions=[Draft(number, content, str(id))],
                )
            except Malformed as problem:
                yield problem


def submitted_questions(root: str, file: str) -> dict[str, list[str]]:
    """{question: its letters}, in the file's order: what a submission answers, whether its videos can be read or not. What is no
    question (conversion names it, or stops) is not among them. Raises Malformed, FileNotFoundError."""
    source, questions = WtsTest(root, file), dict[str, list[str]]()
    for path, value in read_records(file):
        for block in source.blocks(Unit("", "test", (path, value))):
            for draft in block.questions if isinstance(block, Block) else ():
                questions.setdefault(str(draft.id), list(draft.content.turns[0].options))
    return questions


def _files_below(folder: str) -> Iterator[str]:
    """Every file of a folder, links followed (each folder is visited once); hidden ones left out."""
    visits: set[tuple[int, int]] = set()
    for base, folders, names in os.walk(folder, followlinks=True):
        status = os.stat(base)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if (status.st_dev, status.st_ino) in visits:
            folders.clear()
            continue
        visits.add((status.st_dev, status.st_ino))
        paths = [os.path.join(base, name) for name in names if not name.startswith(".")]
        yield from filter(os.path.isfile, paths)
