"""`frames`: how videos are read. Which frames, and how large: `vision` of an ablation."""

from typing import Annotated, Literal

from pydantic import Field

from roadtrain.spec.section import Number, Section


class Frames(Section):
    reader: Literal["pyav", "decord"] = Field(
        "pyav",
        description="who decodes: pyav shows the moment asked for in every container (docs/videos.md);"
        " decord gives the recipe's bits, also where they are another moment",
    )
    timeout: Annotated[Number, Field(gt=0, le=86_400)] = Field(
        60, description="seconds without progress after which a video is left out by name"
    )
    memory_gb: Annotated[Number, Field(ge=0.1, le=100_000)] = Field(
        4, description="what decoding a video may take of memory, a process; beyond it the video is left out (Linux)"
    )

    @property
    def memory(self) -> int:
        """Bytes."""
        return int(self.memory_gb * 1e9)

    def reading(self) -> str:
        """All of it, as JSON: decode_frames.py --frames."""
        return self.model_dump_json()
