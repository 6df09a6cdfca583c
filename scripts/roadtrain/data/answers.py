"""Which option an answer means: one reader, for what an annotation calls right and for what a model said.

Rules are tried in this order; the first that finds a letter, or several, decides:

    tag          <answer>B</answer>                       alone        B   (b)   **B**   B。
    boxed        \\boxed{B}                                named        the answer is B   答案是B   正解はB   I choose B
    json         {"answer": "B"}                          leading      B: Rainy   B. It rains   B\\nIt rains
                                                          last line    .. drops are visible.\\nB
                                                          marked       .. so (B) fits   A: no. B: yes.   [x] B
                                                          option text  It is rainy

No rule treats one letter unlike another: what is read of B is read of A and I, which are words of English, too. So a
letter in running text counts only where its place makes it one. A response is read when it *states* one answer:

    ambiguous    it names several, or lists them
    not stated   it names one in a condition, a doubt, a question or a denial (roadtrain.data.answer_statements)
    none         it names none

A model that goes wrong repeats itself, so time grows with the length and no faster: runs of white space count as one,
repeated groups in patterns don't give back (`*+`), and nothing is copied or searched anew for each match.
"""

import json
import re
import unicodedata
from collections.abc import Collection
from typing import NamedTuple

from roadtrain.data.answer_phrases import MENTION, contradictions, named_letters, named_words, next_letter
from roadtrain.data.answer_statements import REACH, Mentions, Statements
from roadtrain.data.answer_verdicts import affirmed_letters
from roadtrain.data.answer_words import LABEL, REFUSED, folded_text, occurrences, option_words

RULES = ("tag", "boxed", "json", "alone", "named", "leading", "last line", "marked", "option text")
UNREAD = ("ambiguous", "not stated", "none")


class ReadAnswer(NamedTuple):
    """What an answer means, and how that was seen."""

    letter: str | None  # a capital; of an open question the text itself; None: unread
    rule: str  # one of RULES, `text` for an open question, or why it is unread: one of UNREAD


_SPECIAL = re.compile(r"<\|[^|<>]*\|>|</?s>|<eos>|<end_of_turn>|\[/?INST\]")
_THINK = r"(?:think|thinking|reason|reasoning)"
_TAG = re.compile(
    r"<(answer|final_answer|final|choice|option|conclusion)>\s*(.*?)\s*(?:</\1>|$)", re.IGNORECASE | re.DOTALL
)
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
_LEADING = re.compile(
    r"^[\s*_\"'`(\[{“‘「【#]*([A-Z])(?![\w'’])[*_\"'`\s]*(?:[)\].:,;*>」】。、\-–—]|\n|(?=\s+(?:because|since|as|due)\b))[*_\s]*(?P<rest>.*)$",
    re.DOTALL,
)
_MARKED = re.compile(r"[(\[{*【「]\s*([A-Z])\s*[)\]}*】」]")
_LISTED = re.compile(r"^[\s*_\"'`(\[#•+-]*([A-Z])(?:[*_\"'`\s]*$|[*_\"'`]*[)\].:])")  # of a line
_LAST_WORD = re.compile(r"(?<![\w'’])([A-Z])[\s*_\"'`)\].!]*$")
_LAST_SENTENCE = re.compile(rf"[.!。]\s*{_OPEN}([A-Z])[*_\"'`)\].!。]*$")
# Whoever speaks, as chat templates that were not followed write it; what a model of several channels thinks aloud.
_SPEAKER = re.compile(r"^[\s#*]*(?:assistant|ai|bot|model|response|output|gpt)[*\s]*:[*\s]*(?=\S)", re.IGNORECASE)


def read_answer(answer: str, options: dict[str, str]) -> ReadAnswer:
    """The option letter that `answer` means. `options`: {letter: text}; only its letters count. Without options the
    question is open: its answer is the words of the text, reasoning left away."""
    if not options:
        text = " ".join(said_text(answer).split())
        return ReadAnswer(text or None, "text" if text else "none")
    text = _without_reasoning(unicodedata.normalize("NFKC", answer).rpartition("<|message|>")[2])
    text = _SPEAKER.sub("", _plain(_SPECIAL.sub("", text)))
    choices = {letter.upper(): _without_stop(_plain(words)) for letter, words in options.items()}
    for rule, contents in (("tag", _tagged(text)), ("boxed", _boxed(text)), ("json", _json_values(text))):
        if contents:
            readings = [_read_words(content, choices) for content in contents]
            letters = {reading.letter for reading in readings}
            if letters == {None} and all(reading.rule == "not stated" for reading in readings):
                return readings[0]
            return _decision(letters, rule) if letters != {None} else ReadAnswer(None, "ambiguous")
    return _read_words(text, choices)


def right_letter(answer: str, options: dict[str, str]) -> str | None:
    """The option that a reference means: what is trained may be "A: Red". None: none, or several. Of an open question the
    reference's words, read as a response's are."""
    return answer if answer in options else read_answer(answer, options).letter


def said_text(answer: str) -> str:
    """What is said, without reasoning and control tokens. Accents are composed, as every tokenizer here does with what it is
    given: a reference with accents of their own (macOS) could be said by no model."""
    return unicodedata.normalize("NFC", _without_reasoning(_SPECIAL.sub("", answer))).strip()


def _plain(text: str) -> str:
    """Full-width forms made plain, and one blank or line break for a run of white space."""
    text = re.sub(r"[^\S\n]+", " ", unicodedata.normalize("NFKC", text))
    return re.sub(r" ?\n[ \n]*", "\n", text).strip()


def _without_stop(words: str) -> str:
    """An option's words as they are found in a sentence, too."""
    return words.rstrip(" .。") or words


def _without_reasoning(text: str) -> str:
    """What comes after the last closed reasoning; the opening tag may have been in the prompt."""
    text = re.split(rf"</{_THINK}>|◁/think▷", text, flags=re.IGNORECASE)[-1]
    return re.split(rf"<{_THINK}>|◁think▷", text, flags=re.IGNORECASE)[0]


class _Pairs(list[tuple[str, object]]):
    """A JSON object with every key that it has."""


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
        value = json.loads(
            text[start : end + 1], object_pairs_hook=_Pairs
        )  # a key that is there twice says two answers
    except (ValueError, RecursionError):
        return []
    if not isinstance(value, _Pairs):
        return []
    if value and all(len(key) == 1 and isinstance(item, bool) for key, item in value):  # {"A": false, "B": true}
        return [key for key, item in value if item]
    return [str(item) for key, item in value if key.lower() in _JSON_KEYS and isinstance(item, str | int)]


def _read_words(text: str, choices: dict[str, str]) -> ReadAnswer:
    """What words state. Where that is nothing, whether an option is mentioned all the same."""
    reading = _in_words(text, choices, Statements(text, choices))
    if reading.rule != "none":
        return reading
    is_mentioned = any(match[1] in choices for match in MENTION.finditer(text))
    if is_mentioned or _in_words(text, choices, Mentions(text)).rule != "none":
        return ReadAnswer(None, "not stated")
    return reading


def _in_words(text: str, choices: dict[str, str], statements: Statements) -> ReadAnswer:
    """The rules that read words."""
    if not text.strip():
        return ReadAnswer(None, "none")
    alone = _ALONE.match(text) or _ALONE_CJK.match(text)
    if alone and alone[1].upper() in choices:
        return ReadAnswer(alone[1].upper(), "alone")
    exact = {
        letter
        for letter, words in choices.items()
        if words and words.casefold() in (text.casefold(), text.strip(" \n.。").casefold())
    }
    if exact:
        return _decision(exact, "option text")
    if (affirmed := affirmed_letters(text, choices)) is not None:
        return _decision(affirmed, "marked")
    if letters := named_letters(text, choices, statements) or named_words(text, choices, statements):
        return _decision(letters, "named")
    lines = [line for line in text.split("\n") if line.strip()]
    last = _ALONE.match(lines[-1])
    is_list = _is_list(lines[:-1] if last else lines, choices)  # the options once more, or what speaks for each
    if not is_list and (letters := _leading(text, choices, statements)):
        return _decision(letters, "leading")
    if len(lines) > 1:
        letters = (
            {last[1].upper()} & choices.keys()
            if last
            else set()
            if is_list
            else _leading(lines[-1], choices, Statements(lines[-1], choices))
        )
        if letters:
            return _decision(letters, "last line")
    if is_list:
        return ReadAnswer(None, "ambiguous")
    if (end := _LAST_SENTENCE.search(text[-REACH:])) and end[1] in choices:
        return ReadAnswer(end[1], "last line")
    marked = [match for match in _MARKED.finditer(text) if statements.states(match.start(), match.end())]
    if letters := {match[1] for match in marked} & choices.keys():
        for match in marked:
            letters |= contradictions(text, match.end(), match[1], choices) if match[1] in choices else set()
            letters |= _in_front(text, match.start(), choices)
        return _decision(letters, "marked")
    if letters := option_words(text, choices, statements):
        return _decision(letters, "option text")
    several = set(re.findall(r"(?<![\w'])[A-Z](?![\w'])", text)) & choices.keys()
    return ReadAnswer(None, "ambiguous" if len(several) > 1 else "none")


def _decision(letters: Collection[str | None], rule: str) -> ReadAnswer:
    return ReadAnswer(next(iter(letters)), rule) if len(letters) == 1 else ReadAnswer(None, "ambiguous")


def _is_list(lines: list[str], choices: dict[str, str]) -> bool:
    """Whether lines begin with the marks of several options: a list names no one of them."""
    letters = {match[1] for line in lines if (match := _LISTED.match(line))} & choices.keys()
    return len(letters) > 1 and len(lines) > 1 and any(len(line.strip(" *_`")) > 2 for line in lines)


def _leading(text: str, choices: dict[str, str], statements: Statements) -> set[str]:
    """The letter that an answer begins with, and every other that it lists or contradicts itself with."""
    match = _LEADING.match(text)
    if not match or match[1] not in choices:
        return set()
    letter = match[1]
    if statements.takes_back(match.end(1)) or _is_refused(match["rest"], choices[letter]):
        return set()
    letters = {letter, *next_letter(text, match.end(1))} & choices.keys()
    letters |= contradictions(text, match.end(1), letter, choices)
    letters |= {
        other
        for other in choices
        if other != letter and _has_pair(text, match.end(1), other, choices[other], statements)
    }
    end = match["rest"][-REACH:]
    if (final := _LAST_WORD.search(end)) and not statements.denies(len(text) - len(end) + final.start()):
        letters |= {final[1]} & choices.keys()
    first_line = match["rest"].split("\n")[0]
    letters |= {m[1].upper() for m in _LIST.finditer(first_line)} & choices.keys()
    return letters


def _is_refused(rest: str, words: str) -> bool:
    """Whether what follows a letter, or the letter and its option's words, refuses it: "A: incorrect", "A. Sunny - ruled out"."""
    low = folded_text(rest)
    if words and low.startswith(folded_text(words)):  # an option may be called Incorrect
        low = low[len(words) :]
    return bool(REFUSED.match(low))


def _in_front(text: str, start: int, choices: dict[str, str]) -> set[str]:
    """The option whose text ends there, so that it is said with what follows: "Rainy (B)"."""
    longest = max(map(len, choices.values()))
    before = folded_text(text[max(0, start - longest - 4) : start]).rstrip(" *_,:–—-")
    return {letter for letter, words in choices.items() if words and before.endswith(folded_text(words))}


def _has_pair(text: str, start: int, letter: str, words: str, statements: Statements) -> bool:
    """Whether an option is there with its letter, and not denied: "B: Rainy"."""
    return bool(words) and any(
        match[1] == letter and not statements.denies(max(start, at - 8) + match.start() - match.pos)
        for at in occurrences(folded_text(text), folded_text(words))
        if at > start and (match := LABEL.search(text, max(start, at - 8), at))
    )


_LIST = re.compile(r"\b(?:or|and)\s+[*_\"'`(\[]*([A-Z])(?=[)\].:])")
