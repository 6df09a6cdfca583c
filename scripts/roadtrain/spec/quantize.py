"""`quantize`: compress the best epoch and check what that cost."""

from typing import Annotated, Literal

from pydantic import Field

from roadtrain.spec.section import Integer, Number, Once, Section

GATE = ("gate", "max_accuracy_drop", "max_caption_drop", "min_scenarios")
Precision = Literal["fp8", "fp8_dynamic", "nvfp4"]


class Quantize(Section):
    precisions: Annotated[list[Precision], Once] = Field(
        ["fp8"],
        min_length=1,
        description="fp8: weights and activations with calibrated scales; fp8_dynamic: scales per token;"
        " nvfp4: 4 bits in blocks of 16 (Blackwell GPUs)",
    )
    kv_cache: Literal["none", "fp8"] = Field(
        "none", description="scales for keys and values kept in FP8 while generating"
    )
    calibration_videos: Annotated[Integer, Field(ge=1, le=1_000_000)] = Field(
        128, description="training videos for the scales"
    )
    calibration_max_length: Annotated[Integer, Field(ge=64, le=10_000_000)] = Field(
        32768, description="tokens of the longest calibration sequence; a longer one is an error, never cut off"
    )
    max_accuracy_drop: Annotated[Number, Field(ge=0, le=1)] = Field(
        0.01, description="the gate: a larger loss of accuracy is not deployed"
    )
    gate: Literal["accuracy", "parts", "s2"] = Field(
        "accuracy",
        description="the gate: what may not be lost: accuracy; parts: accuracy and the caption score, each by itself; s2: their mean,"
        " whose allowed loss is the mean of theirs (with data.captions: val or all)",
    )
    max_caption_drop: Annotated[Number, Field(ge=0, le=100)] = Field(
        1.0, description="the gate: a larger loss of the caption score, in points of 100, is not deployed"
    )
    min_scenarios: Annotated[Integer, Field(ge=1, le=1_000_000)] = Field(
        20, description="the gate: with fewer validation scenarios it is undecided (see deploy.allow_undecided_gate)"
    )
    gpus: Annotated[Integer, Field(ge=0, le=1)] = Field(1, description="GPUs of the quantization job; 0: the CPU")

    def compression(self) -> str:
        """The part that defines a quantized checkpoint beside its precision, as JSON: quantize.py --quantize."""
        return self.model_dump_json(exclude={"precisions", "gpus", *GATE})

    def calibration_length(self) -> str:
        """The part that preflight checks a run against, as JSON: preflight.py --quantize."""
        return self.model_dump_json(include={"calibration_max_length"})

    def verdict(self) -> str:
        """The part that defines the gate, as JSON: gate.py --quantize."""
        captions = {"gate", "max_caption_drop"} if self.gate != "accuracy" else set()
        return self.model_dump_json(include={"max_accuracy_drop", "min_scenarios"} | captions)
