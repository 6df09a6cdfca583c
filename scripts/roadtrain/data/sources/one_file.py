"""What the sources share whose split is one annotation file beside a folder of media."""

import os
from dataclasses import dataclass

ANNOTATIONS = (".json", ".jsonl", ".csv", ".txt", ".md")


@dataclass(frozen=True)
class OneFile:
    """`files`: {split: annotation file}, `media`: the folder that entries' media are relative to."""

    files: dict[str, str]
    media: str
    rows = True

    def media_root(self, split: str) -> str:
        """As Source."""
        return self.media

    def input_files(self, split: str) -> list[str]:
        """As Source."""
        return [self.files[split]] if os.path.exists(self.files.get(split, "")) else []

    def media_files(self, split: str) -> list[str]:
        """As Source."""
        return media_below(self.media)


def media_below(folder: str) -> list[str]:
    """Every file of a folder of media, sorted; hidden ones and annotation files left out."""
    files: list[str] = []
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [
            os.path.join(base, name) for name in names if not name.startswith(".") and not name.endswith(ANNOTATIONS)
        ]
    return sorted(os.path.normpath(path) for path in files)
