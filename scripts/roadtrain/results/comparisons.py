"""Every pair of checkpoints and ablations, compared over the questions that both answered."""

from itertools import combinations
from typing import Any

import numpy as np
from tqdm import tqdm

from roadtrain.evaluate import statistics
from roadtrain.evaluate.predictions import Prediction
from roadtrain.results.run import Results, checkpoints_of, describe_checkpoint

ALPHA = 1 - statistics.LEVEL


def compare(results: Results, samples: int) -> dict[str, Any]:
    """The JSON of comparisons.json.

    Whether two differ is decided by a randomization test over scenarios, corrected for the number of pairs (Holm);
    the interval of each difference and McNemar's tests stand beside it.
    """
    answered = {
        (ablation.name, checkpoint): {p.id: p for p in ablation.predictions(checkpoint)}
        for ablation, checkpoint in tqdm(list(checkpoints_of(results)), desc="read predictions", unit="file")
    }
    pairs = list(combinations(answered, 2))
    rows, differences, scenarios = [], [], sorted({p.scenario for one in answered.values() for p in one.values()})
    for a, b in tqdm(pairs, desc="compare", unit="pair"):
        row, by_scenario = _pair(a, b, answered[a], answered[b], samples)
        rows.append(row)
        differences.append([by_scenario.get(name, 0.0) for name in scenarios])
    draws = max(10_000, int(100 * len(pairs) / ALPHA) if len(pairs) > 5 else 0)
    p_values = statistics.sign_flip(np.array(differences).T, draws).tolist() if rows else []
    for row, p, corrected in zip(rows, p_values, statistics.holm(p_values), strict=True):
        row |= {"p_scenario": p, "p_holm": corrected, "significant": corrected < ALPHA}
        row["in_words"] = in_words(row, len(pairs))
    return {
        "method": {
            "interval": f"{statistics.LEVEL:.0%} percentile bootstrap over scenarios, {samples} resamples",
            "p_scenario": f"two-sided randomization test over scenarios, {draws} draws",
            "p_holm": f"p_scenario corrected for {len(pairs)} pairs (Holm)",
            "significant": f"p_holm < {ALPHA:.2g}",
            "seed": statistics.SEED,
        },
        "pairs": rows,
    }


def in_words(row: dict[str, Any], pairs: int) -> str:
    """One sentence that says which is better, by how much, and whether that can be told from chance."""
    a, b = (f"{row[side]['ablation']} {describe_checkpoint(row[side]['checkpoint'])}" for side in "ab")
    low, high = row["ci95"]
    size = f"{abs(row['difference']) * 100:.2f} points"
    bounds = f"95% interval {low * 100:+.2f} to {high * 100:+.2f}"
    if row["only_a"] == row["only_b"] == 0:
        return f"{b} and {a} are right on the same questions."
    if row["significant"]:
        better = "more" if row["difference"] > 0 else "less"
        return f"{b} is {size} {better} accurate than {a} ({bounds}): significant."
    # A difference in the interval's favour can still be one of many pairs' chance finds.
    chance = low > 0 or high < 0
    why = f"not significant among {pairs} pairs" if chance else "not significant"
    direction = "above" if row["difference"] > 0 else "below" if row["difference"] < 0 else "from"
    return f"{b} is {size} {direction} {a} ({bounds}): {why}."


def _pair(
    a: tuple[str, str], b: tuple[str, str], of_a: dict[str, Prediction], of_b: dict[str, Prediction], samples: int
) -> tuple[dict[str, Any], dict[str, float]]:
    """The row without its p values over scenarios, and {scenario: right answers of b minus those of a}."""
    common = sorted(of_a.keys() & of_b.keys())
    if not common:
        raise ValueError(f"{'/'.join(a)} and {'/'.join(b)} have no question in common: evaluate them on the same split")
    right_a, right_b = ([of[id].is_correct for id in common] for of in (of_a, of_b))
    scenarios = [of_a[id].scenario for id in common]
    found = statistics.paired_difference(right_a, right_b, scenarios, samples)
    row = {
        "a": {"ablation": a[0], "checkpoint": a[1], "accuracy": sum(right_a) / len(common)},
        "b": {"ablation": b[0], "checkpoint": b[1], "accuracy": sum(right_b) / len(common)},
        "questions": len(common),
        "not_in_both": len(of_a.keys() ^ of_b.keys()),
        "scenarios": found.scenarios,
        "difference": found.difference,
        "ci95": list(found.ci),
        "only_a": found.only_a,
        "only_b": found.only_b,
        "mcnemar_exact": found.mcnemar_exact,
        "mcnemar_midp": found.mcnemar_midp,
    }
    sums = statistics.by_scenario([int(y) - int(x) for x, y in zip(right_a, right_b, strict=True)], scenarios)
    return row, dict(zip(sorted(set(scenarios), key=str), sums.tolist(), strict=True))
