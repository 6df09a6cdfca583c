"""`open_questions`: questions without options for the report's qualitative page."""

from typing import Annotated

from pydantic import Field

from roadtrain.spec.section import Integer, Line, Once, Section


class OpenQuestions(Section):
    questions: Annotated[list[Line], Once] = Field(
        [],
        max_length=1000,
        description="asked of the base model, the best epoch and every quantized checkpoint; not scored",
    )
    videos: Annotated[Integer, Field(ge=1, le=100)] = Field(
        3, description="validation videos that each question is asked about"
    )
    max_new_tokens: Annotated[Integer, Field(ge=1, le=4096)] = Field(128, description="greedy decoding stops here")
