"""What every section of the spec shares: unknown keys are mistakes, values can't change after checking."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _number(value: object) -> object:
    """YAML 1.1 reads 2e-5 (no dot) as a string, and `dvc exp run -S` writes it so: read it as the number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _no_bool(value: object) -> object:
    """`epochs: yes` is not one epoch."""
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")
    return value


Number = Annotated[float, BeforeValidator(_number), BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
Integer = Annotated[int, BeforeValidator(_number), BeforeValidator(_no_bool)]
# A name becomes a folder and a Snakemake wildcard: no slash, no dot at the start, nothing a shell expands.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]
# A line that reaches a shell, YAML or TOML. It is quoted there; line breaks and NUL have no business in it.
Line = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]
