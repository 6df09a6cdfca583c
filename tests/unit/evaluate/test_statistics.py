"""Known answers for the statistics, with scipy as the reference."""

import numpy as np
import pytest
import scipy.stats

from roadtrain.evaluate import statistics

SAMPLES = 2000


def clustered(rng, clusters=60, size=12, spread=1.0):
    """Answers whose chance of being right differs by scenario."""
    chance = rng.beta(8 / spread, 2 / spread, clusters)
    scenarios = np.repeat(np.arange(clusters), size)
    return (rng.random(clusters * size) < chance[scenarios]).astype(int), [f"s{i}" for i in scenarios]


def test_interval_is_scipys_when_every_question_is_its_own_scenario():
    right = (np.random.default_rng(1).random(400) < 0.8).astype(int)
    ours = statistics.interval(right, list(range(400)), samples=20_000)
    theirs = scipy.stats.bootstrap(
        (right,), np.mean, method="percentile", n_resamples=20_000, rng=3
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_interval_is_scipys_over_scenario_means_of_equal_size():
    right, scenarios = clustered(np.random.default_rng(2))
    means = right.reshape(60, 12).mean(axis=1)
    ours = statistics.interval(right, scenarios, samples=20_000)
    theirs = scipy.stats.bootstrap(
        (means,), np.mean, method="percentile", n_resamples=20_000, rng=3
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_interval_covers_the_truth_where_questions_of_a_scenario_agree():
    """150 experiments with a known accuracy of 0.8: the scenario bootstrap covers it, the naive one doesn't."""
    rng, covered, naive = np.random.default_rng(5), 0, 0
    for _ in range(150):
        right, scenarios = clustered(rng, spread=4)
        low, high = statistics.interval(right, scenarios, samples=400)
        covered += low <= 0.8 <= high
        low, high = statistics.interval(right, list(range(len(right))), samples=400)
        naive += low <= 0.8 <= high
    assert covered >= 0.88 * 150 and naive < 0.80 * 150


def test_interval_depends_on_the_seed_alone_and_not_on_the_order():
    right, scenarios = clustered(np.random.default_rng(3))
    order = np.random.default_rng(4).permutation(len(right))
    once = statistics.interval(right, scenarios, SAMPLES)
    assert once == statistics.interval(right, scenarios, SAMPLES)
    assert once == statistics.interval(right[order], [scenarios[i] for i in order], SAMPLES)
    assert once != statistics.interval(right, scenarios, SAMPLES, seed=1)


def test_groups_have_the_intervals_that_they_would_have_alone():
    right, scenarios = clustered(np.random.default_rng(6))
    groups = ["a", "b", "c"] * (len(right) // 3)
    together = statistics.intervals(right, scenarios, groups, samples=5000)
    for group in "abc":
        members = [i for i, g in enumerate(groups) if g == group]
        alone = statistics.interval(right[members], [scenarios[i] for i in members], samples=5000)
        assert together[group] == pytest.approx(alone, abs=1e-12)


def test_a_group_that_few_scenarios_have_still_gets_an_interval():
    scenarios = [f"s{i}" for i in range(40)] + ["s0", "s1", "s2"]
    right = [1] * 40 + [1, 0, 1]
    low, high = statistics.intervals(right, scenarios, ["common"] * 40 + ["rare"] * 3, SAMPLES)["rare"]
    assert 0 <= low < 2 / 3 < high <= 1


@pytest.mark.parametrize("scenarios", [1, 5, 60])
def test_all_right_or_all_wrong_has_clopper_and_pearsons_bound(scenarios):
    labels = list(range(scenarios)) * 3
    exact = scipy.stats.binomtest(scenarios, scenarios).proportion_ci(method="exact")
    assert statistics.interval([1] * len(labels), labels, SAMPLES) == pytest.approx((exact.low, 1.0))
    assert statistics.interval([0] * len(labels), labels, SAMPLES) == pytest.approx((0.0, 1 - exact.low))


@pytest.mark.parametrize("a, b", [(0, 0), (0, 1), (3, 3), (1, 9), (12, 30), (700, 812), (2600, 0)])
def test_mcnemar_is_scipys_binomial_test(a, b):
    exact, midp = statistics.mcnemar(a, b)
    n = a + b
    expected = scipy.stats.binomtest(a, n).pvalue if n else 1.0
    assert exact == pytest.approx(expected, rel=1e-9)
    middle = scipy.stats.binom.pmf(min(a, b), n, 0.5) if n else 0.0
    assert midp == pytest.approx(expected - (middle / 2 if a == b else middle), rel=1e-9, abs=1e-300)
    assert (exact, midp) == statistics.mcnemar(b, a)


def test_mcnemar_midp_of_a_published_example():
    """Fagerland et al. 2013, table 1 (airway hyper-responsiveness): 1 against 7; exact 0.0703, mid-p 0.0391."""
    assert statistics.mcnemar(1, 7) == pytest.approx((0.0703, 0.0391), abs=5e-5)


def test_paired_difference_is_scipys_over_scenarios():
    rng = np.random.default_rng(7)
    a, scenarios = clustered(rng)
    b = np.where(rng.random(len(a)) < 0.1, 1 - a, a)
    ours = statistics.paired_difference(a, b, scenarios, samples=20_000)
    means = (b - a).reshape(60, 12).mean(axis=1)
    theirs = scipy.stats.bootstrap(
        (means,), np.mean, method="percentile", n_resamples=20_000, rng=3
    ).confidence_interval
    assert ours.difference == pytest.approx(b.mean() - a.mean())
    assert ours.ci == pytest.approx((theirs.low, theirs.high), abs=0.002)
    assert (ours.only_b - ours.only_a) / ours.questions == pytest.approx(ours.difference)
    assert (ours.questions, ours.scenarios) == (720, 60)


def test_pairing_sees_what_two_separate_intervals_hide():
    a, scenarios = clustered(np.random.default_rng(8), spread=4)
    b = a.copy()
    b[np.flatnonzero(a == 0)[::5]] = 1  # better on every fifth of the wrong ones, worse on none
    one, two = (statistics.interval(right, scenarios, SAMPLES) for right in (a, b))
    assert one[1] > two[0]
    assert statistics.paired_difference(a, b, scenarios, SAMPLES).ci[0] > 0


def test_identical_answers_do_not_differ_but_for_what_so_few_scenarios_cannot_show():
    a, scenarios = clustered(np.random.default_rng(9))
    same = statistics.paired_difference(a, a, scenarios, SAMPLES)
    unseen = scipy.stats.binomtest(0, 60).proportion_ci(method="exact").high
    assert (same.difference, same.mcnemar_exact) == (0.0, 1.0)
    assert same.ci == pytest.approx((-unseen, unseen))


@pytest.mark.parametrize("right", [[1], [0], [1, 0], [1, 1, 0, 1]])
def test_one_scenario_has_no_interval_without_width(right):
    """A resample of one scenario is that scenario again; all that is known is that it was drawn."""
    low, high = statistics.interval(right, ["s"] * len(right), SAMPLES)
    rate = sum(right) / len(right)
    assert (low, high) == pytest.approx((0.025 * rate, 1 - 0.025 * (1 - rate)))
    worse = statistics.paired_difference([1] * len(right), right, ["s"] * len(right), SAMPLES)
    assert worse.ci[0] <= worse.difference <= worse.ci[1] and worse.ci[1] - worse.ci[0] > 0.9


def test_scenarios_that_are_all_alike_have_no_interval_without_width():
    right, scenarios = [1, 1, 1, 0] * 30, [n // 4 for n in range(120)]
    low, high = statistics.interval(right, scenarios, SAMPLES)
    assert low < 0.75 - 0.05 and high > 0.75 + 0.02


def test_sign_flip_is_scipys_permutation_test():
    rng = np.random.default_rng(10)
    differences = rng.integers(-2, 4, (12, 2)).astype(float)
    ours = statistics.sign_flip(differences, samples=40_000)
    for column in range(2):
        exact = scipy.stats.permutation_test(
            (differences[:, column],),
            lambda x, axis: x.sum(axis=axis),
            permutation_type="samples",
            n_resamples=np.inf,
            vectorized=True,
        ).pvalue
        assert ours[column] == pytest.approx(exact, abs=0.01)


def test_sign_flip_p_values_are_uniform_when_nothing_differs():
    differences = np.random.default_rng(11).integers(-3, 4, (60, 500)).astype(float)
    p = statistics.sign_flip(differences, samples=2000)
    assert 0.025 < (p <= 0.05).mean() < 0.08 and p.min() > 0


def test_holm_is_its_definition():
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.6, 0.9]) == [1.0, 1.0] and statistics.holm([]) == []


def passes(before, after, scenarios, margin, samples=SAMPLES):
    test = statistics.non_inferiority(before, after, scenarios, margin, samples)
    return test.within_margin(test.lower_bound)


def test_the_gates_bounds_pass_what_is_surely_good_enough_and_nothing_else():
    a, scenarios = clustered(np.random.default_rng(12))
    worse = a.copy()
    worse[np.flatnonzero(a)[:30]] = 0  # 30 of 720: 4.2 points lost
    assert passes(a, a, scenarios, 0.06) and not passes(a, a, scenarios, 0.05)  # 60 scenarios exclude 5.8 points
    assert not passes(a, worse, scenarios, 0.03)
    lost = statistics.non_inferiority(a, worse, scenarios, 0.05)
    assert lost.difference == pytest.approx(-30 / 720)
    assert lost.bootstrap_bound < lost.difference  # the estimate alone is below the margin, the bound is not
    assert not lost.within_margin(lost.bootstrap_bound)
    assert passes(a, worse, scenarios, 0.3)
    assert statistics.non_inferiority(worse, a, scenarios, 0.0).bootstrap_bound > 0


def test_the_gates_error_rate_at_the_margin_is_what_it_says():
    """True loss equal to the margin: at most about 5% of experiments may pass."""
    rng, passed = np.random.default_rng(13), 0
    scenarios = np.repeat(np.arange(60), 12)
    for _ in range(200):
        lose = rng.random(720) < 0.05
        passed += passes(np.ones(720), (~lose).astype(int), scenarios, 0.05, samples=500)
    assert passed <= 0.09 * 200


def test_a_failed_gate_has_a_reason_in_numbers():
    result = statistics.non_inferiority([1, 1, 1, 1], [1, 0, 1, 0], ["a", "a", "b", "b"], 0.1)
    assert result.difference == -0.5 and result.lower_bound < -0.5 and result.questions == 4 and result.scenarios == 2


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: statistics.interval([], [], SAMPLES), "no questions"),
        (lambda: statistics.interval([1, 0], ["a"], SAMPLES), "2 answers but 1 labels"),
        (lambda: statistics.interval([1, 2], ["a", "b"], SAMPLES), "1 (right) or 0 (wrong)"),
        (lambda: statistics.paired_difference([1, 0], [1], ["a", "b"], SAMPLES), "beside them"),
        (lambda: statistics.non_inferiority([1], [1], ["a"], -0.1), "margin: -0.1 is negative"),
    ],
)
def test_bad_input_is_one_clear_line(call, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(").replace(")", r"\)")):
        call()


def test_2600_questions_take_well_under_a_second():
    import time

    right, scenarios = clustered(np.random.default_rng(14), clusters=171, size=15)
    start = time.perf_counter()
    statistics.intervals(right, scenarios, [i % 20 for i in range(len(right))], samples=2000)
    statistics.non_inferiority(right, right, scenarios, 0.01)
    assert time.perf_counter() - start < 2
