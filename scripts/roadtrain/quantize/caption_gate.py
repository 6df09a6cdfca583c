"""The gate's look at captions (`quantize.gate`): is a precision non-inferior in the challenge's caption score, or in S2?

    parts   accuracy may lose max_accuracy_drop, and the caption score max_caption_drop: what fails in one has failed
    s2      S2, the mean of both, may lose the mean of these: accuracy by itself decides nothing

Bounds are those of the gate (gate.py): a bootstrap over scenarios of what these show, and an exact one, of what so few can't
exclude; over the phases of val, and with `s2` its questions too.
"""

from collections.abc import Sequence
from typing import Literal, TypedDict

from roadtrain.evaluate import statistics
from roadtrain.evaluate.caption_changes import caption_changes
from roadtrain.evaluate.caption_predictions import CaptionPrediction
from roadtrain.evaluate.predictions import Prediction
from roadtrain.spec.quantize import Quantize

Outcome = Literal["passed", "failed", "undecided"]
SLACK = 1e-10  # points: what float64 makes of a loss that is just allowed
ORDER: tuple[Outcome, ...] = ("failed", "undecided", "passed")


class CaptionVerdict(TypedDict):
    """On one precision, in points of 100; the quantized checkpoint's minus the baseline's."""

    score: str  # what was judged: captions, s2
    outcome: Outcome
    in_words: str
    baseline: float
    quantized: float
    difference: float
    lower_bound: float  # the worse of the two
    bootstrap_bound: float
    exact_bound: float
    allowed: float  # loss
    phases: int
    scenarios: int


def judge_captions(
    baseline: tuple[Sequence[CaptionPrediction], Sequence[Prediction]],
    quantized: tuple[Sequence[CaptionPrediction], Sequence[Prediction]],
    settings: Quantize,
    samples: int,
    file: str,
) -> CaptionVerdict:
    """Each checkpoint's captions and answers. `file`: of the quantized one's predictions, for messages. Raises ValueError where
    there are no captions, or not those of both."""
    before, after = ({c.id: c.response is None for c in captions} for captions, _ in (baseline, quantized))
    if not before and not after:
        raise ValueError(f"{file}: no captions, and quantize.gate: {settings.gate} judges them; say data.captions: val")
    if before != after:
        first = sorted(set(before.items()) ^ set(after.items()))[0][0]
        raise ValueError(f"{file}: not the captions of the baseline (first difference: {first}): evaluate both again")
    changes = caption_changes(baseline, quantized)
    part = changes.captions if settings.gate == "parts" else changes.s2
    allowed = settings.max_caption_drop
    if settings.gate == "s2":
        allowed = (allowed + 100 * settings.max_accuracy_drop) / 2
    bootstrap, exact = (100 * bound for bound in part.bounds(samples))
    scenarios = len(part.changes)
    outcome: Outcome = "passed"
    if bootstrap < -allowed - SLACK:
        outcome = "failed"
    elif exact < -allowed - SLACK or scenarios < settings.min_scenarios:
        outcome = "undecided"
    name = "caption score" if settings.gate == "parts" else "S2"
    lower = min(bootstrap, exact)
    words = (
        f"{name} {100 * part.after:.2f} against {100 * part.before:.2f} ({100 * part.difference:+.2f}, at worst {lower:+.2f} with"
        f" {statistics.LEVEL:.0%} confidence over {scenarios} scenarios; {allowed:.2f} may be lost):"
        f" {'passed' if outcome == 'passed' else outcome.upper()}"
    )
    return {
        "score": "captions" if settings.gate == "parts" else "s2",
        "outcome": outcome,
        "in_words": words,
        "baseline": 100 * part.before,
        "quantized": 100 * part.after,
        "difference": 100 * part.difference,
        "lower_bound": lower,
        "bootstrap_bound": bootstrap,
        "exact_bound": exact,
        "allowed": allowed,
        "phases": changes.phases,
        "scenarios": scenarios,
    }


def worse(first: Outcome, second: Outcome) -> Outcome:
    """failed before undecided before passed."""
    return min(first, second, key=ORDER.index)
