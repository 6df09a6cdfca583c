"""The cameras of a question merged: what a team would submit that asks about each, beside asking about all in one prompt.

A question that one annotation asks about several videos of its scenario is one ballot: each camera has a vote, or its letters'
probabilities, and the letter with most of either is the answer (a tie goes to the one that came first, as in
submission.py). A question about one video, or about all together, is a ballot of its own.

Which questions are one is seen by what conversion writes, never by the right answer: videos of one view (WTS's folders
overhead_view, vehicle_view), ids that are the same but for the video's name, and the same words and options, since two annotations
of a view number their questions alike. The same words about another view, and rows of somebody's table that ask the same about two
videos, are two questions, as in a submission.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NotRequired, TypedDict

from roadtrain.data.sources.base import stem
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
    """The predictions of each question."""
    ballots: dict[tuple[str, ...], list[Prediction]] = defaultdict(list)
    for p in predictions:
        ballots[_question(p)].append(p)
    return list(ballots.values())


def _question(p: Prediction) -> tuple[str, ...]:
    """What the cameras of one question have in common, and no other question (data/entry_ids.py)."""
    folder, before = p.video.rpartition("/")[0], f"{stem(p.video)}_"
    if p.together or not folder.endswith("_view") or not p.id.startswith(before):
        return (p.id,)
    options = (f"{letter}: {words}" for letter, words in p.options.items())
    return folder, p.scenario, p.phase, p.id.removeprefix(before), p.question, *options


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
