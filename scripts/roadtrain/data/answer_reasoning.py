"""An answer that begins with its reasoning: `<think>why</think><answer>what</answer>`, as it is trained and as it is read.

Nothing is guessed: a response that isn't exactly this has no answer, and the mistake has a name that is counted. The opening
`<think>` may be missing, since some chat templates write it in front of every answer. Words before `<think>`, between
the two parts and after `</answer>` are let be: what is answered is said all the same.
"""

import re
from typing import NamedTuple

OPENING = "<think>"
TAG = re.compile(r"</?(?:think|answer)>", re.IGNORECASE)
NO_TAGS = "no tags"
MISTAKES = (
    NO_TAGS,
    "reasoning not closed",
    "tags in the reasoning",
    "no answer",
    "answer cut off",
    "tags in the answer",
    "several answers",
    "tags out of order",
    "empty answer",
)


class ReasonedAnswer(NamedTuple):
    """What a response says."""

    reasoning: str
    answer: str | None  # None: it isn't said as it should be
    mistake: str  # one of MISTAKES; "" with an answer


def reasoned_text(reasoning: str, answer: str, opened: bool = False) -> str:
    """What is trained. `opened`: the chat template has written the opening tag already."""
    return f"{'' if opened else OPENING}{reasoning}</think><answer>{answer}</answer>"


def read_reasoned(response: str) -> ReasonedAnswer:
    """The two parts of a response, or its mistake."""
    matches = list(TAG.finditer(response))
    if matches and matches[0][0].lower() == OPENING:
        start, matches = matches[0].end(), matches[1:]
    elif not matches:
        return ReasonedAnswer("", None, NO_TAGS)
    else:
        start = 0
    tags = [match[0].lower() for match in matches]
    if mistake := _mistake(tags):
        return ReasonedAnswer("", None, mistake)
    reasoning = response[start : matches[0].start()].strip()
    answer = response[matches[1].end() : matches[2].start()].strip()
    return ReasonedAnswer(reasoning, answer, "") if answer else ReasonedAnswer(reasoning, None, "empty answer")


def _mistake(tags: list[str]) -> str:
    """What is wrong with the tags that follow the opening one; "" for </think><answer></answer>."""
    if "</think>" not in tags:
        return "reasoning not closed"
    if tags[0] != "</think>":
        return "tags in the reasoning"
    after = tags[1:]
    if after == ["<answer>", "</answer>"]:
        return ""
    if not after:
        return "no answer"
    if after[0] != "<answer>":
        return "tags out of order"
    if len(after) == 1:
        return "answer cut off"
    if after[1] != "</answer>":
        return "tags in the answer"
    return "several answers" if "<answer>" in after[2:] else "tags out of order"
