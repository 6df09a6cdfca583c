"""`card`: what a model's card says that no file of the run knows. push.py sends no model whose licences aren't said."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from roadtrain.spec.section import Line, Once, Section

UNFILLED = "NOT FILLED IN"  # stands in a card before the key that is missing; push.py looks for it


class Card(Section):
    license: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=60)] | None = Field(
        None, description="of the model, as the hub calls it: apache-2.0, cc-by-nc-4.0, .., or other"
    )
    license_name: Line | None = Field(None, description="with other: its name (nvidia-open-model-license)")
    license_link: Line | None = Field(None, description="with other: where its text is")
    data_license: Line | None = Field(
        None, description="what the training data's terms are, and whether they allow to hand a model on; in words"
    )
    datasets: Annotated[list[Line], Once] = Field([], description="names of the training data on the hub, if any")
    intended_use: Line | None = Field(None, description="a sentence more about what the model is for")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.license == "other" and self.license_name is None:
            raise ValueError("license_name is missing: license: other needs one")
        if self.license != "other" and (self.license_name or self.license_link):
            raise ValueError("license_name and license_link go with license: other")
        return self
