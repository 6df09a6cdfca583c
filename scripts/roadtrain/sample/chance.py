"""Seeded randomness. A stream has a name, so that no draw depends on the order of other draws."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def stream(*name: object) -> Random:
    """A random stream of its own for a name such as (seed, "val", 7, "look")."""
    return Random("/".join(map(str, name)))


def spread(rng: Random, values: Sequence[T], n: int) -> list[T]:
    """`n` draws from `values` in random order, each value as often as any other (give or take one)."""
    order = rng.sample(values, len(values))
    draws = [order[i % len(order)] for i in range(n)]
    rng.shuffle(draws)
    return draws


def one_in(rng: Random, every: int, n: int) -> set[int]:
    """Indices below `n` of one item in `every`; at least one as soon as there are four items."""
    return set(rng.sample(range(n), max(n // every, int(n >= 4))))
