"""Predictions on WTS's public test -> the AI City challenge's JSON: [{"id": <question>, "correct": "a"}, ..].

A question about several cameras was asked about each. Their answers are merged: by `votes`, one a camera, a tie going to the
option that came first; or by `probabilities`, the letters' own, summed over the cameras, whatever was said. The format
is that of the official evaluation (woven-visionai/wts-dataset, eval-metrics-AIC-Track2_VQA): ids as in the test file,
lower-case letters; what is missing counts as wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

from roadtrain.cli import UserError
from roadtrain.data.answer_kinds import choices_of, read_response
from roadtrain.data.llava import read_questions
from roadtrain.data.question import Question
from roadtrain.data.sources.records import is_caption
from roadtrain.data.strict_json import strict_json

Merge = Literal["votes", "probabilities"]


class SubmittedAnswer(TypedDict):
    """One item of the challenge's JSON."""

    id: str
    correct: str  # an option's letter, in lower case


@dataclass
class Ballot:
    """What a question's cameras are for."""

    options: list[str]  # letters, in capitals
    weights: dict[str, float] = field(default_factory=dict)  # of each letter that a camera is for
    cameras: int = 0
    answers: list[str | None] = field(default_factory=list)  # what each camera said

    @property
    def winner(self) -> str | None:
        """None when no camera's answer can be read. Ties go to the letter that came first; sums of floats that differ by their
        rounding alone are ties."""
        return max(self.weights, key=lambda letter: round(self.weights[letter], 9), default=None)

    @property
    def is_disputed(self) -> bool:
        """Whether cameras said different letters."""
        return len({answer for answer in self.answers if answer is not None}) > 1

    def add(self, weights: Mapping[str, float]) -> None:
        """One camera's."""
        for letter, weight in weights.items():
            self.weights[letter] = self.weights.get(letter, 0.0) + weight


def count_votes(llava: str, predictions: str, cameras: Merge = "votes") -> dict[str, Ballot]:
    """{question: its ballot} in the order of the questions. Raises UserError for files that don't fit each other, and with
    `probabilities` for a prediction that was made without."""
    questions = {question.id: question for question in read_questions(llava)}
    return ballots_of(questions, read_answers(predictions, questions, llava), cameras, llava, predictions)


def ballots_of(
    questions: Mapping[str, Question],
    answers: Mapping[str, "CameraAnswer"],
    cameras: Merge,
    llava: str,
    predictions: str,
) -> dict[str, Ballot]:
    """`count_votes` of what was read: captions, which have texts, are left to submitted_captions.py."""
    ballots: dict[str, Ballot] = {}
    for id, question in questions.items():
        if is_caption(question.options, question.group):
            continue
        if not question.options:
            raise UserError(f"{llava}: {id}: an open question; a submission has an option's letter for each")
        ballot = ballots.setdefault(question.question_id or id, Ballot(list(question.options)))
        answer = answers[id]
        ballot.cameras += 1
        ballot.answers.append(answer.letter)
        if cameras == "votes":
            ballot.add({} if answer.letter is None else {answer.letter: 1})
        elif answer.probabilities is not None:
            ballot.add(answer.probabilities)
        elif not answer.unasked:
            raise UserError(f"{predictions}: {id}: no probabilities; ask the test again, or merge the cameras by votes")
    return ballots


def with_unasked(ballots: Mapping[str, Ballot], questions: Mapping[str, list[str]], llava: str) -> dict[str, Ballot]:
    """The ballots in the test's order, with an empty one for each question that could be asked about no video: it counts as one
    without an answer. `questions`: {question: its letters} of the test's file. Raises UserError for a ballot of no such question."""
    if other := [question for question in ballots if question not in questions]:
        raise UserError(
            f"{llava}: {other[0]} is no question of the test's file: it has changed; convert and ask the test again"
        )
    return {question: ballots.get(question) or Ballot(letters) for question, letters in questions.items()}


def merged_in_words(ballots: Mapping[str, Ballot]) -> str:
    """How many questions had several cameras, how often these said different things, and how many had none."""
    several = [ballot for ballot in ballots.values() if ballot.cameras > 1]
    different = sum(ballot.is_disputed for ballot in several)
    unasked = sum(not ballot.cameras for ballot in ballots.values())
    no_video = f"; {unasked} have no video that can be read" if unasked else ""
    return f"{len(several)} questions of several cameras were merged, which disagreed on {different}{no_video}"


def make_submission(ballots: Mapping[str, Ballot], guess: bool) -> list[SubmittedAnswer]:
    """`guess`: a question without a readable answer gets its first option; else it is left away."""
    submission: list[SubmittedAnswer] = []
    for question, ballot in ballots.items():
        letter = ballot.winner or (ballot.options[0] if guess else None)
        if letter is not None:
            submission.append({"id": question, "correct": letter.lower()})
    check_submission(submission, {question: ballot.options for question, ballot in ballots.items()})
    return submission


def check_submission(submission: Any, options: Mapping[str, list[str]]) -> None:
    """Is it what the challenge's evaluation reads: [{"id", "correct"}], each question once, a letter that it has, in
    lower case? Raises UserError naming the item. `options`: {question: its letters, in capitals}."""
    if not isinstance(submission, list):
        raise UserError("a submission is a list")
    answered = set()
    for number, item in enumerate(submission):
        if not isinstance(item, dict) or list(item) != ["id", "correct"]:
            raise UserError(f"[{number}]: expected an object with id and correct, found {item!r}")
        question, letter = item["id"], item["correct"]
        if question not in options or question in answered:
            why = "there twice" if question in answered else "no question of the test"
            raise UserError(f"[{number}]: {question!r} is {why}")
        if letter not in [option.lower() for option in options[question]]:
            allowed = ", ".join(options[question]).lower()
            raise UserError(f"[{number}]: {question}: {letter!r} isn't one of {allowed}")
        answered.add(question)


class CameraAnswer(NamedTuple):
    """One prediction."""

    letter: str | None  # None: none, or more than one
    probabilities: dict[str, float] | None  # of the letters
    unasked: bool  # its video can't be read
    response: str | None  # the model's own words
    with_reasoning: bool = False  # it was to reason first, in tags


def read_answers(path: str, questions: Mapping[str, Question], llava: str) -> dict[str, CameraAnswer]:
    """{id: its answer}. `questions`: by id. Raises UserError naming the line that doesn't fit them."""
    answers: dict[str, CameraAnswer] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text: {error.reason}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = strict_json(line)
            id, answer = value["id"], value["answer"]
            if not isinstance(id, str) or not isinstance(answer, str | None):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path}: line {number}: expected a prediction with id and answer") from None
        if id not in questions:
            raise UserError(f"{path}: line {number}: {id} isn't a question of {llava}: predictions of another split?")
        if id in answers:
            raise UserError(f"{path}: line {number}: {id} is there twice")
        choices = choices_of(questions[id].options, questions[id].kind)
        if answer is not None and answer not in choices:
            allowed = ", ".join(choices)
            raise UserError(f"{path}: line {number}: {id}: the answer {answer!r} isn't one of {allowed}")
        place = f"{path}: line {number}: {id}"
        answers[id] = _camera_answer(value, questions[id], place)
    if missing := [id for id in questions if id not in answers]:
        raise UserError(
            f"{path}: {len(missing)} of {len(questions)} predictions are missing, first {missing[0]}: evaluate the whole split"
        )
    return answers


def _camera_answer(value: Mapping[str, Any], question: Question, place: str) -> CameraAnswer:
    """Of a prediction's line. Its response is read anew, as scores read it: the letter noted beside it is that of the reader that was
    there when it was asked. Raises UserError."""
    if any(value.get(key, now) != now for key, now in (("question", question.text), ("options", question.options))):
        raise UserError(
            f"{place}: it was asked in other words, or with other options, than the test has now: ask the test again"
        )
    shares = value.get("probabilities")
    if shares is not None and (not isinstance(shares, dict) or shares.keys() != question.options.keys()):
        raise UserError(f"{place}: probabilities of other letters than the question's")
    if not all(type(share) in (int, float) and 0 <= share <= 1.001 for share in (shares or {}).values()):
        raise UserError(f"{place}: probabilities: expected numbers from 0 to 1, found {shares!r:.80}")
    if "response" not in value:
        return CameraAnswer(value["answer"], shares, False, "")
    response, with_reasoning = value["response"], value.get("with_reasoning") is True
    if response is not None and not isinstance(response, str):
        raise UserError(f"{place}: response: expected text or null, found {response!r:.60}")
    letter = None
    if response is not None and choices_of(question.options, question.kind):
        letter = read_response(response, question.options, question.kind, with_reasoning).letter
    return CameraAnswer(letter, shares, response is None, response, with_reasoning)
