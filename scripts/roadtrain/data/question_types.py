"""The groups of WTS's questions, which have no key for it: they fall into few kinds, and their words say which.

WTS's source alone asks this (sources/records.py); other data say their groups themselves. The first row whose pattern is
found in the question decides; what fits none is `other`.
"""

import re

_RULES = [
    ("obstacle", r"obstacle"),
    ("pedestrian's clothing", r"cloth|wear|\bhat\b|glasses|trousers|jacket|shirt"),
    (
        "pedestrian's movement",
        r"pedestrian.*\b(mov|walk|cross|direction|doing|speed|position|distance|line of sight|end of)",
    ),
    ("pedestrian's movement", r"\b(direction|doing|where)\b.*pedestrian"),
    ("pedestrian's person", r"\bage\b|height of the pedestrian|tall|gender|pedestrian"),
    ("weather and light", r"weather|bright|\blight(ing)?\b(?!s)|visib"),
    ("traffic", r"traffic|vehicle"),
    ("roadside", r"sidewalk|roadside|street ?light|guard ?rail|strip"),
    ("road", r"road|lane|surface|inclin|formation|intersection"),
]
_COMPILED = [(name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _RULES]
TYPES = tuple(dict.fromkeys([name for name, _ in _RULES] + ["other"]))


def question_type(question: str) -> str:
    """The kind of a question, one of TYPES."""
    return next((name for name, pattern in _COMPILED if pattern.search(question)), "other")
