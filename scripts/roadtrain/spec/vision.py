"""`vision`: which frames of a video the model sees, and how large. The words are qwen-vl-utils' own."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from roadtrain.spec.section import Integer, Number, Section


class Vision(Section):
    """Exactly one of nframes and fps. Sizes are in pixels of one frame; total_pixels is for two frames of
    the whole video together (qwen-vl-utils' convention: a frame gets total_pixels / (frames / 2))."""

    nframes: Annotated[Integer, Field(ge=2, le=768)] | None = Field(
        None, description="frames a video, spread evenly; an even number (two frames make one vision step)"
    )
    fps: Annotated[Number, Field(ge=0.001, le=1000)] | None = Field(None, description="frames a second of video")
    min_frames: Annotated[Integer, Field(ge=2, le=100_000)] | None = Field(
        None, description="with fps: at least so many"
    )
    max_frames: Annotated[Integer, Field(ge=2, le=100_000)] | None = Field(
        None, description="with fps: at most so many"
    )
    min_pixels: Annotated[Integer, Field(ge=1024, le=2**28)] | None = Field(
        None, description="smaller frames are enlarged to this (default 131072, 128 vision tokens)"
    )
    max_pixels: Annotated[Integer, Field(ge=1024, le=2**28)] | None = Field(
        None, description="larger frames are shrunk to this (default 786432, 768 vision tokens)"
    )
    total_pixels: Annotated[Integer, Field(ge=1024, le=2**40)] | None = Field(
        None, description="pixels of all frame pairs of a video together"
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if (self.nframes is None) == (self.fps is None):
            have = "both" if self.nframes is not None else "neither"
            raise ValueError(f"give either nframes or fps, not {have}: cosmos-rl hangs on such a setting")
        if self.nframes is not None and self.nframes % 2:
            raise ValueError(f"nframes: {self.nframes} is odd; two frames make one vision step: use an even number")
        for key in ("min_frames", "max_frames"):
            if self.nframes is not None and getattr(self, key) is not None:
                raise ValueError(f"{key} only goes with fps, not with nframes")
        if (
            self.min_frames and self.max_frames and -(-self.min_frames // 2) > self.max_frames // 2
        ):  # frames go in pairs
            raise ValueError(
                f"min_frames: {self.min_frames} is more than max_frames: {self.max_frames}, in pairs of frames"
            )
        least = self.min_pixels or 128 * 32 * 32
        if self.max_pixels is not None and self.max_pixels < least:
            raise ValueError(
                f"max_pixels: {self.max_pixels} is less than min_pixels: {least}"
                + ("" if self.min_pixels else " (its default): set min_pixels too")
            )
        pairs = (self.nframes or self.min_frames or 2) // 2  # at least
        if self.total_pixels is not None and self.total_pixels < least * pairs:
            raise ValueError(
                f"total_pixels: {self.total_pixels} is less than {pairs} pairs of frames of min_pixels: {least} have"
                + ("" if self.min_pixels else " (its default): set min_pixels too")
            )
        return self

    def settings(self) -> dict[str, int | float]:
        """What is set, as the keys of a qwen-vl-utils video element."""
        return self.model_dump(exclude_none=True)

    @property
    def name(self) -> str:
        """A folder name that says the setting in full: two ablations share frames when they have one setting, and never
        otherwise."""
        short = {"min_frames": "minf", "max_frames": "maxf", "min_pixels": "min", "max_pixels": "max"}
        short |= {"total_pixels": "total"}
        return "_".join(
            f"{short.get(key, key)}{repr(value).removesuffix('.0')}"  # every digit; 1 for 1.0
            for key, value in self.settings().items()
        )
