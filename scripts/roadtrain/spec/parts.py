"""Parts of the model: which of them learn, and how fast."""

from typing import Annotated, Literal

from pydantic import Field

from roadtrain.spec.section import Number, Section

Part = Literal["vision", "projector", "language", "embeddings"]
# The names of a part's weights, as regular expressions to search with: cosmos-rl's freeze_pattern.
PATTERNS: dict[Part, str] = {
    "vision": r"\bvisual\.(?!merger\.|deepstack_merger_list\.)",
    "projector": r"\bvisual\.(merger|deepstack_merger_list)\.",
    "language": r"\blanguage_model\.(?!embed_tokens\.)",
    "embeddings": r"\b(embed_tokens|lm_head)\.",
}
Rate = Annotated[Number, Field(gt=0, le=1)]


class LearningRates(Section):
    """Peaks of parts that differ from `learning_rate` (local). With `lora` they are those of the adapters in the part."""

    vision: Rate | None = Field(None, description="the vision tower")
    projector: Rate | None = Field(None, description="its merger and deepstack mergers")
    language: Rate | None = Field(None, description="the decoder's layers")
    embeddings: Rate | None = Field(None, description="the token embeddings and the head")

    def rates(self) -> dict[str, float]:
        """{part: peak} of those that are set."""
        return {part: rate for part, rate in self.model_dump().items() if rate is not None}
