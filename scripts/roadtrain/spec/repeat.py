"""`repeat`: every ablation once for each seed, which says how much of a difference is luck.

An ablation NAME becomes the ablations NAME-seed0, NAME-seed1, ..: runs as any other, with their own folders, that differ in
`train.seed` only. So another seed trains nothing but its own runs, and no rule knows of repetitions.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from roadtrain.spec.section import Once, Section, Seed


class Repeat(Section):
    """Trains every ablation NAME once for each seed, as NAME-seed0, NAME-seed1, ..; without it: once, with `train.seed`."""

    seeds: Annotated[list[Seed], Field(min_length=1, max_length=100), Once] = Field(
        description="values of `train.seed`; tables and figures show mean and spread over them (docs/seeds.md)"
    )

    def names(self, ablations: Iterable[str]) -> dict[str, tuple[str, int]]:
        """{the name of a run: the ablation as it is written, the run's seed}."""
        return {f"{name}-seed{seed}": (name, seed) for name in ablations for seed in self.seeds}
