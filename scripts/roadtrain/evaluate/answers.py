"""The recipe's way to read a response, kept for comparison. Ours is roadtrain.data.answers."""

import re


def first_capital(response: str) -> str:
    """The first capital letter anywhere, or an empty string: "The answer is B" -> T."""
    capital = re.search(r"[A-Z]", response)
    return capital[0] if capital else ""
