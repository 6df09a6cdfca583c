"""What two checkpoints' captions and answers differ by, scenario by scenario: what comparisons and the gate resample.

The challenge's caption score is a mean over sets of means over subjects of means over phases. Over the phases that both
checkpoints wrote about, a difference of two is therefore a sum over scenarios, each with the weight of its phases:

    score_b - score_a = sum_i c_i,    |c_i| <= w_i,    sum_i w_i = 1        (in shares: a hundredth of the points)

and so is a difference of two accuracies, w_i being the share of a scenario's questions. S2's is the mean of both. A bootstrap
draws scenarios with what they weigh; the exact bound (bounds.py) bets on the same c and w.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from roadtrain.evaluate import statistics
from roadtrain.evaluate.bounds import exact_lower_bound, interval_without_spread
from roadtrain.evaluate.caption_metrics import caption_points
from roadtrain.evaluate.caption_predictions import CaptionPrediction, PhaseScore, phase_scores
from roadtrain.evaluate.predictions import Prediction, asked_questions

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """One score of both checkpoints over what both were asked; shares, from 0 to 1."""

    before: float
    after: float
    changes: Floats  # [scenarios], each one's part of after - before
    weights: Floats  # [scenarios], at least as large; their sum is 1

    @property
    def difference(self) -> float:
        return float(self.changes.sum())

    def draws(self, samples: int) -> Floats:
        """[samples]: the difference in resamples of scenarios."""
        parts = [
            (w @ self.changes) / (w @ self.weights)
            for w in statistics.resamples(len(self.weights), samples, statistics.SEED)
        ]
        return np.concatenate(parts)

    def interval(self, samples: int) -> list[float]:
        """Percentiles; where no resample can differ: bounds.interval_without_spread."""
        draws, shares = self.draws(samples), self.changes / self.weights
        if shares.max() - shares.min() < 1e-12:
            low, high = interval_without_spread((float(shares[0]) + 1) / 2, len(shares), 1 - statistics.LEVEL)
            return [2 * low - 1, 2 * high - 1]
        return [float(q) for q in np.quantile(draws, [(1 - statistics.LEVEL) / 2, (1 + statistics.LEVEL) / 2])]

    def bounds(self, samples: int) -> tuple[float, float]:
        """(bootstrap's, exact): one-sided lower bounds of the difference."""
        alpha = 1 - statistics.LEVEL
        return float(np.quantile(self.draws(samples), alpha)), exact_lower_bound(self.changes, self.weights, alpha)


@dataclass(frozen=True)
class CaptionChanges:
    """Of two checkpoints, over the scenarios that both have."""

    scenarios: list[str]
    phases: int
    captions: Part
    s2: Part


def caption_changes(
    before: tuple[Sequence[CaptionPrediction], Sequence[Prediction]],
    after: tuple[Sequence[CaptionPrediction], Sequence[Prediction]],
) -> CaptionChanges:
    """Each checkpoint's (captions, answers). Raises ValueError when they have no caption, or no question, in common, and for a
    caption that has another reference, scenario or phase in the two, or a question with another answer or scenario: they are of
    different conversions."""
    texts = [{c.id: c for c in captions if c.response is not None} for captions, _ in (before, after)]
    answers = [{p.id: p for p in asked_questions(rows)} for _, rows in (before, after)]
    ids, questions = (sorted(a.keys() & b.keys()) for a, b in (texts, answers))
    if not ids or not questions:
        raise ValueError("not one caption, or not one question, in common: evaluate both on the same split")
    if other := next(
        (id for id in ids if replace(texts[0][id], response="") != replace(texts[1][id], response="")), None
    ):
        raise ValueError(
            f"{other}: the caption has another reference, scenario or phase in the two: evaluate both again"
        )
    if other := next((id for id in questions if _key(answers[0][id]) != _key(answers[1][id])), None):
        raise ValueError(f"{other}: the question has another answer or scenario in the two: evaluate both again")
    phases = [phase_scores([of[id] for id in ids]) for of in texts]
    right = [[(of[id].scenario, float(of[id].is_correct)) for id in questions] for of in answers]
    names = sorted({phase.scenario for phase in phases[0]} | {name for name, _ in right[0]})
    place = {name: number for number, name in enumerate(names)}
    written, replies = [np.zeros((len(names), 2)) for _ in range(2)], [np.zeros((len(names), 2)) for _ in range(2)]
    for side in range(2):
        weight_of = _weights(phases[side])
        for phase in phases[side]:
            weight = weight_of[phase.part, phase.subject]
            written[side][place[phase.scenario]] += (weight * caption_points(phase.scores) / 100, weight)
        for name, value in right[side]:
            replies[side][place[name]] += (value / len(questions), 1 / len(questions))
    both = [(written[side] + replies[side]) / 2 for side in range(2)]
    wrote = written[0][:, 1] > 0
    return CaptionChanges(
        scenarios=names,
        phases=len({(phase.part, phase.scenario, phase.label) for phase in phases[0]}),
        captions=_part([values[wrote] for values in written]),
        s2=_part(both),
    )


def _key(answer: Prediction) -> tuple[str, str]:
    return answer.scenario, answer.correct


def _weights(phases: Sequence[PhaseScore]) -> dict[tuple[str, str], float]:
    """{(set, subject): what one of its phases weighs in the score}."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for phase in phases:
        counts[phase.part][phase.subject] += 1
    return {
        (part, subject): 1 / count / len(of_part) / len(counts)
        for part, of_part in counts.items()
        for subject, count in of_part.items()
    }


def _part(sides: Sequence[Floats]) -> Part:
    """sides: [scenarios, (sum, weight)] of before and after."""
    before, after = sides
    return Part(
        before=float(before[:, 0].sum()),
        after=float(after[:, 0].sum()),
        changes=after[:, 0] - before[:, 0],
        weights=before[:, 1],
    )
