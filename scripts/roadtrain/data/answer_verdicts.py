"""Answers that judge every option in turn: "A: no. B: yes. C: no.", or boxes of which one is ticked.

Only a text that is nothing but verdicts is read so. Where the verdicts are the options' own words (A: Yes, B: No) they are
the options once more, and judge nothing.
"""

import re

from roadtrain.data.answer_words import folded_text

_YES = ("yes", "true", "right", "correct", "✓", "✔", "✅", "是", "对", "正确", "はい")
_NO = ("no", "false", "wrong", "incorrect", "✗", "✘", "❌", "否", "不是", "错", "错误", "不正确", "いいえ")
_WORDS = "|".join(sorted(map(re.escape, _YES + _NO), key=len, reverse=True))
# `*+` and `++`: groups that repeat give nothing back, so time grows with the length.
_VERDICT = re.compile(rf"[\s,;.*_•|\-]*+[(\[]?([A-Z])[)\].:*_\s=–—-]++({_WORDS})(?![\w])[)\]*_]*", re.IGNORECASE)
_BOX = re.compile(r"^[\s*+\-•]*(?:\[(?P<mark>[ xX✓✔]?)\]|(?P<sign>[☐☑☒✅⬜]))\s*[(\[*_]*([A-Z])(?![\w'’])")
_TICKS = ("x", "✓", "✔", "☑", "☒", "✅")


def affirmed_letters(text: str, choices: dict[str, str]) -> set[str] | None:
    """The options that a text of verdicts affirms: none, one or several. None: it is no such text."""
    verdicts = _boxes(text) or _verdicts(text)
    judged = {letter: verdict for letter, verdict in verdicts if letter in choices}
    if len(judged) < 2 or len(judged) < len(verdicts):
        return None
    if all(verdict == folded_text(choices[letter]) for letter, verdict in judged.items()):
        return None
    return {letter for letter, verdict in judged.items() if verdict in _YES or verdict in _TICKS}


def _verdicts(text: str) -> list[tuple[str, str]]:
    verdicts, place = [], 0
    while match := _VERDICT.match(text, place):
        verdicts.append((match[1].upper(), match[2].lower()))
        place = match.end()
    return [] if text[place:].strip(" \n.,;*_") else verdicts


def _boxes(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.split("\n") if line.strip()]
    boxes = [match for line in lines if (match := _BOX.match(line))]
    return [(box[3], (box["mark"] or box["sign"] or "").lower()) for box in boxes] if len(boxes) == len(lines) else []
