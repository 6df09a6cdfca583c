"""One annotation file as two splits, as `data.split` says: what was recorded together is on one side.

Groups (scenarios, or videos) are put in the order of a hash of the seed and their name, and the first of them validate. So a
side depends on names and the seed, not on the order of rows, and a group that comes later changes the side of one other at
most. Groups that share a medium, by name or by content, are one: on two sides it would be a leak.
"""

from __future__ import annotations  # conversion starts without loading pydantic

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roadtrain.cli import UserError
from roadtrain.data.audit_json import DivisionJson
from roadtrain.data.compact import hash64
from roadtrain.data.groups import Groups
from roadtrain.data.media_record import READERS, file_print
from roadtrain.data.provenance import set_of
from roadtrain.data.sources.base import Block, Malformed, Unit, in_one_line

if TYPE_CHECKING:
    from roadtrain.data.sources.llava import Llava
    from roadtrain.data.sources.mcq import Mcq
    from roadtrain.data.sources.tar import Tar
    from roadtrain.spec.data import DataSplit


@dataclass(frozen=True)
class Cut:
    """Which groups validate. Small: it is sent to every worker."""

    by: str  # scenario or video
    seed: int
    last: int  # the hash of the last group that validates
    joined: dict[str, str]  # group -> the first name of those that it is one with
    groups: int
    validating: int

    def side(self, block: Block) -> str:
        """train or val."""
        name = group_name(block, self.by)
        return "val" if _place(self.joined.get(name, name), self.seed) <= self.last else "train"


def group_name(block: Block, by: str) -> str:
    """The group of a block's questions: its scenario, or its first video."""
    return block.scenario if by == "scenario" else block.media[0].file


def _place(name: str, seed: int) -> int:
    return hash64(f"{seed}\n{name}")


class Divided:
    """A source of one file, whose training questions are divided into train and val."""

    rows = True

    def __init__(self, source: Llava | Mcq | Tar, split: DataSplit) -> None:
        self.source, self.split = source, split
        self._cut: Cut | None = None

    def set_of(self, file: str) -> str:
        """The data set of a medium."""
        return set_of(self.source, file)

    def tasks(self, split: str) -> list[str]:
        """As Source."""
        return self.source.tasks("train")

    def media_root(self, split: str) -> str:
        """As Source."""
        return self.source.media_root("train")

    def input_files(self, split: str) -> list[str]:
        """As Source."""
        return self.source.input_files("train")

    def units(self, split: str) -> Iterator[Unit]:
        """As Source. Raises UserError when a side would be empty."""
        self.cut()
        for unit in self.source.units("train"):
            yield replace(unit, split=split)

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        """As Source: those of the unit's side. What can't be read has none, and counts once, with train."""
        for block in self.source.blocks(replace(unit, split="train")):
            if (self.cut().side(block) if isinstance(block, Block) else "train") == unit.split:
                yield block

    def cut(self) -> Cut:
        """Where the two sides part. The file is read for it once. Raises UserError when a side would be empty, Malformed where
        the file can't be read on."""
        if self._cut is None:
            self._cut = _cut(self.source, self.split)
        return self._cut

    def report(self) -> DivisionJson:
        """What the audit says of it."""
        cut = self.cut()
        return {
            "val": self.split.val,
            "seed": cut.seed,
            "by": cut.by,
            "groups": cut.groups,
            "validating": cut.validating,
            "joined": len(cut.joined),
        }


class _SharedMedia:
    """Groups of questions, of which those that share a medium are one."""

    def __init__(self) -> None:
        self.groups = Groups()
        self.owners: dict[str, str] = {}  # medium -> the group that it came up in first
        self.shared = ""  # the first medium that made two groups one

    def add(self, group: str, media: list[str]) -> None:
        self.groups.root(group)
        for medium in media:
            self.join(group, self.owners.setdefault(medium, group), medium)

    def join(self, one: str, other: str, medium: str) -> None:
        if self.groups.join(one, other):
            self.shared = self.shared or medium

    def join_same_files(self, root: str) -> None:
        """Copies of one file under two names."""
        names, first = list(self.owners), dict[str, str]()
        with ThreadPoolExecutor(READERS) as pool:
            for name, content in zip(names, pool.map(file_print, [f"{root}/{name}" for name in names]), strict=True):
                if content is not None:
                    self.join(self.owners[name], self.owners[first.setdefault(content, name)], name)


def _cut(source: Llava | Mcq | Tar, split: DataSplit) -> Cut:
    media, bad = _SharedMedia(), list[Malformed]()
    for unit in source.units("train"):
        for block in source.blocks(unit):
            if isinstance(block, Block):
                media.add(group_name(block, split.by), [medium.file for medium in block.media])
            else:
                bad.append(block)
    media.join_same_files(source.media)
    roots = {name: media.groups.root(name) for name in media.groups.names}
    places = sorted(_place(name, split.seed) for name in set(roots.values()))
    validating = int(split.val * len(places) + 0.5)
    if not 0 < validating < len(places):
        also = f" ({len(bad)} can't be read, first {bad[0]})" if bad else ""
        raise UserError(_empty_side(source.files["train"], split, media, len(places), validating) + also)
    joined = {name: root for name, root in roots.items() if name != root}
    return Cut(split.by, split.seed, places[validating - 1], joined, len(places), validating)


def _empty_side(file: str, split: DataSplit, media: _SharedMedia, count: int, validating: int) -> str:
    """One line: why there are no two sides, and what would help."""
    if count == 0:
        return f"{file}: data.split: no question that can be read: nothing to divide"
    if count == 1:
        name = in_one_line(min(media.groups.names))
        if media.shared:
            what = f"its {len(media.groups.names)} {split.by}s are one group, since they share media ({in_one_line(media.shared)}, for one)"
        else:
            what = f"all of it is one {split.by} ({name})"
        by_video = (
            "split by video, or " if split.by == "scenario" and len(media.owners) > 1 and not media.shared else ""
        )
        return f"{file}: data.split: {what}: {by_video}name a file for validation in data.files.val instead"
    side, bound = ("val", "at least") if validating == 0 else ("train", "less than")
    limit = 0.5 / count if validating == 0 else 1 - 0.5 / count
    return (
        f"{file}: data.split.val: {split.val:g} of {count} {split.by}s leaves {side} empty; write {bound} {limit:.4g}"
    )
