"""Bounds that hold for few scenarios too, and where a bootstrap has nothing to resample.

Scenarios are independent; nothing else is taken for granted about how their answers are spread. In a scenario of m
questions the number of right answers changes by D, from -m to m. A bet of rho against "at least the share d of the
answers is lost" multiplies the money that is put on it by

    1 + rho (D + d m) / ((1 - d) M),    M: questions of the largest scenario

for each scenario. If that loss is real, no factor is below 0 and the money grows by nothing on average (the factors'
means multiply, and their geometric mean is at most their arithmetic one, so scenarios may differ). So it is more than
1 / alpha times as much with a probability of at most alpha (Markov), and then the loss is excluded. Half of the money
is bet whole (rho = 1), a quarter with rho = 1/2, and so on: large stakes see that nothing happened, small ones see
through noise. Source: Waudby-Smith & Ramdas, Estimating means of bounded random variables by betting, Journal of the
Royal Statistical Society B 86:1 (2024), with stakes that don't depend on the data, so that no order matters.

With one kind of answer that is lost or kept, Clopper and Pearson's bound is the best possible one; this is a little
wider. Where n scenarios changed nothing it is 1 - (alpha / 2) ** (1 / n): losses that hit a few scenarios, and those
wholly, could not have been seen. Clopper and Pearson's 1 - alpha ** (1 / n) takes the whole money for that one case.
"""

from bisect import bisect_left
from math import ceil, log

import numpy as np
from numpy.typing import NDArray

STAKES = np.array([1, 1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32])
SHARES = np.array([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 32])  # of the money; together 1
_HALVINGS = 40  # of the interval from -1 to 1: twelve digits; a loss of 1 itself is never divided by


def exact_lower_bound(changes: NDArray[np.float64], sizes: NDArray[np.float64], alpha: float) -> float:
    """One-sided bound, at 1 - alpha, of a difference of two accuracies. From -1 to 1.

    changes: [scenarios], right answers more than before, in each. sizes: [scenarios], its questions.
    """
    certain, possible = 1.0, -1.0  # losses: the one is excluded or can't be exceeded, the other is not excluded
    for _ in range(_HALVINGS):
        middle = (certain + possible) / 2
        if _log_money(changes, sizes, middle) >= -log(alpha):
            certain = middle
        else:
            possible = middle
    return -certain


def interval_without_spread(rate: float, scenarios: int, alpha: float) -> tuple[float, float]:
    """Two-sided interval of a share when every scenario has the same one, as when there is only one scenario, or all
    answers are right: a resample is the same again. Both bounds at alpha / 2, by the whole stake alone, since what is
    seen is nothing but sameness; Clopper and Pearson's when all are right or all are wrong."""
    unseen = (alpha / 2) ** (1 / scenarios)
    return rate * unseen, 1 - (1 - rate) * unseen


def scenarios_for(margin: float, alpha: float) -> int | None:
    """How many scenarios without a changed answer exclude a loss of more than `margin`, from 0 to 1. None: no number
    excludes any loss at all."""
    if margin in (0, 1):
        return int(margin) or None
    most = ceil(log(alpha / 2) / log(1 - margin))  # with the whole stake alone
    return bisect_left(range(1, most), -log(alpha), key=lambda n: _log_money(np.zeros(n), np.ones(n), margin)) + 1


def _log_money(changes: NDArray[np.float64], sizes: NDArray[np.float64], loss: float) -> float:
    """Logarithm of what 1 became by betting against `loss`: it grows with `loss`."""
    gains = (changes + loss * sizes) / ((1 - loss) * sizes.max())
    with np.errstate(divide="ignore"):  # a scenario that was lost wholly takes all of a whole stake
        logs = np.log(SHARES) + np.log1p(np.maximum(-1, STAKES[:, None] * gains)).sum(axis=1)
    return float(np.logaddexp.reduce(logs))
