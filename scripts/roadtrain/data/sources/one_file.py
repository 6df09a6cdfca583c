"""What the sources share whose split is one annotation file beside a folder of media."""

import os
from dataclasses import dataclass


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
