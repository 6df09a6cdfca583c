"""What an answer is, beside an option's letter: yes or no, a span of time, a text; and how a response is read as each.

    kind       its answer                              counted by
    ""         an option's letter (with options),      right or wrong
               or exactly the expected words
    binary     Yes or No                               right or wrong
    interval   {"start": "00:54", "end": "00:57"}      intersection over union
    text       sentences                               the caption metrics

As with letters nothing is guessed: what can't be read has the name of why.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from roadtrain.data.answer_reasoning import read_reasoned
from roadtrain.data.answers import ReadAnswer, read_answer, said_text

BINARY, INTERVAL, TEXT = "binary", "interval", "text"
KINDS = ("", BINARY, INTERVAL, TEXT)
GRADED = (INTERVAL, TEXT)  # neither right nor wrong: they have scores of their own
YES_NO = {"Yes": "Yes", "No": "No"}
# Nothing here gives back what it has taken, and nothing is looked at twice: a model that goes wrong writes ten thousand line breaks.
_GAP = r"[^\w.,;:!\n–—-]*+"
_END = rf"(?={_GAP}(?:[,;:!\n–—]|\.(?!\d)|-(?!\w)|$))"  # of a verdict: "No." is one, "No car", "no longer" and "no-one" are none
_VERDICT = rf"(yes|no)\b{_END}"
_LEADING = re.compile(rf"\W*+(?:(yes)\b|(no)\b{_END})", re.IGNORECASE)
_AFTER_GAP = re.compile(rf"(?<!\W)(\W*+){_VERDICT}", re.IGNORECASE)
_NEXT = re.compile(
    rf"\b(?:yes|no)\b\W++(?:(?:and|or)\b\W++)?(?={_VERDICT})", re.IGNORECASE
)  # "No, yes"; no "yes, no doubt"
_NAMED = re.compile(rf"\banswer\W++(?:is\W++|would\W++be\W++)?{_VERDICT}", re.IGNORECASE)
_PAIR = re.compile(r"\b(?:yes|no)\b(\W*+)(?:(and|or)\b\W*+)?(?=(?:yes|no)\b)", re.IGNORECASE)  # "Yes or No", "Yes/No"
_TAGGED = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.IGNORECASE | re.DOTALL)
_OBJECT = re.compile(r"\{[^{}]*\}")
_TIME = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:\.\d+)?)|(\d{1,6}(?:\.\d+)?)")
SIXTY = 60  # what seconds, and minutes of an hour, never reach
NO_INTERVAL, SEVERAL_INTERVALS, NO_TIME, BACKWARDS = "no interval", "several intervals", "no time", "backwards"


class Interval(NamedTuple):
    """A span of a video, seconds."""

    start: float
    end: float

    def overlap(self, other: "Interval") -> float:
        """Intersection over union, 0 to 1; 0 where both have no length (as TAR's official scorer has it)."""
        both = max(0.0, min(self.end, other.end) - max(self.start, other.start))
        union = (self.end - self.start) + (other.end - other.start) - both
        return both / union if union > 0 else 0.0


def choices_of(options: Mapping[str, str], kind: str) -> Mapping[str, str]:
    """What may be said, {answer: its words}; empty where that is open."""
    return YES_NO if kind == BINARY else options


def read_response(response: str, options: dict[str, str], kind: str = "", with_reasoning: bool = False) -> ReadAnswer:
    """What a response means: a letter, Yes or No; of an interval or a text the words that are scored; None and the name of
    why where it can't be read. `with_reasoning`: it was to reason first, in tags."""
    if with_reasoning:
        parts = read_reasoned(response)
        if parts.answer is None:
            return ReadAnswer(None, parts.mistake)
        response = parts.answer
    if kind == BINARY:
        return read_yes_no(response)
    if kind == INTERVAL:
        reading = read_interval(response)
        return ReadAnswer(None, reading) if isinstance(reading, str) else ReadAnswer(response.strip(), "interval")
    if kind == TEXT:
        text = said_text(response)
        return ReadAnswer(text or None, "text" if text else "none")
    return read_answer(response, options)


def read_yes_no(response: str) -> ReadAnswer:
    """Yes or No, where a response begins with it, or says that the answer is it. Both are ambiguous."""
    text = said_text(response)
    readings = {_verdict(part) for part in _TAGGED.findall(text) or [text]}
    return readings.pop() if len(readings) == 1 else ReadAnswer(None, "ambiguous")


def _verdict(text: str) -> ReadAnswer:
    first = _LEADING.match(text)
    stated = {match[1] for match in _NAMED.finditer(text)}
    sentences = {
        match[2] for match in _AFTER_GAP.finditer(text) if match.start() == 0 or set(".!?;:\n") & set(match[1])
    }
    others = {match[1] for match in _NEXT.finditer(text)}
    verdicts = {verdict.capitalize() for verdict in stated | sentences | others}
    if first:
        verdicts.add((first[1] or first[2]).capitalize())
    if len(verdicts) > 1 or any(match[2] or set("/&|") & set(match[1]) for match in _PAIR.finditer(text)):
        return ReadAnswer(None, "ambiguous")
    if first is None and not stated:
        return ReadAnswer(None, "not stated" if re.search(r"\b(?:yes|no)\b", text, re.IGNORECASE) else "none")
    return ReadAnswer(verdicts.pop(), "leading" if first else "named")


def read_interval(response: str) -> Interval | str:
    """The one object with start and end in a response, or the name of why there is none: as with options, no place in it
    is better than another, and two that differ are several. Times are MM:SS, HH:MM:SS (fractions too) or seconds."""
    objects = _objects(said_text(response))
    if not objects:
        return NO_INTERVAL
    times = {tuple(_seconds(value[key]) for key in ("start", "end")) for value in objects}
    if len(times) > 1:
        return SEVERAL_INTERVALS
    start, end = times.pop()
    if start is None or end is None:
        return NO_TIME
    return Interval(start, end) if end >= start else BACKWARDS


def _objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects with start and end."""
    values: list[dict[str, Any]] = []
    for match in _OBJECT.finditer(text):
        try:
            pairs = json.loads(match[0], object_pairs_hook=list)
        except (ValueError, RecursionError):
            continue
        value = dict(pairs)
        if len(value) == len(pairs) and {"start", "end"} <= value.keys():  # a key that is there twice says two things
            values.append(value)
    return values


def _seconds(value: object) -> float | None:
    """None: no time."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _TIME.fullmatch(str(value).strip())
    if match is None:
        return None
    hours, minutes, seconds, alone = match.groups()
    if alone is not None:
        return float(alone)
    # 00:75 may be 75 seconds, or a minute and a quarter. Minutes without hours count on: TAR writes 61:04 past the hour.
    if float(seconds) >= SIXTY or (hours is not None and int(minutes) >= SIXTY):
        return None
    return 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds)
