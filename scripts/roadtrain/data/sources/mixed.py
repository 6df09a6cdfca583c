"""Several sources in one run: their media are relative to one root."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from roadtrain.data.provenance import set_of
from roadtrain.data.sources.base import Block, Malformed, Source, Unit
from roadtrain.data.sources.bdd import FOLDER, Bdd


@dataclass(frozen=True)
class Mixed:
    """Sources with one media root and no video in common."""

    sources: tuple[Source, ...]
    rows = False

    def set_of(self, file: str) -> str:
        """The external part's, or the other's."""
        inside = [source for source in self.sources if file.startswith(f"{FOLDER}/") == isinstance(source, Bdd)]
        return set_of(inside[0], file)

    def tasks(self, split: str) -> list[str]:
        return [task for source in self.sources for task in source.tasks(split)]

    def media_root(self, split: str) -> str:
        return self.sources[0].media_root(split)

    def input_files(self, split: str) -> list[str]:
        return sorted(path for source in self.sources for path in source.input_files(split))

    def units(self, split: str) -> list[Unit]:
        units = [
            replace(unit, where=(number, unit))
            for number, source in enumerate(self.sources)
            if source.tasks(split)
            for unit in source.units(split)
        ]
        return sorted(units, key=lambda unit: unit.order)

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        number: int
        source_unit: Unit
        number, source_unit = unit.where
        return self.sources[number].blocks(source_unit)
