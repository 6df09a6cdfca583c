"""Which option an answer means: one reader, for what an annotation calls right and for what a model said.

Rules are tried in this order; the first that finds a letter, or several, decides:

    tag          <answer>B</answer>                       alone        B   (b)   **B**   B。
    boxed        \\boxed{B}                                named        the answer is B   答案是B   正解はB   I choose B
    json         {"answer": "B"}                          leading      B: Rainy   B. It rains   B\\nIt rains
                                                          last line    .. drops are visible.\\nB
                                                          marked       .. so (B) fits
                                                          option text  It is rainy

No rule treats one letter unlike another: what is read of B is read of A and I, which are words of English, too. So a
letter in running text counts only where its place makes it one. More than one letter, or none, is unread.

A model that goes wrong repeats itself, so time grows with the length and no faster: runs of white space count as one,
repeated groups in patterns don't give back (`*+`), and nothing is copied or searched anew for each match.
"""

import json
import re
import unicodedata
from collections.abc import Collection, Iterator
from typing import NamedTuple

RULES = ("tag", "boxed", "json", "alone", "named", "leading", "last line", "marked", "option text")
UNREAD = ("ambiguous", "none")


class ReadAnswer(NamedTuple):
    """What an answer means, and how that was seen."""

    letter: str | None  # a capital; of an open question the text itself; None: unread
    rule: str  # one of RULES, `text` for an open question, or why it is unread: one of UNREAD


_SPECIAL = re.compile(r"<\|[^|<>]*\|>|</?s>|<eos>|<end_of_turn>|\[/?INST\]")
_THINK = r"(?:think|thinking|reason|reasoning)"
_TAG = re.compile(r"<(answer|final_answer|final|choice|option)>\s*(.*?)\s*(?:</\1>|$)", re.IGNORECASE | re.DOTALL)
_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
_TEX = re.compile(r"\\(?:text|textbf|mathrm|mathbf|mathsf)\s*\{([^{}]*)\}")
_JSON_KEYS = {"answer", "final_answer", "finalanswer", "choice", "option", "letter", "correct", "prediction", "答案"}
# Characters that may surround a letter; NFKC has made full-width forms plain.
_DECORATION = r"\s*_\"'`()\[\]{}<>.,:;!?#$~|/\\“”‘’„«»「」『』【】《》。、・·…"
_OPEN, _CLOSE = rf"[{_DECORATION}\-–—]*", rf"[{_DECORATION}\-–—]*"
_ALONE = re.compile(
    rf"^{_OPEN}(?:(?:option|choice|answer|letter|选项|选择|選択肢|选)\b{_OPEN})?([A-Za-z]){_CLOSE}$", re.IGNORECASE
)
_ALONE_CJK = re.compile(rf"^{_OPEN}(?:选项|选择|選択肢|选){_OPEN}([A-Za-z]){_CLOSE}$")
# What follows a letter that is one: the end, punctuation, or a word that no noun phrase begins with.
_AFTER = (
    r"(?![^\W\u3040-\u30ff\u4e00-\u9fff]|['’])(?=\s*(?:$|[*_\"'`)\]}.,:;!?/|“”‘’」』】。、\-–—\n])"
    r"|\s+(?:because|since|as|due|for|is|are|was|which|then|given|based|or|and|not|but)\b|[\u3040-\u30ff\u4e00-\u9fff])"
)
_BEFORE = r"(?:the\s+)?(?:option|choice|letter|选项|選択肢)?\s*[*_\"'`(\[{“‘「『【]*"
_LETTER = rf"([A-Za-z]){_AFTER}"
_IS = r"(?:\s*+(?:[*_]++\s*+)?(?:is|are|was|be|would\s+be|should\s+be|must\s+be|will\s+be|=|:|->|→)[*_]*+)*+\s*+:?\s*+"
_ANSWER_WORDS = [
    rf"\b(?:answer|correct|solution|prediction)\b(?:\s+(?:answer|option|choice|letter))?{_IS}{_BEFORE}{_LETTER}",
    rf"\b(?:choose|chose|pick|select|guess|say|think|believe|vote\s+for|go\s+with)\b\s+(?:that\s+)?(?:it(?:'s|’s|\s+is)\s+)?{_BEFORE}{_LETTER}",
    rf"(?:答案|正解|答え|解答|回答|应选|故选|应该选|选择|我选|选)(?:应该|应|就)?(?:是|为|為|は|選|选)?\s*:?\s*{_BEFORE}{_LETTER}",
    r"(?<![\w'])([A-Z])\)?\s*(?:is|seems|looks)\s+(?:the\s+)?(?:correct|right|best|true)\b",
    r"(?<![\w'])([A-Z])(?:です|だ(?!っ)|が正しい|が正解|是正确|正确|是对的)",
    rf"\b(?:it|this|that)(?:'s|’s|\s+is|\s+must\s+be|\s+would\s+be|\s+should\s+be|\s+has\s+to\s+be)\s+{_BEFORE}{_LETTER}",
]
_OPTION_WORDS = [rf"\b(?:option|choice|letter)\b{_IS}[*_\"'`(\[{{“‘]*{_LETTER}", rf"(?:选项|選択肢)\s*:?\s*{_LETTER}"]
_FINAL = re.compile(
    rf"\bfinal\s+(?:answer|choice|option){_IS}{_BEFORE}{_LETTER}|(?:最终答案|最終回答|最終的な答え)(?:是|为|は)?\s*:?\s*{_BEFORE}{_LETTER}",
    re.IGNORECASE,
)
_NAMED = [[re.compile(p, re.IGNORECASE) for p in patterns] for patterns in (_ANSWER_WORDS, _OPTION_WORDS)]
_REFUTED = re.compile(
    r"\s*\)?\s*(?:is|are|was|seems)\s+(?:not|wrong|incorrect|false|impossible|ruled)\b|\s*\)?\s*(?:isn't|isn’t|doesn't|cannot|can't)\b|是错|不对|ではない|ではありません",
    re.IGNORECASE,
)
_LEADING = re.compile(
    r"^[\s*_\"'`(\[{“‘「【#]*([A-Z])(?![\w'’])[*_\"'`\s]*(?:[)\].:,;*>」】。、\-–—]|\n|(?=\s+(?:because|since|as|due)\b))[*_\s]*(?P<rest>.*)$",
    re.DOTALL,
)
# What may follow a letter: " or (B)", ", C", " and D", "/E".
_NEXT = re.compile(
    r"[\s)\]*.:]*(?:or\b|and\b|和|或|と|か|,|、|/|\||\s(?=[\[(]))\s*(?:option\s+)?[*_\"'`(\[{]*([A-Za-z])(?=[\s*_\"'`.]*$|[)\]*:,/]|\s+(?:or|and)\b)",
    re.IGNORECASE,
)
_MARKED = re.compile(r"[(\[{*【「]\s*([A-Z])\s*[)\]}*】」]")
_REACH = 80  # characters before an option's text in which a `not` is looked for
_CLOSED = re.compile(r"\s*(?:$|[*_\"'`)\]}.,:;!?\n])")
_NOT = re.compile(r"(?:\b(?:not|no|isn't|isn’t|never|neither|nor|without)\s+(?:\w+\s+)?|不是|并非|不)$", re.IGNORECASE)


def read_answer(answer: str, options: dict[str, str]) -> ReadAnswer:
    """The option letter that `answer` means. `options`: {letter: text}; only its letters count. Without options the
    question is open: its answer is the text itself, reasoning left away."""
    if not options:
        text = _without_reasoning(_SPECIAL.sub("", answer)).strip()
        return ReadAnswer(text or None, "text" if text else "none")
    text = _plain(_without_reasoning(_SPECIAL.sub("", unicodedata.normalize("NFKC", answer))))
    choices = {letter.upper(): _plain(words) for letter, words in options.items()}
    for rule, contents in (("tag", _tagged(text)), ("boxed", _boxed(text)), ("json", _json_values(text))):
        if contents:
            letters = {_in_words(content, choices).letter for content in contents}
            return _decision(letters, rule) if letters != {None} else ReadAnswer(None, "ambiguous")
    return _in_words(text, choices)


def right_letter(answer: str, options: dict[str, str]) -> str | None:
    """The option that a reference means: what is trained may be "A: Red". None: none, or several."""
    return answer if answer in options else read_answer(answer, options).letter


def _plain(text: str) -> str:
    """Full-width forms made plain, and one blank or line break for a run of white space."""
    text = re.sub(r"[^\S\n]+", " ", unicodedata.normalize("NFKC", text))
    return re.sub(r" ?\n[ \n]*", "\n", text).strip()


def _without_reasoning(text: str) -> str:
    """What comes after the last closed reasoning; the opening tag may have been in the prompt."""
    text = re.split(rf"</{_THINK}>", text, flags=re.IGNORECASE)[-1]
    return re.split(rf"<{_THINK}>", text, flags=re.IGNORECASE)[0]


def _tagged(text: str) -> list[str]:
    return [match[2] for match in _TAG.finditer(text)]


def _boxed(text: str) -> list[str]:
    return [_TEX.sub(r"\1", match[1]) for match in _BOXED.finditer(text)]


def _json_values(text: str) -> list[str]:
    """The answers of a JSON object, which may stand in a code block or among words."""
    start, end = text.find("{"), text.rfind("}")
    if not 0 <= start < end:
        return []
    try:
        value = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return []
    if not isinstance(value, dict):
        return []
    return [str(item) for key, item in value.items() if key.lower() in _JSON_KEYS and isinstance(item, str | int)]


def _in_words(text: str, choices: dict[str, str]) -> ReadAnswer:
    """The rules that read words."""
    if not text.strip():
        return ReadAnswer(None, "none")
    if alone := _ALONE.match(text) or _ALONE_CJK.match(text):
        letter = alone[1].upper()
        return ReadAnswer(letter, "alone") if letter in choices else ReadAnswer(None, "none")
    exact = {
        letter for letter, words in choices.items() if words and words.casefold() == text.strip(" \n.。").casefold()
    }
    if exact:
        return _decision(exact, "option text")
    if letters := _named(text, choices):
        return _decision(letters, "named")
    if letters := _leading(text, choices):
        return _decision(letters, "leading")
    lines = [line for line in text.split("\n") if line.strip()]
    if len(lines) > 1:
        last = _ALONE.match(lines[-1])
        letters = {last[1].upper()} & choices.keys() if last else _leading(lines[-1], choices)
        if letters:
            return _decision(letters, "last line")
    if letters := {match[1] for match in _MARKED.finditer(text)} & choices.keys():
        return _decision(letters, "marked")
    if letters := _option_texts(text, choices):
        return _decision(letters, "option text")
    several = set(re.findall(r"(?<![\w'])[A-Z](?![\w'])", text)) & choices.keys()
    return ReadAnswer(None, "ambiguous" if len(several) > 1 else "none")


def _decision(letters: Collection[str | None], rule: str) -> ReadAnswer:
    return ReadAnswer(next(iter(letters)), rule) if len(letters) == 1 else ReadAnswer(None, "ambiguous")


def _named(text: str, choices: dict[str, str]) -> set[str]:
    """Letters that a phrase names: a final answer before all else, then `answer`, then `option`."""
    if finals := list(_FINAL.finditer(text)):
        return {(finals[-1][1] or finals[-1][2]).upper()} & choices.keys()
    for patterns in _NAMED:
        letters = set()
        for pattern in patterns:
            for match in pattern.finditer(text):
                if not _REFUTED.match(text, match.end(1)) and _is_letter(text, match):
                    letters |= {match[1].upper(), *_next_letter(text, match.end(1))}
        if letters & choices.keys():
            return letters & choices.keys()
    return set()


def _is_letter(text: str, match: re.Match[str]) -> bool:
    """A small letter in a phrase is a word ("the answer is a car") unless something closes it."""
    return match[1].isupper() or bool(_CLOSED.match(text, match.end(1)))


def _leading(text: str, choices: dict[str, str]) -> set[str]:
    """The letter that an answer begins with, and every other that it lists or contradicts itself with."""
    match = _LEADING.match(text)
    if not match or match[1] not in choices:
        return set()
    letter, rest = match[1], match["rest"].strip().casefold()
    letters = {letter, *_next_letter(text, match.end(1))} & choices.keys()
    says_its_text = rest.startswith(choices[letter].casefold()) and choices[letter] != ""
    for other, words in choices.items():
        begins = bool(words) and re.match(rf"{re.escape(words.casefold())}(?!\w)", rest)
        if other != letter and begins and not says_its_text:
            letters.add(other)
    first_line = match["rest"].split("\n")[0]
    letters |= {m[1].upper() for m in _LIST.finditer(first_line)} & choices.keys()
    return letters


_LIST = re.compile(r"\b(?:or|and)\s+[*_\"'`(\[]*([A-Z])(?=[)\].:])")


def _next_letter(text: str, end: int) -> set[str]:
    """The letter that follows the one that ends at `end`, as in "A or B"."""
    match = _NEXT.match(text, end)
    return {match[1].upper()} if match else set()


def _option_texts(text: str, choices: dict[str, str]) -> set[str]:
    """Letters whose option's text is there and not denied. An option that is part of a longer one ("side" in "one side")
    is not."""
    low = text.casefold()
    folded = {letter: words.casefold() for letter, words in choices.items() if words}
    starts = {letter: set(_occurrences(low, words)) for letter, words in folded.items()}

    def is_part(letter: str, start: int) -> bool:
        """Whether the words of `letter` that begin there are part of a longer option's."""
        for other, words in folded.items():
            for at in range(len(words) - len(folded[letter]) + 1) if len(words) > len(folded[letter]) else ():
                if start - at in starts[other]:
                    return True
        return False

    return {
        letter
        for letter in folded
        if any(
            not _NOT.search(low, max(0, start - _REACH), start) and not is_part(letter, start)
            for start in starts[letter]
        )
    }


def _occurrences(text: str, words: str) -> Iterator[int]:
    left = r"(?<!\w)" if words[0].isascii() else ""
    right = r"(?!\w)" if words[-1].isascii() else ""
    return (match.start() for match in re.finditer(f"{left}{re.escape(words)}{right}", text))
