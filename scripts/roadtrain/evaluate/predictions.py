"""Answers of a checkpoint: results/<run>/<ablation>/predictions/<checkpoint>.jsonl, one line a question.

The model's own words (`response`) are parsed again when they are read, so that a better parser scores old predictions
anew without asking the model.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from roadtrain.data.answer_kinds import GRADED, KINDS, choices_of, read_response
from roadtrain.data.answers import right_letter
from roadtrain.data.question import UNGROUPED, Question
from roadtrain.data.sources.records import is_caption
from roadtrain.data.strict_json import read_rows
from roadtrain.evaluate.answers import first_capital
from roadtrain.evaluate.failed_questions import FailedQuestion
from roadtrain.evaluate.replies import Reply
from roadtrain.files import write_text
from roadtrain.markup import json_line
from roadtrain.spec.resolved import VisionSettings

# WTS names its overhead videos after their camera: 20230707_8_SN46_T1_Camera2_3.mp4
_CAMERA = re.compile(r"Camera(\d+)", re.IGNORECASE)


SEVERAL = "several"
NOT_ASKED = "not asked"  # the rule of a question without a response


class PredictionRow(TypedDict):
    """One line, keys in the contract's order."""

    id: str
    video: str
    scenario: str
    question: str
    options: dict[str, str]
    prompt: str
    response: str | None  # None: the question could not be asked (its video has no frames)
    answer: str | None  # the letter meant, or None when there is none or more than one
    correct: str
    is_correct: bool
    probabilities: dict[str, float] | None  # of the option letters, where the answer begins; older lines lack it
    group: str  # what its accuracy is counted with; older lines lack it
    phase: str  # full_video, or the label of the window; older lines lack it
    videos: NotRequired[list[str]]  # where it is asked about several media together: all of them
    kind: NotRequired[str]  # of the answer (data/answer_kinds.py), where it is no option's letter
    with_reasoning: NotRequired[bool]  # the response was to reason first, in tags; its letters have no probabilities


class UnansweredVideo(TypedDict):
    """A clip whose questions could not be asked."""

    video: str
    reason: str


class PredictionsSource(TypedDict):
    """<checkpoint>.source.json: what predictions were computed from."""

    checkpoint: str
    checkpoint_sha256: str
    model: str
    precision: str
    vision: VisionSettings
    llava_sha256: str
    frames_sha256: str
    system_prompt: str
    max_new_tokens: int
    answers: str
    captions: NotRequired[dict[str, int | float]]  # evaluate.captions; not in a file of 0.2
    reasoning: NotRequired[dict[str, int]]  # evaluate.reasoning, where there is one
    engine: str
    software: dict[str, str]
    media: NotRequired[str]  # none: asked without them
    reader: NotRequired[str]  # who read the videos, where a server did: vllm, roadtrain
    shard: NotRequired[str]
    unanswered_videos: NotRequired[list[UnansweredVideo]]
    failed_questions: NotRequired[list[FailedQuestion]]  # at which a server failed, where there are any


_LATER = ("probabilities", "group", "phase", "videos", "kind", "with_reasoning")
KEYS = tuple(key for key in PredictionRow.__annotations__ if key not in _LATER)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A line as it is scored."""

    id: str
    video: str
    scenario: str
    question: str
    options: dict[str, str]
    response: str | None  # None: the question could not be asked (its video has no frames)
    correct: str
    answer: str | None  # the letter meant, or None when there is none or more than one
    rule: str  # by which rule the answer was read, or why it is unread (data/answers.py); `not asked` without response
    first_capital: str | None  # the recipe's parse: the first capital letter anywhere
    probabilities: dict[str, float] | None = None  # of the option letters, where the answer begins
    group: str = UNGROUPED  # what its accuracy is counted with
    kind: str = ""  # of the answer: "" or binary
    with_reasoning: bool = False
    phase: str = ""  # "" in older lines
    together: bool = False  # it was asked about several media in one prompt

    @property
    def choices(self) -> Mapping[str, str]:
        """What may be said; empty where that is open."""
        return choices_of(self.options, self.kind)

    @property
    def is_correct(self) -> bool:
        return self.answer is not None and self.answer == self.correct

    @property
    def camera(self) -> str:
        """Camera1, Camera2, .. as the file name says; else the folder of the view; else `unknown`. `several` in one prompt."""
        if self.together:
            return SEVERAL
        camera = _CAMERA.search(Path(self.video).name)
        if camera:
            return f"Camera{camera[1]}"
        views = [part for part in Path(self.video).parts if part.endswith("_view")]
        return views[-1] if views else "unknown"


def prediction_row(question: Question, reply: Reply, reasoning: bool = False) -> PredictionRow:
    """The line of a question and the reply to it. `reasoning`: questions were to be answered with it."""
    is_of_caption = is_caption(question.options, question.group)
    with_reasoning = reasoning and not is_of_caption
    no_letter = reply.response is None or is_of_caption or question.kind in GRADED
    answer = None
    if not no_letter:
        answer = read_response(reply.response or "", question.options, question.kind, with_reasoning).letter
    row: PredictionRow = {
        "id": question.id,
        "video": question.video,
        "scenario": question.scenario,
        "question": question.text,
        "options": question.options,
        "prompt": question.human_turn,
        "response": reply.response,
        "answer": answer,
        "correct": question.correct,
        "is_correct": answer == question.correct,
        "probabilities": None if with_reasoning else reply.probabilities,
        "group": question.group,
        "phase": question.phase,
    }
    if len(media := question.clip.media) > 1:
        row["videos"] = [medium.file for medium in media]
    if question.kind:
        row["kind"] = question.kind
    if with_reasoning:
        row["with_reasoning"] = True
    return row


def write_predictions(path: str | Path, rows: Iterable[PredictionRow]) -> None:
    """JSON lines, in the order of the rows. The file appears when it is whole."""
    write_text(path, "".join(map(json_line, rows)))


def read_predictions(path: str | Path) -> list[Prediction]:
    """Every prediction but those that have scores of their own: captions (caption_predictions.py), intervals and texts
    (graded.py). Sorted by id. Raises ValueError naming file, line and what is wrong."""
    predictions = {row["id"]: _prediction(row) for row in checked_rows(path) if not _has_its_score(row)}
    if not predictions:
        raise ValueError(f"{path}: no predictions")
    return [predictions[id] for id in sorted(predictions)]


def _has_its_score(row: dict[str, Any]) -> bool:
    return is_caption(row["options"], row.get("group")) or row.get("kind", "") in GRADED


def asked_questions(predictions: Iterable[Prediction]) -> list[Prediction]:
    """Those that were asked: a question whose video can't be read is no wrong answer."""
    return [p for p in predictions if p.response is not None]


def checked_rows(path: str | Path) -> Iterator[dict[str, Any]]:
    """The lines, each question once. Raises ValueError naming file, line and what is wrong."""
    ids: set[str] = set()
    for number, row in read_rows(path):
        missing = [key for key in KEYS if key not in row]
        if missing:
            raise ValueError(f"{path}: line {number}: key {missing[0]} is missing")
        if problem := _fault(row):
            raise ValueError(f"{path}: line {number}: {problem}; evaluate the checkpoint again")
        if row["id"] in ids:
            raise ValueError(f"{path}: line {number}: question {row['id']} is answered twice")
        ids.add(row["id"])
        yield row


def _fault(row: dict[str, Any]) -> str:
    """What is wrong with the values of a line, or "": of two empty ones neither is the other's answer."""
    for key in ("id", "video", "scenario", "question", "correct", "group", "phase"):
        if not isinstance(value := row.get(key, UNGROUPED), str) or not value and key != "question":
            return f"{key}: expected text, found {value!r:.80}"
    if not all(isinstance(video, str) for video in row.get("videos") or ()):
        return f"videos: expected names of files, found {row['videos']!r:.80}"
    options, response, probabilities = row["options"], row["response"], row.get("probabilities") or {}
    kind, with_reasoning = row.get("kind", ""), row.get("with_reasoning", False)
    if kind not in KINDS or not isinstance(with_reasoning, bool):
        return f"kind, with_reasoning: expected a kind of answer, and true or false, found {kind!r:.80}, {with_reasoning!r:.80}"
    if not isinstance(options, dict) or not all(isinstance(words, str) for words in options.values()):
        return f"options: expected {{letter: text}}, found {options!r:.80}"
    if not isinstance(response, str | None):
        return f"response: expected text or null, found {response!r:.80}"
    if kind and (options or read_response(row["correct"], {}, kind).letter is None):
        return f"correct: expected the {kind} answer of a question without options, found {row['correct']!r:.80}"
    if options and right_letter(row["correct"], options) is None:
        return f"correct: expected one of {', '.join(options)}, found {row['correct']!r:.80}"
    if not isinstance(probabilities, dict) or not all(
        letter in options and isinstance(share, int | float) and 0 <= share <= 1.001
        for letter, share in probabilities.items()
    ):
        return f"probabilities: expected {{letter: 0 to 1}} of the options, found {probabilities!r:.80}"
    return ""


def _prediction(row: dict[str, Any]) -> Prediction:
    options = row["options"]
    response = row["response"]
    kind, with_reasoning = row.get("kind", ""), row.get("with_reasoning", False)
    answer = read_response(response or "", options, kind, with_reasoning)
    correct = (
        right_letter(row["correct"], options) if not kind else read_response(row["correct"], {}, kind).letter
    ) or ""
    return Prediction(
        id=row["id"],
        video=row["video"],
        scenario=row["scenario"],
        question=row["question"],
        options=options,
        response=response,
        correct=correct,
        answer=answer.letter,
        rule=NOT_ASKED if response is None else answer.rule,
        first_capital=first_capital(response or ""),
        probabilities=row.get("probabilities"),
        group=row.get("group", UNGROUPED),
        kind=kind,
        with_reasoning=with_reasoning,
        phase=row.get("phase", ""),
        together=len(row.get("videos") or ()) > 1,
    )
