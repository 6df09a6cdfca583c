"""Means over seeds (`repeat` in the spec): how far runs that differ in luck only lie apart, and what differs beyond it.

The seeds of a group answer the same questions. Those answers are not independent of one another, so they are no more
questions than one seed's: of each question counts how many seeds are right, and scenarios are resampled, as for one run.
Such an interval is about other scenarios, not about other seeds; the spread over the seeds stands beside it.
"""

import statistics as plain
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TypedDict

import numpy as np

from roadtrain.evaluate import statistics
from roadtrain.evaluate.predictions import Prediction, asked_questions
from roadtrain.markup import quantity
from roadtrain.results.words import ALPHA, CONFIDENCE, describe_checkpoint, points

BEST = "best"  # of each seed the epoch that was chosen for it
CheckpointKey = tuple[str, str]  # (ablation, checkpoint)
Answers = dict[str, list[Prediction]]  # of each question, by id: one answer a seed


class SeedMean(TypedDict):
    """One checkpoint of an ablation, over its seeds."""

    ablation: str  # as it is written in the spec
    checkpoint: str
    accuracies: dict[str, float]  # {run: accuracy}
    questions: int  # that each seed was asked
    scenarios: int
    mean: float
    sd: float | None  # sample standard deviation (n - 1); None of one seed
    ci95: list[float]  # of the mean, bootstrap over scenarios


class SeedPair(TypedDict):
    """Two means over the questions that all of their runs were asked. Differences are b minus a."""

    a: SeedMean
    b: SeedMean
    questions: int
    scenarios: int
    difference: float
    ci95: list[float]
    p_scenario: float
    p_holm: float  # corrected for the number of these pairs
    significant: bool
    in_words: str


class Repeats(TypedDict):
    """`repeats` in comparisons.json."""

    method: dict[str, str]
    means: list[SeedMean]
    pairs: list[SeedPair]


def compare_repeats(
    predictions: Mapping[CheckpointKey, Sequence[Prediction]],
    groups: Mapping[str, Sequence[str]],
    best: Mapping[str, str],
    samples: int,
) -> Repeats:
    """Means of every checkpoint, and comparisons of: the best epochs with zero-shot and quantized ones, and with each other.

    groups: {ablation as it is written: its runs}. best: {run: its best epoch}. Raises ValueError when runs of a group were
    asked different questions.
    """
    answers: dict[CheckpointKey, Answers] = {}
    members: dict[CheckpointKey, list[str]] = {}
    for group, runs in groups.items():
        names = [checkpoint for ablation, checkpoint in predictions if ablation == runs[0]]
        for name in [*names, BEST]:
            keys = [(run, best[run] if name == BEST else name) for run in runs]
            answers[group, name], members[group, name] = _together([predictions[key] for key in keys], keys), list(runs)
    pairs, differences = [], []
    scenarios = sorted({p[0].scenario for rows in answers.values() for p in rows.values()})
    for a, b in _pairs(list(answers), list(groups)):
        common = sorted(answers[a].keys() & answers[b].keys())
        if not common:
            raise ValueError(
                f"{'/'.join(a)} and {'/'.join(b)} have no question in common: evaluate them on the same split"
            )
        sides = [
            _mean(key, members[key], {question: answers[key][question] for question in common}, samples)
            for key in (a, b)
        ]
        # Counted in whole answers of whole groups, so that equal scenarios are equal.
        change = [_right(answers[b][q]) * len(members[a]) - _right(answers[a][q]) * len(members[b]) for q in common]
        of, most = [answers[a][q][0].scenario for q in common], len(members[a]) * len(members[b])
        low, high = statistics.mean_interval(change, of, samples, (-most, most))
        pairs.append((sides, len(common), len(set(of)), sum(change) / most / len(common), [low / most, high / most]))
        sums = statistics.sums_by_scenario(change, of)
        differences.append([sums.get(name, 0.0) for name in scenarios])
    draws = statistics.draws_for(len(pairs), ALPHA)
    p_values = statistics.sign_flip(np.array(differences).T, draws).tolist()
    return {
        "method": {
            "mean": "of the seeds' accuracies; sd: their sample standard deviation",
            "interval": f"{CONFIDENCE} percentile bootstrap over scenarios of the mean over these seeds, {samples} resamples",
            "p_scenario": f"two-sided randomization test over scenarios of the mean over these seeds, {draws} draws",
            "p_holm": f"p_scenario corrected for {len(pairs)} pairs (Holm)",
        },
        "means": [_mean(key, members[key], rows, samples) for key, rows in answers.items()],
        "pairs": [
            _pair(*pair, p, corrected, len(pairs))
            for pair, p, corrected in zip(pairs, p_values, statistics.holm(p_values), strict=True)
        ],
    }


def _together(rows: Sequence[Sequence[Prediction]], keys: Sequence[CheckpointKey]) -> Answers:
    """Each question's answers, one a run."""
    parts = [{p.id: p for p in asked_questions(part)} for part in rows]
    for key, part in zip(keys, parts, strict=True):
        if part.keys() != parts[0].keys():
            example = min(part.keys() ^ parts[0].keys())
            raise ValueError(
                f"{'/'.join(key)} and {'/'.join(keys[0])} were asked different questions ({example}): no mean of their"
                " accuracies says anything; evaluate both again"
            )
    return {question: [part[question] for part in parts] for question in parts[0]}


def _right(answers: Sequence[Prediction]) -> int:
    return sum(answer.is_correct for answer in answers)


def _pairs(keys: Sequence[CheckpointKey], groups: Sequence[str]) -> list[tuple[CheckpointKey, CheckpointKey]]:
    """Zero-shot with best, best with what isn't an epoch (quantized, without media), then the groups' best ones."""
    within = []
    for group in groups:
        within.append(((group, "zero_shot"), (group, BEST)))
        others = [name for of, name in keys if of == group and name not in ("zero_shot", BEST)]
        within += [((group, BEST), (group, name)) for name in others if not name.startswith("epoch_")]
    return [*within, *(((a, BEST), (b, BEST)) for a, b in combinations(groups, 2))]


def _mean(key: CheckpointKey, runs: Sequence[str], answers: Answers, samples: int) -> SeedMean:
    right = [_right(rows) for rows in answers.values()]
    scenarios = [rows[0].scenario for rows in answers.values()]
    accuracies = [
        sum(column) / len(right) for column in zip(*([p.is_correct for p in r] for r in answers.values()), strict=True)
    ]
    low, high = statistics.mean_interval(right, scenarios, samples, (0, len(runs)))
    return {
        "ablation": key[0],
        "checkpoint": key[1],
        "accuracies": dict(zip(runs, accuracies, strict=True)),
        "questions": len(right),
        "scenarios": len(set(scenarios)),
        "mean": sum(right) / len(runs) / len(right),
        "sd": plain.stdev(accuracies) if len(runs) > 1 else None,
        "ci95": [low / len(runs), high / len(runs)],
    }


def _pair(
    sides: Sequence[SeedMean],
    questions: int,
    scenarios: int,
    difference: float,
    ci95: list[float],
    p_scenario: float,
    p_holm: float,
    pairs: int,
) -> SeedPair:
    a, b = sides
    return {
        "a": a,
        "b": b,
        "questions": questions,
        "scenarios": scenarios,
        "difference": difference,
        "ci95": ci95,
        "p_scenario": p_scenario,
        "p_holm": p_holm,
        "significant": p_holm < ALPHA,
        "in_words": _in_words(a, b, difference, ci95, p_holm < ALPHA, pairs),
    }


def mean_in_words(mean: SeedMean) -> str:
    """nframes8 best epochs, mean of 3 seeds"""
    what = "best epochs" if mean["checkpoint"] == BEST else describe_checkpoint(mean["checkpoint"])
    return f"{mean['ablation']} {what}, mean of {quantity(len(mean['accuracies']), 'seed')}"


def _in_words(a: SeedMean, b: SeedMean, difference: float, ci95: Sequence[float], significant: bool, pairs: int) -> str:
    """How far apart, whether other scenarios could undo it, and whether the seeds lie apart."""
    low, high = ci95
    side = "above" if difference > 0 else "below" if difference < 0 else "from"
    verdict = "significant over scenarios" if significant else f"not significant among {quantity(pairs, 'pair')}"
    first, second = a["accuracies"].values(), b["accuracies"].values()
    if min(second) > max(first) or max(second) < min(first):
        seeds = f"each seed of the first is {'above' if min(second) > max(first) else 'below'} each of the second"
    else:
        seeds = "the seeds' ranges overlap"
    return (
        f"{mean_in_words(b)}, is {points(abs(difference))} points {side} {mean_in_words(a)} ({CONFIDENCE} interval"
        f" {points(low, signed=True)} to {points(high, signed=True)}): {verdict}; {seeds}."
    )
