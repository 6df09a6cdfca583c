"""A question as the messages of a server's chat."""

from collections.abc import Sequence
from typing import Any

from roadtrain.data.question import Question
from roadtrain.deploy.client import CONTROL_TOKEN, SentVideo
from roadtrain.media import Words


def conversation(question: Question, media: Sequence[SentVideo], system_prompt: str) -> list[dict[str, Any]]:
    """A question as a server's chat takes it, in the roles and the order in which training has it (model/prompts.py)."""
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": system_prompt},
        {"role": "user", "content": []},
    ]
    left = iter(media)
    for part in question.clip.parts:
        if not isinstance(part, Words):
            messages[-1]["content"].append(next(left).part)
        elif part.speaker == "model":
            messages += [{"role": "assistant", "content": part.text}, {"role": "user", "content": []}]
        else:
            messages[-1]["content"].append(_text(part.text))
    first, *later = [turn.prompt for turn in question.history] + [question.prompt]
    messages[-1]["content"].append(_text(first))
    for turn, prompt in zip(question.history, later, strict=True):
        messages += [{"role": "assistant", "content": turn.answer}, {"role": "user", "content": [_text(prompt)]}]
    return messages


def _text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def control_token(messages: Sequence[dict[str, Any]]) -> str | None:
    """The first one in what people wrote."""
    contents = [message["content"] for message in messages]
    texts = [c if isinstance(c, str) else "\n".join(part.get("text", "") for part in c) for c in contents]
    place = CONTROL_TOKEN.search("\n".join(texts))
    return place[0] if place else None
