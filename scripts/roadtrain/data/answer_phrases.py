"""Phrases that name an option's letter ("the answer is B", "答案是B"), what denies one ("I don't think it is B") and what
contradicts it ("B: Clear" where B is Rainy). Time grows with the length of the text: see roadtrain.data.answers."""

import re

# What follows a letter that is one: the end, punctuation, or a word that no noun phrase begins with.
_AFTER = (
    r"(?![^\W\u3040-\u30ff\u4e00-\u9fff]|['’])(?=\s*(?:$|[*_\"'`)\]}.,:;!?/|“”‘’」』】。、\-–—\n])"
    r"|\s+(?:because|since|as|due|for|is|are|was|which|then|given|based|or|and|not|but)\b|[\u3040-\u30ff\u4e00-\u9fff])"
)
_BEFORE = r"(?:the\s+)?(?:option|choice|letter|选项|選択肢)?\s*[*_\"'`(\[{“‘「『【]*"
_LETTER = rf"([A-Za-z]){_AFTER}"
_SURELY = r"(?:most\s+likely|definitely|clearly|certainly|probably|likely|therefore|thus|indeed|actually|simply|just)"
_IS = (
    r"(?:\s*+(?:[*_]++\s*+)?(?:is|are|was|be|would\s+be|should\s+be|must\s+be|will\s+be|=|:|->|→)[*_]*+"
    rf"(?:\s++{_SURELY}\b)?+)*+\s*+:?\s*+"
)
_ANSWER_WORDS = [
    rf"\b(?:answer|correct|solution|prediction)\b(?:\s+(?:answer|option|choice|letter))?(?:\s+to\s+(?:this|the|that|your)\s+question)?{_IS}{_BEFORE}{_LETTER}",
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
# What denies the phrase that follows it, with at most three words between: "I don't think it is (A)", "if the answer was".
_DENIED = re.compile(
    r"(?:\b(?:not|never|cannot|unlike|neither|nor|wrong|incorrect|(?<!at )least|if)|n['’]t)"
    r"(?:\s++(?!(?:so|and|but|hence|thus|therefore|because|since|as|then)\b)[\w'’]++){0,3}[\s*_\"'`(\[{]*$"
    r"|(?:不是|并非|不)\s*$",
    re.IGNORECASE,
)
# What may follow a letter: " or (B)", ", C", " and D", "/E".
_NEXT = re.compile(
    r"[\s)\]*.:]*(?:or\b|and\b|和|或|と|か|,|、|/|\||\s(?=[\[(]))\s*(?:option\s+)?[*_\"'`(\[{]*([A-Za-z])(?=[\s*_\"'`.]*$|[)\]*:,/]|\s+(?:or|and)\b)",
    re.IGNORECASE,
)
REACH = 80  # characters before an option's text or a phrase in which a `not` is looked for
CLOSED = re.compile(r"\s*(?:$|[*_\"'`)\]}.,:;!?\n])")


def named_letters(text: str, choices: dict[str, str]) -> set[str]:
    """Letters that a phrase names: a final answer before all else, then `answer`, then `option`."""
    if finals := list(_FINAL.finditer(text)):
        return {(finals[-1][1] or finals[-1][2]).upper()} & choices.keys()
    for patterns in _NAMED:
        letters = set()
        for pattern in patterns:
            for match in pattern.finditer(text):
                if _REFUTED.match(text, match.end(1)) or not _is_letter(text, match) or is_denied(text, match.start()):
                    continue
                letters |= {match[1].upper(), *next_letter(text, match.end(1))}
                if match[1].upper() in choices:
                    letters |= contradictions(text, match.end(1), match[1].upper(), choices)
        if letters & choices.keys():
            return letters & choices.keys()
    return set()


def _is_letter(text: str, match: re.Match[str]) -> bool:
    """A small letter in a phrase is a word ("the answer is a car") unless something closes it."""
    return match[1].isupper() or bool(CLOSED.match(text, match.end(1)))


def is_denied(text: str, start: int) -> bool:
    """Whether the words before `start` deny what begins there."""
    return bool(_DENIED.search(text[max(0, start - REACH) : start]))


def contradictions(text: str, end: int, letter: str, choices: dict[str, str]) -> set[str]:
    """Options whose text stands behind the letter of another, which ends at `end`: "B: Clear"."""
    rest = text[end : end + REACH + max(map(len, choices.values()))].lstrip(" *_\"'`)]}.:,;>」】。、-–—(\n").casefold()
    begin = {
        other: len(words)
        for other, words in choices.items()
        if words and re.match(rf"{re.escape(words.casefold())}(?!\w)", rest)
    }
    longest = max(begin.values(), default=0)  # "left side" is not the option "left"
    return {other for other, length in begin.items() if length == longest and other != letter}


def next_letter(text: str, end: int) -> set[str]:
    """The letter that follows the one that ends at `end`, as in "A or B"."""
    match = _NEXT.match(text, end)
    return {match[1].upper()} if match else set()
