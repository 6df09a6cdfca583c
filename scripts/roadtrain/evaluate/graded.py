"""Answers that are neither right nor wrong: spans of time, scored by their overlap, and texts, by the caption metrics.

An answer that can't be read counts 0, and what it lacks is counted by name; one whose video can't be read is left out and
counted, as with questions. TAR's official scorer leaves unreadable spans out of its mean, and scores texts by BERTScore,
which needs a model of its own: neither is computed here, and no number here is called so.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np

from roadtrain.data.answer_kinds import GRADED, INTERVAL, TEXT, Interval, read_interval, read_response
from roadtrain.data.answer_reasoning import MISTAKES
from roadtrain.data.answers import said_text
from roadtrain.data.question import UNGROUPED
from roadtrain.evaluate import statistics
from roadtrain.evaluate.caption_metrics import CaptionScores, caption_points, caption_scores, mean_scores
from roadtrain.evaluate.predictions import Prediction, asked_questions, checked_rows

HALF = 0.5  # of the overlap
NOTHING: CaptionScores = {"bleu": 0.0, "meteor": 0.0, "rouge_l": 0.0, "cider": 0.0}
MOST = 100.0  # points of a text


@dataclass(frozen=True, slots=True)
class GradedPrediction:
    """One of them."""

    id: str
    scenario: str
    group: str
    kind: str  # one of GRADED
    response: str | None  # None: it could not be asked
    answer: str | None  # what of the response is scored
    mistake: str  # why there is none
    reference: str
    with_reasoning: bool


class KindAccuracy(TypedDict):
    """Of questions of one kind whose answers are right or wrong."""

    total_questions: int
    total_correct: int
    accuracy: float
    unanswered: int
    ci95: list[float]


class IntervalScore(TypedDict):
    """Of spans of time."""

    questions: int
    not_asked: int  # in no other number here
    mean_iou: float  # intersection over union, 0 to 1; an unread answer has 0
    ci95: list[float]
    half: float  # the share with at least one half
    unread: dict[str, int]  # {why: answers}
    without_length: int  # references that begin and end at once: whatever is said has 0


class TextGroupScore(TypedDict):
    """Of the texts of one group, or of all."""

    questions: int
    mean: CaptionScores
    score: float  # 0 to 100, as the challenge's caption score is made of the four
    ci95: list[float]


class TextScore(TextGroupScore):
    """Of all texts."""

    not_asked: int  # in no other number here
    unread: dict[str, int]
    by_group: dict[str, TextGroupScore]


class KindScores(TypedDict):
    """The accuracy JSON's `kinds`: what each kind of answer is counted by."""

    choice: NotRequired[KindAccuracy]
    binary: NotRequired[KindAccuracy]
    open: NotRequired[KindAccuracy]
    interval: NotRequired[IntervalScore]
    text: NotRequired[TextScore]


class ReasoningUse(TypedDict):
    """The accuracy JSON's `reasoning`: how many responses had the form that was asked for."""

    responses: int
    well_formed: int
    mistakes: dict[str, int]  # {mistake: responses}, all kinds together


def read_graded(path: str | Path) -> list[GradedPrediction]:
    """The spans and texts among a checkpoint's predictions, sorted by id; [] where there are none. Raises ValueError naming
    the line."""
    predictions = []
    for row in checked_rows(path):
        if (kind := row.get("kind", "")) in GRADED:
            response, with_reasoning = row["response"], row.get("with_reasoning", False)
            reading = read_response(response or "", {}, kind, with_reasoning)
            predictions.append(
                GradedPrediction(
                    id=row["id"],
                    scenario=row["scenario"],
                    group=row.get("group", UNGROUPED),
                    kind=kind,
                    response=response,
                    answer=reading.letter or None,
                    mistake="" if reading.letter else (reading.rule if reading.letter is None else "empty answer"),
                    reference=said_text(row["correct"]),
                    with_reasoning=with_reasoning,
                )
            )
    return sorted(predictions, key=lambda prediction: prediction.id)


def score_kinds(
    predictions: Sequence[Prediction], graded: Sequence[GradedPrediction], samples: int
) -> KindScores | None:
    """None where every answer is an option's letter or a word: the accuracy says it all. Raises UserError where WordNet is
    missing."""
    if not graded and not any(p.kind for p in predictions):
        return None
    scores: KindScores = {}
    replies = asked_questions(predictions)
    if of_choice := [p for p in replies if p.options]:
        scores["choice"] = _accuracy(of_choice, samples)
    if of_binary := [p for p in replies if p.kind]:
        scores["binary"] = _accuracy(of_binary, samples)
    if of_open := [p for p in replies if not p.choices]:
        scores["open"] = _accuracy(of_open, samples)
    if any(p.kind == INTERVAL and p.response is not None for p in graded):
        scores["interval"] = _intervals([p for p in graded if p.kind == INTERVAL], samples)
    if any(p.kind == TEXT and p.response is not None for p in graded):
        scores["text"] = _texts([p for p in graded if p.kind == TEXT], samples)
    return scores


def reasoning_use(predictions: Sequence[Prediction], graded: Sequence[GradedPrediction]) -> ReasoningUse | None:
    """None where no response was to reason."""
    rules = [p.rule for p in predictions if p.with_reasoning and p.response is not None]
    rules += [p.mistake for p in graded if p.with_reasoning and p.response is not None]
    if not rules:
        return None
    mistakes = Counter(rule for rule in rules if rule in MISTAKES)
    return {
        "responses": len(rules),
        "well_formed": len(rules) - mistakes.total(),
        "mistakes": {name: mistakes[name] for name in MISTAKES if mistakes[name]},
    }


def _accuracy(predictions: Sequence[Prediction], samples: int) -> KindAccuracy:
    right = [p.is_correct for p in predictions]
    return {
        "total_questions": len(right),
        "total_correct": sum(right),
        "accuracy": sum(right) / len(right),
        "unanswered": sum(p.answer is None for p in predictions),
        "ci95": list(statistics.interval(right, [p.scenario for p in predictions], samples)),
    }


def _intervals(predictions: Sequence[GradedPrediction], samples: int) -> IntervalScore:
    replies = [p for p in predictions if p.response is not None]
    overlaps = [_overlap(p) for p in replies]
    return {
        "questions": len(replies),
        "not_asked": len(predictions) - len(replies),
        "mean_iou": sum(overlaps) / len(overlaps),
        "ci95": _ci95(overlaps, replies, samples),
        "half": sum(overlap >= HALF for overlap in overlaps) / len(overlaps),
        "unread": _unread(replies),
        "without_length": sum(_span(p.reference).start == _span(p.reference).end for p in replies),
    }


def _overlap(prediction: GradedPrediction) -> float:
    return 0.0 if prediction.answer is None else _span(prediction.answer).overlap(_span(prediction.reference))


def _span(text: str) -> Interval:
    """Of a text that was read before."""
    span = read_interval(text)
    assert isinstance(span, Interval), span
    return span


def _texts(predictions: Sequence[GradedPrediction], samples: int) -> TextScore:
    replies = [p for p in predictions if p.response is not None]
    groups = sorted({p.group for p in replies})
    return {
        **_text_group(replies, samples),
        "not_asked": len(predictions) - len(replies),
        "unread": _unread(replies),
        "by_group": {name: _text_group([p for p in replies if p.group == name], samples) for name in groups},
    }


def _text_group(replies: Sequence[GradedPrediction], samples: int) -> TextGroupScore:
    scores = [NOTHING if p.answer is None else caption_scores(p.answer, p.reference) for p in replies]
    mean = mean_scores(scores)
    low, high = _ci95([caption_points(score) / MOST for score in scores], replies, samples)
    return {"questions": len(replies), "mean": mean, "score": caption_points(mean), "ci95": [MOST * low, MOST * high]}


def _ci95(shares: Sequence[float], replies: Sequence[GradedPrediction], samples: int) -> list[float]:
    """Of the mean of shares from 0 to 1. Rounded: equal ones are equal to the last digit."""
    values = np.minimum(1.0, np.round(np.asarray(shares), 12))
    return list(statistics.mean_interval(values, [p.scenario for p in replies], samples, (0, 1)))


def _unread(replies: Sequence[GradedPrediction]) -> dict[str, int]:
    return dict(sorted(Counter(p.mistake for p in replies if p.answer is None).items()))
