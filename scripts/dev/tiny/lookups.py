"""Text-only rows: which letter stands before which words, and facts to look up first.

A row is a causal conversation of several turns. Dense supervision is what makes letter binding appear within a
minute on a GPU; see docs of the sample's base for the curve.
"""

import random

from . import words


def dense(rng: random.Random, vocabulary: list[str], simple: bool) -> list[tuple[str, str]]:
    """(user text, answer) turns: an option list with a question, then more questions about the same list."""
    options = words.random_options(rng, vocabulary, rng.choice([2, 3, 4, 4]), simple)
    right = rng.randrange(len(options))
    turns = [(f"Which is {options[right]}?" + options_text(options), "ABCD"[right])]
    for _ in range(rng.choice([0, 1, 3, 6])):
        again = rng.randrange(len(options))
        if rng.random() < 0.6:
            turns.append((f"Which is {options[again]}?", "ABCD"[again]))
        else:
            turns.append((f"What is {'ABCD'[again]}?", " " + options[again]))
    return turns


def facts(rng: random.Random, vocabulary: list[str], simple: bool, in_words: float) -> list[tuple[str, str]]:
    """Facts ("The x is y."), then questions about them, answered by a letter or (share `in_words`) in words."""
    count = rng.choice([1, 2, 2, 3, 4])
    things = rng.sample(vocabulary, count)
    values = words.random_options(rng, vocabulary, count + 3, simple)
    statements = " ".join(f"The {thing} is {value}." for thing, value in zip(things, values, strict=False))
    turns = []
    for turn in range(6):
        index = rng.randrange(count)
        question = f"What is the {things[index]}?"
        if turn == 0:
            question = f"{statements} \n {question}"
        if rng.random() < in_words:
            turns.append((question, " " + values[index]))
            continue
        others = [value for k, value in enumerate(values) if k != index]
        options = [values[index], *rng.sample(others, rng.choice([1, 2, 3, 3, 3]) if len(others) >= 3 else 1)]
        rng.shuffle(options)
        turns.append((question + options_text(options), "ABCD"[options.index(values[index])]))
    return turns


def options_text(options: list[str]) -> str:
    """The options as the recipe writes them after a question."""
    return "".join(f" \n {letter}: {option}" for letter, option in zip("ABCD", options, strict=False))
