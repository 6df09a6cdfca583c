"""What every section of the spec shares: unknown keys are mistakes, values can't change after checking.

Values come as text, as the YAML file has them (yaml_text.py), or typed, from JSON: both are read here, by what the key is.
"""

import os
import re
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

T = TypeVar("T")

# As YAML 1.2, JSON and TOML write numbers: no 010 (8 in YAML 1.1, 10 in Python), no 1:30 (90 in YAML 1.1), no 1_000.
NUMBER = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,4})?")
LARGEST = 2**53  # beyond it a float, and so JSON and TOML elsewhere, no longer tell integers apart

SMALLEST = 1.2e-38


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _number(value: object) -> object:
    """A number that is written as text is that number; `epochs: yes` is not one epoch. Raises ValueError."""
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")
    if isinstance(value, str) and any(character.isdigit() for character in value):
        if not NUMBER.fullmatch(value) or len(value) > 40:
            raise ValueError("should be a number as 30, 0.5 or 2e-5: no zeros before it, no comma, _ or : in it")
        value = int(value) if value.lstrip("+-").isdigit() else float(value)
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError(f"should be at most {LARGEST}")
    if isinstance(value, float) and 0 < abs(value) < SMALLEST:
        raise ValueError(
            f"should be 0, or at least {SMALLEST} in size: float32 has no smaller numbers with all their digits"
        )
    return value


def _switch(value: object) -> object:
    """YAML 1.1 reads on and off as true and false: either is taken."""
    words = {"true": "on", "yes": "on", "false": "off", "no": "off"}
    word = str(value).lower()
    return words.get(word, word if word in ("on", "off") else value)


def _no_repetition(values: list[T]) -> list[T]:
    for number, value in enumerate(values):
        if value in values[:number]:
            raise ValueError(f"one is there twice: {value}")
    return values


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Integer = Annotated[int, BeforeValidator(_number)]
Seed = Annotated[Integer, Field(ge=0, le=2**32 - 1)]  # what numpy takes, too
# A key with `on` and `off` among its words.
Switch = BeforeValidator(_switch)
# A list in which a second mention is a mistake.
Once = AfterValidator(_no_repetition)
# A name becomes a folder and a Snakemake wildcard: no slash, no dot at the start, nothing a shell expands.
LONGEST_NAME = 80
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=LONGEST_NAME)]
# A line that reaches a shell, YAML or TOML. It is quoted there; line breaks and NUL have no business in it.
Line = Annotated[
    str, Field(min_length=1, max_length=100_000, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$")
]
# A folder of this machine, or a name that may be one. It is quoted everywhere, so ~ is read here or nowhere.
Folder = Annotated[Line, AfterValidator(os.path.expanduser)]
