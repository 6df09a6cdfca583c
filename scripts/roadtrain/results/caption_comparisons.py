"""`captions` in comparisons.json: every pair of checkpoints by the challenge's caption score and by S2, over the phases that both
wrote about (and, for S2, the questions that both answered)."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from roadtrain.evaluate import statistics
from roadtrain.evaluate.caption_changes import CaptionChanges, Part, caption_changes
from roadtrain.evaluate.caption_predictions import CaptionPrediction
from roadtrain.evaluate.predictions import Prediction
from roadtrain.results.repeats import CheckpointKey
from roadtrain.results.words import ALPHA, CONFIDENCE, describe_checkpoint

WHOLE = 1e12
Written = tuple[Sequence[CaptionPrediction], Sequence[Prediction]]  # a checkpoint's captions and answers


class ScoreDifference(TypedDict):
    """Of the caption score, or of S2; points from 0 to 100, b minus a."""

    a: float
    b: float
    difference: float
    ci95: list[float]  # [low, high], bootstrap over scenarios
    p_scenario: float  # randomization test over scenarios
    p_holm: float  # p_scenario, corrected for the number of pairs
    significant: bool
    in_words: str


class CaptionSide(TypedDict):
    """One of two checkpoints."""

    ablation: str
    checkpoint: str


class CaptionPair(TypedDict):
    """Two checkpoints."""

    a: CaptionSide
    b: CaptionSide
    phases: int
    scenarios: int
    captions: ScoreDifference
    s2: ScoreDifference


class CaptionComparisons(TypedDict):
    """All pairs."""

    method: dict[str, str]
    pairs: list[CaptionPair]


def compare_captions(
    checkpoints: Mapping[CheckpointKey, Written],
    pairs_of: Sequence[tuple[CheckpointKey, CheckpointKey]],
    samples: int,
) -> CaptionComparisons | None:
    """Of the pairs whose checkpoints both wrote captions; None where there are none. Raises ValueError when two have no caption or
    no question in common."""
    writers = {key for key, (captions, _) in checkpoints.items() if any(c.response is not None for c in captions)}
    keys = [(a, b) for a, b in pairs_of if a in writers and b in writers]
    if not keys:
        return None
    changes = [caption_changes(checkpoints[a], checkpoints[b]) for a, b in keys]
    draws = statistics.draws_for(len(keys), ALPHA)
    captions, s2 = (_tests(keys, changes, kind, samples, draws) for kind in ("captions", "s2"))
    return {
        "method": {
            "interval": f"{CONFIDENCE} percentile bootstrap over scenarios, {samples} resamples",
            "p_scenario": f"two-sided randomization test over scenarios, {draws} draws",
            "p_holm": f"p_scenario corrected for {len(keys)} pairs (Holm)",
        },
        "pairs": [
            {
                "a": {"ablation": a[0], "checkpoint": a[1]},
                "b": {"ablation": b[0], "checkpoint": b[1]},
                "phases": change.phases,
                "scenarios": len(change.scenarios),
                "captions": captions[n],
                "s2": s2[n],
            }
            for n, ((a, b), change) in enumerate(zip(keys, changes, strict=True))
        ],
    }


def _tests(
    keys: Sequence[tuple[CheckpointKey, CheckpointKey]],
    changes: Sequence[CaptionChanges],
    kind: str,
    samples: int,
    draws: int,
) -> list[ScoreDifference]:
    parts: list[Part] = [change.captions if kind == "captions" else change.s2 for change in changes]
    longest = max(len(part.changes) for part in parts)
    columns = np.array([np.pad(part.changes, (0, longest - len(part.changes))) for part in parts])
    columns = np.round(columns * WHOLE)  # sums of whole numbers are exact: a tie is a tie
    p_values = statistics.sign_flip(columns.T, draws).tolist()
    tests: list[ScoreDifference] = []
    for (a, b), part, p, corrected in zip(keys, parts, p_values, statistics.holm(p_values), strict=True):
        low, high = (100 * bound for bound in part.interval(samples))
        test: ScoreDifference = {
            "a": 100 * part.before,
            "b": 100 * part.after,
            "difference": 100 * part.difference,
            "ci95": [low, high],
            "p_scenario": p,
            "p_holm": corrected,
            "significant": corrected < ALPHA,
            "in_words": "",
        }
        tests.append(test | {"in_words": _in_words(a, b, test, "caption score" if kind == "captions" else "S2")})
    return tests


def _in_words(a: CheckpointKey, b: CheckpointKey, test: ScoreDifference, score: str) -> str:
    first, second = (f"{ablation} {describe_checkpoint(name)}" for ablation, name in (a, b))
    low, high = test["ci95"]
    if not test["difference"]:
        return f"{second} and {first} have the same {score}."
    verdict = "significant" if test["significant"] else "not significant"
    direction = "above" if test["difference"] > 0 else "below"
    return (
        f"The {score} of {second} is {abs(test['difference']):.2f} points {direction} that of {first}"
        f" ({CONFIDENCE} interval {low:+.2f} to {high:+.2f}): {verdict}."
    )
