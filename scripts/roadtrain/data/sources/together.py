"""The cameras of a scenario in one prompt (data.views: together): each question once, about all of its overhead videos."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from roadtrain.data.llava import PLACEHOLDER
from roadtrain.data.provenance import set_of
from roadtrain.data.sources.base import Block, Draft, Malformed, Source, Unit

PICTURE = "<image>"


@dataclass
class Together:
    """A source of questions that are asked about several cameras. What it asks about one video stays as it is."""

    source: Source
    rows: bool  # the source's

    @property
    def find_videos(self) -> Callable[[], dict[str, list[str]]] | None:
        """Of a split whose videos are named without their folders (catalog.finder)."""
        finder: Callable[[], dict[str, list[str]]] | None = getattr(self.source, "find_videos", None)
        return finder

    def set_of(self, file: str) -> str:
        """The data set of a medium."""
        return set_of(self.source, file)

    def tasks(self, split: str) -> list[str]:
        """As Source."""
        return self.source.tasks(split)

    def media_root(self, split: str) -> str:
        """As Source."""
        return self.source.media_root(split)

    def input_files(self, split: str) -> list[str]:
        """As Source."""
        return self.source.input_files(split)

    def units(self, split: str) -> Iterable[Unit]:
        """As Source."""
        return self.source.units(split)

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        """As Source: blocks about several videos have them together."""
        for block in self.source.blocks(unit):
            yield _together(block) if isinstance(block, Block) and len(block.media) > 1 else block


def _together(block: Block) -> Block:
    """Questions in whose words a placeholder stands are left out: which video it stands for couldn't be told."""
    good: list[Draft] = []
    problems = list(block.problems)
    for draft in block.questions:
        human = draft.content.turns[0].human.removeprefix(PLACEHOLDER)
        if word := next((word for word in (PLACEHOLDER, PICTURE) if word in human), None):
            problem = f"{word} stands in the question, which is asked about several videos; write it otherwise"
            problems.append(Malformed(block.file, block.place(draft), problem))
        else:
            good.append(draft)
    changes: dict[str, Any] = {"questions": good, "problems": problems, "views": True}
    return replace(block, **changes)
