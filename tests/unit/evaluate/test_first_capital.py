"""The recipe's way to read a response."""

import pytest

from roadtrain.evaluate.answers import first_capital


@pytest.mark.parametrize(
    "response, letter", [("The answer is B", "T"), ("Answer: C", "A"), ("b", ""), ("(B)", "B"), ("", "")]
)
def test_the_recipes_parse(response, letter):
    """Its defects, kept for comparison."""
    assert first_capital(response) == letter
