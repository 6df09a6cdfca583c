"""Options found by their words in a text: "It is rainy". Time grows with the length of the text: see roadtrain.data.answers."""

import re
from collections.abc import Iterator

from roadtrain.data.answer_phrases import CLOSED, WORDS_OF_SPEECH
from roadtrain.data.answer_statements import Statements

LABEL = re.compile(r"(?<![\w'’])([A-Z])[*_\s]*[)\](\[.:–—-][\s*_(\[\"'`]*$")  # in front of an option's text
# What refuses the option that it follows: "Sunny (incorrect)".
REFUSED = re.compile(
    r"[\s*_(\[:–—-]*(?:this\s+is\s+)?(?:incorrect|wrong|false|unlikely|ruled\s+out|eliminated|excluded)\b"
    r"|[\s*_(\[:.)\]–—-]*(?:no|[✗✘❌])[\s.!)\]*_]*$"
)
_LABEL_AFTER = re.compile(r"\s*[,(\[:–—-]\s*([A-Z])[\s)\].]*$")
_CLOSED_THERE = re.compile(rf"{CLOSED.pattern}|[。、]")
_FRAME = re.compile(r"\b(?:right|correct|true|best)\s+(?:answer|option|choice|letter)\b", re.IGNORECASE)
_PARTS_OF_SPEECH = {"是", "否", "有", "无"}  # of any sentence: alone they answer
# Numbers that number something: they are no option whose words are a number.
_NUMBERING = re.compile(r"[.):]\s+(?=\w)")
_NUMBERED = re.compile(r"(?:\b(?:option|choice|step|frame|item|no\.?|number)|#)\s*$", re.IGNORECASE)


def option_words(text: str, choices: dict[str, str], statements: Statements) -> set[str]:
    """Letters whose option's text is there and not denied. An option that is part of a longer one ("side" in "one side")
    is not."""
    low = folded_text(text)
    folded = {letter: folded_text(words) for letter, words in choices.items() if words}
    starts = {letter: set(occurrences(low, words)) for letter, words in folded.items()}
    frames = {match.start() for match in _FRAME.finditer(text)}  # "the right answer" names no option called Right

    def is_part(letter: str, start: int) -> bool:
        """Whether the words of `letter` that begin there are part of a longer option's."""
        for other, words in folded.items():
            for at in range(len(words) - len(folded[letter]) + 1) if len(words) > len(folded[letter]) else ():
                if start - at in starts[other]:
                    return True
        return False

    def counts(letter: str, start: int) -> bool:
        words = folded[letter]
        end = start + len(words)
        if words in WORDS_OF_SPEECH and start and not CLOSED.match(low, end):
            return False
        if words in _PARTS_OF_SPEECH and not _CLOSED_THERE.match(low, end + low.startswith("的", end)):
            return False
        if words.isdigit() and _numbers_something(text, start, start + len(words)):
            return False
        if REFUSED.match(low, end):
            return False
        return start not in frames and statements.states(start, start + len(words)) and not is_part(letter, start)

    letters = set()
    for letter, places in starts.items():
        for start in places:
            if counts(letter, start):
                before = LABEL.search(text[max(0, start - 8) : start])
                after = _LABEL_AFTER.match(text, start + len(folded[letter]))
                letters |= {letter, *(match[1] for match in (before, after) if match)} & choices.keys()
    return letters


def _numbers_something(text: str, start: int, end: int) -> bool:
    """Whether a number counts a list's lines or steps ("1. The car", "Step 2"), and says no quantity."""
    begins_line = not text[text.rfind("\n", 0, start) + 1 : start].strip(" *_#-(")
    return (begins_line and bool(_NUMBERING.match(text, end))) or bool(
        _NUMBERED.search(text, max(0, start - 12), start)
    )


def folded_text(text: str) -> str:
    """Without case, character for character: a place in it is one in the text."""
    whole = text.casefold()
    if len(whole) == len(text):  # no character becomes less than one: each became one
        return whole
    return "".join(low if len(low := c.casefold()) == 1 else c for c in text)


def occurrences(text: str, words: str) -> Iterator[int]:
    """Where words stand in a text, both folded, and are no part of another word or number."""
    left = r"(?<!\w)" if words[0].isascii() else ""
    right = r"(?!\w)" if words[-1].isascii() else ""
    if words[0].isdigit():  # 2 is no part of 1.2, 10:20 or -2
        left += r"(?<!\d[.,:/])(?<![-−])"
    if words[-1].isdigit():
        right += r"(?![.,:/–-]\d)"
    return (match.start() for match in re.finditer(f"{left}{re.escape(words)}{right}", text))
