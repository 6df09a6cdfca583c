"""comparisons.json: every pair of checkpoints and ablations, and every checkpoint against its ablation's baselines,
compared over the questions that both answered."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
from tqdm import tqdm

from roadtrain.evaluate import statistics
from roadtrain.evaluate.predictions import Prediction, asked_questions
from roadtrain.files import read_json
from roadtrain.paths import BASELINES
from roadtrain.results.caption_comparisons import CaptionComparisons
from roadtrain.results.repeats import CheckpointKey, Repeats
from roadtrain.results.words import ALPHA, CONFIDENCE, describe_checkpoint, points


class Side(TypedDict):
    """One of two checkpoints that are compared."""

    ablation: str
    checkpoint: str
    accuracy: float  # over the questions that both answered


class PairedTests(TypedDict):
    """One pair, before it is known how many pairs there are. Differences are accuracies of b minus those of a."""

    a: Side
    b: Side
    questions: int  # that both answered
    not_in_both: int
    scenarios: int
    difference: float
    ci95: list[float]  # [low, high], bootstrap over scenarios
    only_a: int  # questions that only a answers right
    only_b: int
    mcnemar_exact: float  # two-sided p values, questions taken as independent
    mcnemar_midp: float


class Pair(PairedTests):
    """One comparison of comparisons.json."""

    p_scenario: float  # randomization test over scenarios
    p_holm: float  # p_scenario, corrected for the number of pairs
    significant: bool
    in_words: str


class Method(TypedDict):
    """How each number was computed, in words."""

    interval: str
    p_scenario: str
    p_holm: str
    significant: str
    seed: int


class Comparisons(TypedDict):
    """The whole of comparisons.json."""

    method: Method
    pairs: list[Pair]
    repeats: NotRequired[Repeats]  # where the spec has `repeat`
    captions: NotRequired[CaptionComparisons]  # where checkpoints wrote captions


def read_comparisons(path: str | Path) -> Comparisons:
    """Raises ValueError when the file isn't JSON, FileNotFoundError when there is none."""
    comparisons: Comparisons = read_json(path)
    return comparisons


def compare(
    predictions: Mapping[CheckpointKey, Sequence[Prediction]],
    samples: int,
    pairs_of: Sequence[tuple[CheckpointKey, CheckpointKey]] | None = None,
) -> Comparisons:
    """Whether two differ is decided by a randomization test over scenarios, corrected for the number of pairs (Holm);
    the interval of each difference (`samples` resamples) and McNemar's tests stand beside it.

    `pairs_of`: which are compared; without it every two checkpoints, and each baseline with those of its ablation.
    Raises ValueError when two have no question in common.
    """
    answers = {key: {p.id: p for p in asked_questions(rows)} for key, rows in predictions.items()}
    keys = all_pairs(list(answers)) if pairs_of is None else pairs_of
    scenarios = sorted({p.scenario for rows in predictions.values() for p in rows})
    tests, differences = [], []
    for a, b in tqdm(keys, desc="compare", unit="pair"):
        test, by_scenario = _test(a, b, answers[a], answers[b], samples)
        tests.append(test)
        differences.append([by_scenario.get(name, 0.0) for name in scenarios])
    draws = statistics.draws_for(len(keys), ALPHA)
    p_values = statistics.sign_flip(np.array(differences).T, draws).tolist() if tests else []
    pairs: list[Pair] = []
    for test, p, corrected in zip(tests, p_values, statistics.holm(p_values), strict=True):
        significant = corrected < ALPHA
        words = in_words(test, significant, len(keys))
        pairs.append({**test, "p_scenario": p, "p_holm": corrected, "significant": significant, "in_words": words})
    return {
        "method": {
            "interval": f"{CONFIDENCE} percentile bootstrap over scenarios, {samples} resamples",
            "p_scenario": f"two-sided randomization test over scenarios, {draws} draws",
            "p_holm": f"p_scenario corrected for {len(keys)} pairs (Holm)",
            "significant": f"p_holm < {ALPHA:.2g}",
            "seed": statistics.SEED,
        },
        "pairs": pairs,
    }


def in_words(test: PairedTests, significant: bool, pairs: int) -> str:
    """One sentence that says which is better, by how much, and whether that can be told from chance."""
    a, b = (side_in_words(side) for side in (test["a"], test["b"]))
    low, high = test["ci95"]
    size = f"{points(abs(test['difference']))} points"
    bounds = f"{CONFIDENCE} interval {points(low, signed=True)} to {points(high, signed=True)}"
    if test["only_a"] == test["only_b"] == 0:
        return f"{b} and {a} are right on the same questions."
    if significant:
        better = "more" if test["difference"] > 0 else "less"
        return f"{b} is {size} {better} accurate than {a} ({bounds}): significant."
    # A difference in the interval's favour can still be one of many pairs' chance finds.
    chance = low > 0 or high < 0
    why = f"not significant among {pairs} pairs" if chance else "not significant"
    direction = "above" if test["difference"] > 0 else "below" if test["difference"] < 0 else "from"
    return f"{b} is {size} {direction} {a} ({bounds}): {why}."


def side_in_words(side: Side) -> str:
    """nframes8 epoch 2"""
    return f"{side['ablation']} {describe_checkpoint(side['checkpoint'])}"


def pairs_within(keys: Sequence[CheckpointKey]) -> list[tuple[CheckpointKey, CheckpointKey]]:
    """Those of one ablation each: where seeds repeat every run, what two runs differ by is asked of the means."""
    return [(a, b) for a, b in all_pairs(keys) if a[0] == b[0]]


def all_pairs(keys: Sequence[CheckpointKey]) -> list[tuple[CheckpointKey, CheckpointKey]]:
    """Every two checkpoints, then each baseline with every checkpoint of its ablation: others say nothing."""
    checkpoints = [key for key in keys if key[1] not in BASELINES]
    baselines = [(a, b) for a in keys if a[1] in BASELINES for b in checkpoints if a[0] == b[0]]
    return [*combinations(checkpoints, 2), *baselines]


def _test(
    a: CheckpointKey,
    b: CheckpointKey,
    answers_a: Mapping[str, Prediction],
    answers_b: Mapping[str, Prediction],
    samples: int,
) -> tuple[PairedTests, dict[str, float]]:
    """The tests, and {scenario: right answers of b minus those of a}. Answers by question id."""
    common = sorted(answers_a.keys() & answers_b.keys())
    if not common:
        raise ValueError(f"{'/'.join(a)} and {'/'.join(b)} have no question in common: evaluate them on the same split")
    right_a, right_b = ([answers[id].is_correct for id in common] for answers in (answers_a, answers_b))
    scenarios = [answers_a[id].scenario for id in common]
    difference = statistics.paired_difference(right_a, right_b, scenarios, samples)
    test: PairedTests = {
        "a": {"ablation": a[0], "checkpoint": a[1], "accuracy": sum(right_a) / len(common)},
        "b": {"ablation": b[0], "checkpoint": b[1], "accuracy": sum(right_b) / len(common)},
        "questions": len(common),
        "not_in_both": len(answers_a.keys() ^ answers_b.keys()),
        "scenarios": difference.scenarios,
        "difference": difference.difference,
        "ci95": list(difference.ci),
        "only_a": difference.only_a,
        "only_b": difference.only_b,
        "mcnemar_exact": difference.mcnemar_exact,
        "mcnemar_midp": difference.mcnemar_midp,
    }
    changes = [int(y) - int(x) for x, y in zip(right_a, right_b, strict=True)]
    return test, statistics.sums_by_scenario(changes, scenarios)
