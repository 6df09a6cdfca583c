"""`train.lora`: low-rank adapters (Hu et al., 2021) in the place of training the weights themselves."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from roadtrain.spec.section import Integer, Number, Section

# A part of the model, or one kind of its linear layers.
Target = Literal[
    "language",
    "language.q_proj",
    "language.k_proj",
    "language.v_proj",
    "language.o_proj",
    "language.gate_proj",
    "language.up_proj",
    "language.down_proj",
    "projector",
    "projector.linear_fc1",
    "projector.linear_fc2",
    "vision",
    "vision.qkv",
    "vision.proj",
    "vision.linear_fc1",
    "vision.linear_fc2",
]


class Lora(Section):
    """Every weight of the model is frozen; a linear layer W that is a target becomes W + scale * B A, and A and B are
    trained. Left out: the weights themselves are trained."""

    rank: Annotated[Integer, Field(ge=1, le=1024)] = Field(16, description="rows of A, columns of B")
    alpha: Annotated[Number, Field(gt=0, le=1e6)] | None = Field(
        None, description="scale = alpha / rank (with rslora: alpha / the root of rank); none: twice the rank"
    )
    dropout: Annotated[Number, Field(ge=0, lt=1)] = Field(
        0.0, description="share of an adapter's inputs that a pass leaves out"
    )
    targets: Annotated[list[Target], Field(min_length=1)] = Field(
        ["language"], description="linear layers that have an adapter: of a part, or of one kind in it"
    )
    rslora: bool = Field(False, description="rank-stabilized scale (Kalajdzievski, 2023)")
    merge: bool = Field(
        True,
        description="an epoch's checkpoint is the whole model with the adapter added to its weights, and the adapter beside it; false: the adapter alone",
    )

    @field_validator("targets")
    @classmethod
    def _once(cls, targets: list[Target]) -> list[Target]:
        for target in targets:
            if targets.count(target) > 1 or target.split(".")[0] in targets and "." in target:
                raise ValueError(f"{target} is there twice")
        return targets

    def settings(self) -> dict[str, Any]:
        """Every key with its value, `alpha` with its default."""
        return self.model_dump() | {"alpha": self.alpha or 2.0 * self.rank}

    def parts(self) -> set[str]:
        """Parts of the model that have adapters."""
        return {target.split(".")[0] for target in self.targets}
