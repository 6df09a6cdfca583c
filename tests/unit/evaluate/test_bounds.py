"""The exact bounds hold: against Clopper and Pearson's, by enumeration, and in simulated experiments."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from roadtrain.evaluate.bounds import SHARES, exact_lower_bound, interval_without_spread, scenarios_for

ALPHA = 0.05


def bound(changes, sizes=None):
    """The largest loss that is not excluded."""
    changes = np.asarray(changes, dtype=float)
    sizes = np.ones(len(changes)) if sizes is None else np.asarray(sizes, dtype=float)
    return -exact_lower_bound(changes, sizes, ALPHA)


def test_all_of_the_money_is_bet():
    assert SHARES.sum() == 1


@pytest.mark.parametrize("scenarios", [1, 2, 5, 24, 171, 1000])
def test_without_a_change_it_is_what_so_many_scenarios_cannot_exclude(scenarios):
    """Between the bound of the one case alone, at alpha, and of the half of the money that bets on it, at alpha / 2."""
    one_sided = scipy.stats.binomtest(0, scenarios).proportion_ci(1 - 2 * ALPHA, method="exact").high
    half = scipy.stats.binomtest(0, scenarios).proportion_ci(1 - ALPHA, method="exact").high
    assert one_sided == pytest.approx(1 - ALPHA ** (1 / scenarios))
    assert one_sided < bound([0] * scenarios) <= half


@pytest.mark.parametrize("scenarios", [1, 5, 24, 100])
def test_it_is_never_tighter_than_the_best_possible_bound(scenarios):
    """Of answers that are lost or kept, one a scenario: Clopper and Pearson's."""
    for lost in range(scenarios + 1):
        best = scipy.stats.binomtest(lost, scenarios).proportion_ci(1 - 2 * ALPHA, method="exact").high
        assert bound([-1] * lost + [0] * (scenarios - lost)) >= best - 1e-9


@pytest.mark.parametrize("scenarios, gained", [(3, 0.0), (10, 0.2), (25, 0.0), (25, 0.3)])
def test_it_fails_in_at_most_alpha_of_all_experiments(scenarios, gained):
    """Every outcome of scenarios that lose, gain or keep their answer, with its probability: no simulation."""
    outcomes = [(k, g) for k in range(scenarios + 1) for g in range(scenarios + 1 - k)]
    bounds = np.array([bound([-1] * k + [1] * g + [0] * (scenarios - k - g)) for k, g in outcomes])
    for lost in np.linspace(0.01, 0.99 - gained, 25):
        chances = scipy.stats.multinomial.pmf(
            [(k, g, scenarios - k - g) for k, g in outcomes], scenarios, [lost, gained, 1 - lost - gained]
        )
        assert chances[bounds < lost - gained].sum() <= ALPHA


def test_it_holds_for_scenarios_of_different_sizes_and_severity():
    """A few scenarios lose all, others gain a little; their sizes differ by a factor of ten."""
    rng, sizes = np.random.default_rng(1), np.array([4.0, 12.0, 40.0] * 12)
    chance = 0.06
    truth, failures = chance - (1 - chance) * 0.02, 0
    for _ in range(400):
        changes = np.where(rng.random(36) < chance, -sizes, rng.binomial(sizes.astype(int), 0.02))
        failures += bound(changes, sizes) < truth
    assert failures <= ALPHA * 400


def test_a_bootstrap_alone_would_not_hold():
    """Rare and severe: most experiments see no loss, and the bootstrap's bound is then 0."""
    from roadtrain.evaluate.statistics import non_inferiority

    rng, fails, naive = np.random.default_rng(2), 0, 0
    before, scenarios = np.ones(60), np.repeat(np.arange(20), 3)
    for _ in range(100):
        after = np.repeat(rng.random(20) >= 0.05, 3).astype(int)  # every twentieth scenario is lost
        test = non_inferiority(before, after, scenarios, 0.04, samples=200)
        fails += test.within_margin(test.lower_bound)
        naive += test.within_margin(test.bootstrap_bound)
    assert fails == 0 and naive > 20


def test_small_changes_that_cancel_cost_little():
    """171 scenarios of 15 questions, one answer in a hundred changes each way: hardly wider than without any change."""
    rng = np.random.default_rng(3)
    changes = rng.binomial(15, 0.01, 171) - rng.binomial(15, 0.01, 171)
    assert bound([0] * 171) < bound(changes, np.full(171, 15)) < 1.3 * bound([0] * 171)


def test_it_comes_down_to_the_difference():
    rng = np.random.default_rng(4)
    changes = -rng.binomial(10, 0.02, 20_000).astype(float)
    assert 0.02 < bound(changes, np.full(20_000, 10)) < 0.0215


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 20), st.floats(-1, 1)), min_size=1, max_size=30), st.randoms())
def test_it_is_a_bound_in_any_order_and_a_lost_answer_widens_it(scenarios, random):
    sizes = [size for size, _ in scenarios]
    changes = [round(size * share) for size, share in scenarios]
    largest = bound(changes, sizes)
    assert -sum(changes) / sum(sizes) <= largest <= 1
    order = list(range(len(sizes)))
    random.shuffle(order)
    assert bound([changes[n] for n in order], [sizes[n] for n in order]) == pytest.approx(largest, abs=1e-9)
    if changes[0] > -sizes[0]:
        assert bound([changes[0] - 1, *changes[1:]], sizes) >= largest - 1e-9


@pytest.mark.parametrize("margin", [0.5, 0.05, 0.02, 0.01, 0.001])
def test_so_many_scenarios_are_needed_and_one_less_does_not_do(margin):
    needed = scenarios_for(margin, ALPHA)
    assert bound([0] * needed) <= margin < bound([0] * (needed - 1))


def test_no_number_of_scenarios_excludes_any_loss_at_all():
    assert scenarios_for(0, ALPHA) is None and scenarios_for(1, ALPHA) == 1


@pytest.mark.parametrize("scenarios", [1, 4, 30])
def test_an_interval_without_spread_is_clopper_and_pearsons_where_there_is_one(scenarios):
    exact = scipy.stats.binomtest(scenarios, scenarios).proportion_ci(method="exact")
    assert interval_without_spread(1.0, scenarios, ALPHA) == pytest.approx((exact.low, 1.0))
    assert interval_without_spread(0.0, scenarios, ALPHA) == pytest.approx((0.0, 1 - exact.low))
    low, high = interval_without_spread(0.6, scenarios, ALPHA)
    assert low < 0.6 < high
