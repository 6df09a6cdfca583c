"""How long an answer may be, and whether its tokens are drawn: the spec's `evaluate` for a question, and for a caption."""

import hashlib
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
