"""How sure an accuracy, and a difference of two, is.

Questions about one scenario are not independent: the cameras show the same scene and share its questions. So the
unit of resampling is the scenario. `right` is 1 for a right answer and 0 for a wrong one, one value a question;
`scenarios` names the scenario of each question. Counts are integers, sums of them are exact in float64, and the
generator is seeded: the same input gives the same bytes on every machine. Where no resample can differ (one scenario,
or all alike) a bootstrap has no width, which says nothing: bounds.py has what holds then.

Sources: bootstrap over clusters and its percentile interval: Davison & Hinkley, Bootstrap Methods and their
Application (1997), sections 3.8 and 5.3. McNemar's exact and mid-p tests: Fagerland, Lydersen & Laake, BMC Medical
Research Methodology 13:91 (2013). Holm's correction: Scandinavian Journal of Statistics 6:65 (1979).
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from roadtrain.evaluate.bounds import exact_lower_bound, interval_without_spread

SEED = 0
LEVEL = 0.95
Answers = Sequence[int] | NDArray[Any]
Labels = Sequence[Hashable]
Floats = NDArray[np.float64]
Label = TypeVar("Label", bound=Hashable)
_CHUNK = 1 << 22  # numbers held at once while resampling: 32 MiB


@dataclass(frozen=True, slots=True)
class Difference:
    """Accuracy of `b` minus accuracy of `a` over the same questions."""

    difference: float
    ci: tuple[float, float]  # percentile interval, bootstrap over scenarios; exact where these are all alike
    only_a: int  # questions that only `a` answers right
    only_b: int
    mcnemar_exact: float  # two-sided p, questions taken as independent
    mcnemar_midp: float
    questions: int
    scenarios: int


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """One-sided: is `candidate` at most `margin` worse than `baseline`?"""

    difference: float  # candidate - baseline
    bootstrap_bound: float  # one-sided bound at `level` of what the scenarios show
    exact_bound: float  # the same from bounds.py: what so few scenarios can't exclude
    margin: float
    level: float
    questions: int
    scenarios: int
    samples: int

    @property
    def lower_bound(self) -> float:
        """The worse of both bounds."""
        return min(self.bootstrap_bound, self.exact_bound)

    def within_margin(self, bound: float) -> bool:
        """Whether a bound is no loss of more than the margin."""
        return bound >= -self.margin - 1e-12


def interval(
    right: Answers, scenarios: Labels, samples: int, seed: int = SEED, level: float = LEVEL
) -> tuple[float, float]:
    """Percentile interval of the accuracy, resampling scenarios. Raises ValueError without questions.

    Where every scenario has the same share of right answers (all are right, or there is one scenario) no resample can
    differ: the interval is then bounds.interval_without_spread.
    """
    return intervals(right, scenarios, ["all"] * len(right), samples, seed, level)["all"]


def intervals(
    right: Answers,
    scenarios: Labels,
    groups: Sequence[Label],
    samples: int,
    seed: int = SEED,
    level: float = LEVEL,
) -> dict[Label, tuple[float, float]]:
    """`interval` of each group of questions, from one set of resamples.

    Scenarios without a question of a group don't count for it; a resample that has none of them is left out.
    """
    answers = _checked(right, scenarios, groups)
    (where, clusters), (which, names) = _codes(scenarios), _codes(groups)
    shape = (len(clusters), len(names))
    cell = where * len(names) + which
    total = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
    good = np.bincount(cell, weights=answers, minlength=shape[0] * shape[1]).reshape(shape)
    parts = []
    for weights in resamples(len(clusters), samples, seed):
        with np.errstate(invalid="ignore"):
            parts.append((weights @ good) / (weights @ total))
    rates = np.concatenate(parts)
    result = {}
    for column, name in enumerate(names):
        have = np.isfinite(rates[:, column])
        low, high = np.quantile(rates[have, column], [(1 - level) / 2, (1 + level) / 2])
        present = total[:, column] > 0
        shares = good[present, column] / total[present, column]
        if shares.min() == shares.max():
            low, high = interval_without_spread(float(shares[0]), len(shares), 1 - level)
        result[name] = (float(low), float(high))
    return result


def paired_difference(
    a: Answers,
    b: Answers,
    scenarios: Labels,
    samples: int,
    seed: int = SEED,
    level: float = LEVEL,
) -> Difference:
    """Compare two sets of answers to the same questions (position by position)."""
    right_a, right_b = _checked(a, scenarios, b), _checked(b, scenarios)
    low, high = mean_interval(right_b - right_a, scenarios, samples, (-1, 1), seed, level)
    only_a = int(((right_a == 1) & (right_b == 0)).sum())
    only_b = int(((right_a == 0) & (right_b == 1)).sum())
    exact, midp = mcnemar(only_a, only_b)
    return Difference(
        difference=float((right_b.sum() - right_a.sum()) / len(right_a)),
        ci=(low, high),
        only_a=only_a,
        only_b=only_b,
        mcnemar_exact=exact,
        mcnemar_midp=midp,
        questions=len(right_a),
        scenarios=len(set(scenarios)),
    )


def mean_interval(
    values: Answers,
    scenarios: Labels,
    samples: int,
    bounds: tuple[int, int],
    seed: int = SEED,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Percentile interval of the mean of whole numbers, one a question, from bounds[0] to bounds[1], resampling scenarios.

    Where every scenario has the same mean: bounds.interval_without_spread.
    """
    numbers = np.asarray(values, dtype=float)
    means = _bootstrap_differences(numbers, scenarios, samples, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    each = by_scenario(numbers, scenarios) / by_scenario(np.ones(len(numbers)), scenarios)
    if each.min() == each.max():  # from least to most; the interval is of a share from 0 to 1
        least, width = bounds[0], bounds[1] - bounds[0]
        ends = interval_without_spread((float(each[0]) - least) / width, len(each), 1 - level)
        low, high = (width * end + least for end in ends)
    return float(low), float(high)


def non_inferiority(
    baseline: Answers,
    candidate: Answers,
    scenarios: Labels,
    margin: float,
    samples: int = 10_000,
    seed: int = SEED,
    level: float = LEVEL,
) -> NonInferiority:
    """The gate's test: lower bounds of candidate - baseline against -margin. One-sided, paired, by scenario."""
    if margin < 0:
        raise ValueError(f"margin: {margin} is negative: it is the accuracy that may be lost")
    before, after = _checked(baseline, scenarios, candidate), _checked(candidate, scenarios)
    changes, sizes = by_scenario(after - before, scenarios), by_scenario(np.ones(len(before)), scenarios)
    differences = _bootstrap_differences(after - before, scenarios, samples, seed)
    return NonInferiority(
        difference=float((after.sum() - before.sum()) / len(before)),
        bootstrap_bound=float(np.quantile(differences, 1 - level)),
        exact_bound=exact_lower_bound(changes, sizes, 1 - level),
        margin=margin,
        level=level,
        questions=len(before),
        scenarios=len(set(scenarios)),
        samples=samples,
    )


def nothing_known(margin: float, level: float = LEVEL) -> NonInferiority:
    """What non_inferiority would say without a scenario: everything may be lost."""
    return NonInferiority(0.0, 0.0, -1.0, margin, level, questions=0, scenarios=0, samples=0)


def mcnemar(only_a: int, only_b: int) -> tuple[float, float]:
    """(exact, mid-p) two-sided p values from the two counts of disagreement. (1, 1) when there is none."""
    n, least = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0, 1.0
    tail = sum(comb(n, k) for k in range(least + 1))  # integers: no rounding before the one division
    if only_a == only_b:  # both tails hold the middle
        return 1.0, 1 - comb(n, least) / 2 ** (n + 1)
    return 2 * tail / 2**n, (2 * tail - comb(n, least)) / 2**n


def draws_for(pairs: int, level: float) -> int:
    """Draws of sign_flip by which the smallest p of so many pairs, corrected for their number (Holm), can get well below `level`."""
    return max(10_000, int(100 * pairs / level) if pairs > 5 else 0)


def sign_flip(differences: NDArray[Any], samples: int = 10_000, seed: int = SEED) -> Floats:
    """Two-sided p values of paired comparisons, with scenarios exchanged as wholes.

    differences: [scenarios, comparisons], the number of right answers of b minus that of a in each scenario. Were a
    and b equally good, each scenario's sign would be a coin flip (Fisher's randomization test). Returns
    [comparisons]; the observed signs count as one of the draws, so that no p is 0.
    """
    differences = np.asarray(differences, dtype=float)
    observed = np.abs(differences.sum(axis=0))
    as_large = np.ones(differences.shape[1])
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // max(1, max(differences.shape)))
    for start in range(0, samples, step):
        signs = rng.integers(0, 2, (min(step, samples - start), differences.shape[0])) * 2.0 - 1
        as_large += (np.abs(signs @ differences) >= observed).sum(axis=0)
    p_values: Floats = as_large / (samples + 1)
    return p_values


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm 1979), in the order given."""
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = floor
    return adjusted


def sums_by_scenario(values: Answers, scenarios: Sequence[Label]) -> dict[Label, float]:
    """{scenario: the sum of its values}."""
    return dict(zip(_codes(scenarios)[1], by_scenario(values, scenarios).tolist(), strict=True))


def by_scenario(values: Answers, scenarios: Labels) -> Floats:
    """Sums of the values of each scenario, [scenarios] in sorted order."""
    where, names = _codes(scenarios)
    return np.asarray(np.bincount(where, weights=np.asarray(values, dtype=float), minlength=len(names)), dtype=float)


def _bootstrap_differences(difference: Floats, scenarios: Labels, samples: int, seed: int) -> Floats:
    sums, sizes = by_scenario(difference, scenarios), by_scenario(np.ones(len(difference)), scenarios)
    return np.concatenate([(w @ sums) / (w @ sizes) for w in resamples(len(sums), samples, seed)])


def resamples(clusters: int, samples: int, seed: int) -> Iterator[Floats]:
    """How often each cluster was drawn: arrays [.., clusters] of `samples` rows together."""
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // clusters)
    for start in range(0, samples, step):
        draws = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=min(step, samples - start))
        yield draws.astype(float)


def _codes(labels: Sequence[Label]) -> tuple[NDArray[np.int64], list[Label]]:
    """(number of each label's group, the groups in sorted order)."""
    names = sorted(set(labels), key=str)
    number = {name: i for i, name in enumerate(names)}
    return np.fromiter((number[label] for label in labels), dtype=np.int64, count=len(labels)), names


def _checked(right: Answers, *alike: Labels | Answers) -> Floats:
    values = np.asarray(right, dtype=float)
    if values.size == 0:
        raise ValueError("no questions: nothing to compute an accuracy from")
    for other in alike:
        if len(other) != len(values):
            raise ValueError(f"{len(values)} answers but {len(other)} labels or answers beside them")
    if not np.isin(values, (0, 1)).all():
        raise ValueError("answers must be 1 (right) or 0 (wrong)")
    return values
