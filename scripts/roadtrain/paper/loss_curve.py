"""The training loss as F2 draws it and its caption says it: of each step, and the mean of the latest ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SHARE = 20  # the mean is over a twentieth of an epoch: one step's loss says more of its batch than of the training


@dataclass(frozen=True)
class LossCurve:
    """Of one ablation. `smooth[n]` is the mean of `raw[n]` and the steps before it, `window` in all (at the beginning as
    many as there are)."""

    steps: list[int]
    raw: list[float]
    smooth: list[float]
    window: int

    @classmethod
    def of(cls, log: Sequence[Mapping[str, Any]], epochs: int) -> "LossCurve":
        """`log`: one line an optimizer step, of all epochs."""
        raw = [line["loss"] for line in log]
        window = max(1, len(raw) // (SHARE * epochs))
        recent = [raw[max(0, n + 1 - window) : n + 1] for n in range(len(raw))]
        smooth = [sum(values) / len(values) for values in recent]
        return cls([line["step"] for line in log], raw, smooth, window)

    def in_words(self) -> str:
        """from 1.404 to 0.072 in 60 steps (means of the first and the last 3 steps)"""
        first, last = self.smooth[self.window - 1], self.smooth[-1]
        values = f"from {first:.3f} to {last:.3f} in {len(self.raw):,} steps"
        which = (
            "those of the first and the last step"
            if self.window == 1
            else f"means of the first and the last {self.window} steps"
        )
        return f"{values} ({which})"


@dataclass(frozen=True)
class LossOfSeeds:
    """The smooth curves of several seeds: their mean, and the lowest and the highest at each moment."""

    steps: list[float]
    low: list[float]
    mean: list[float]
    high: list[float]
    window: int  # of the first seed's curve

    @classmethod
    def of(cls, curves: Sequence[LossCurve]) -> "LossOfSeeds":
        """Seeds that draw their own scenarios (`train.share`) may differ in their number of steps: moments are parts of each
        one's training, as many as the shortest has steps, and stand at the mean step."""
        lengths = [len(curve.smooth) for curve in curves]
        moments = np.arange(1, min(lengths) + 1) / min(lengths)
        rows = [np.interp(moments * n, range(1, n + 1), c.smooth) for c, n in zip(curves, lengths, strict=True)]
        steps = moments * (sum(lengths) / len(lengths))
        low, mean, high = np.min(rows, axis=0), np.mean(rows, axis=0), np.max(rows, axis=0)
        return cls(steps.tolist(), low.tolist(), mean.tolist(), high.tolist(), curves[0].window)

    def in_words(self, seeds: int) -> str:
        """from 1.404 to 0.072 in 60 steps (means of 3 seeds)"""
        return f"from {self.mean[self.window - 1]:.3f} to {self.mean[-1]:.3f} in {self.steps[-1]:,.0f} steps (means of {seeds} seeds)"
