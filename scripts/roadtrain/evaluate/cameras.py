"""The cameras of a question merged: what a team would submit that asks about each, beside asking about all in one prompt.

A question that was asked about several videos of its scenario is one ballot: each camera has a vote, or its letters'
probabilities, and the letter with most of either is the answer (a tie goes to the one that came first, as in
submission.py). A question about one video, or about all together, is a ballot of its own.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NotRequired, TypedDict

from roadtrain.evaluate import statistics
from roadtrain.evaluate.predictions import Prediction, asked_questions
from roadtrain.evaluate.submission import Ballot


class MergedAccuracy(TypedDict):
    """Of questions whose cameras are merged in one way."""

    total_correct: int
    accuracy: float
    ci95: list[float]


class MergedCameras(TypedDict):
    """The accuracy JSON's `merged_cameras`."""

    questions: int  # each once, however many cameras it was asked about
    of_several_cameras: int  # of these
    votes: MergedAccuracy
    probabilities: NotRequired[MergedAccuracy]  # where every prediction has them


def merge_cameras(predictions: Sequence[Prediction], samples: int) -> MergedCameras | None:
    """Of the questions with options that were asked. None where none was asked about several cameras."""
    ballots = _ballots([p for p in asked_questions(predictions) if p.options])
    several = sum(len(ballot) > 1 for ballot in ballots)
    if not several:
        return None
    merged: MergedCameras = {
        "questions": len(ballots),
        "of_several_cameras": several,
        "votes": _accuracy(ballots, [_winner(ballot, by_votes=True) for ballot in ballots], samples),
    }
    if all(p.probabilities for ballot in ballots for p in ballot):
        merged["probabilities"] = _accuracy(ballots, [_winner(b, by_votes=False) for b in ballots], samples)
    return merged


def _ballots(predictions: Sequence[Prediction]) -> list[list[Prediction]]:
    """The predictions of each question. The same question may be asked twice about a video: these are two."""
    ballots: dict[tuple[object, ...], list[Prediction]] = defaultdict(list)
    times: dict[tuple[object, ...], int] = defaultdict(int)
    for p in predictions:
        question = (p.scenario, p.phase, p.question, tuple(p.options.items()), p.correct)
        number = times[(*question, p.video)]
        times[(*question, p.video)] += 1
        ballots[(*question, number)].append(p)
    return list(ballots.values())


def _winner(predictions: Sequence[Prediction], *, by_votes: bool) -> str | None:
    ballot = Ballot(list(predictions[0].options))
    for p in predictions:
        if not by_votes:
            ballot.add(p.probabilities or {})
        elif p.answer is not None:
            ballot.add({p.answer: 1})
    return ballot.winner


def _accuracy(ballots: Sequence[Sequence[Prediction]], winners: Sequence[str | None], samples: int) -> MergedAccuracy:
    right = [winner == ballot[0].correct for ballot, winner in zip(ballots, winners, strict=True)]
    interval = statistics.interval(right, [ballot[0].scenario for ballot in ballots], samples)
    return {"total_correct": sum(right), "accuracy": sum(right) / len(right), "ci95": list(interval)}
