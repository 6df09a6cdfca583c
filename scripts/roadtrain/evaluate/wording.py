"""How long an answer may be, and whether its tokens are drawn: the spec's `evaluate` for a question, and for a caption."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from roadtrain.data.question import Question
from roadtrain.data.sources.records import is_caption
from roadtrain.spec.evaluate import Evaluate


@dataclass(frozen=True)
class Wording:
    """Of one answer."""

    max_new_tokens: int
    temperature: float = 0.0  # 0: the likeliest token each time
    seed: int = 0  # of the draws


def wording_of(question: Question, evaluate: Evaluate) -> Wording:
    """Questions are answered greedily. A caption's draws depend on the seed and its id alone: shards, a kill and other
    questions change nothing."""
    if not is_caption(question.options, question.group):
        return Wording((evaluate.reasoning or evaluate).max_new_tokens)
    settings = evaluate.captions
    digest = hashlib.sha256(f"{settings.seed} {question.id}".encode()).digest()
    return Wording(settings.max_new_tokens, settings.temperature, int.from_bytes(digest[:4], "big"))


def check_open_answers(
    questions: Iterable[Question], evaluate: Evaluate, answer_tokens: Callable[[Question], int]
) -> None:
    """Raises ValueError where the right answer to an open question is longer than a response may be: it counts word for word, so
    that every response would be wrong. `answer_tokens`: of a question's answer, without its end."""
    longest, first = 0, ""
    for question in questions:
        is_open = not question.options and not question.kind and not is_caption(question.options, question.group)
        if is_open and (tokens := answer_tokens(question)) > max(
            longest, wording_of(question, evaluate).max_new_tokens
        ):
            longest, first = tokens, question.id
    if longest:
        key = "evaluate.reasoning.max_new_tokens" if evaluate.reasoning else "evaluate.max_new_tokens"
        limit = (evaluate.reasoning or evaluate).max_new_tokens
        raise ValueError(
            f"{key}: {limit}: the right answer to the open question {first} has {longest} tokens: no response could be it;"
            f" say {longest} or more"
        )
