"""Phrases that name an option by its letter or its words ("the answer is B", "答案是B", "the right answer is Left"), and what
contradicts a letter ("B: Clear" where B is Rainy). Whether a phrase is stated, or conditional, doubted or denied, is
roadtrain.data.answer_statements'. Time grows with the length of the text: see roadtrain.data.answers."""

import re

from roadtrain.data.answer_statements import REACH, Statements

# What follows a letter that is one: the end, punctuation, or a word that no noun phrase begins with.
_CJK = r"(?-i:[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3])"  # they have no small letters, and re looks at each for one: 0.5 s at every start
_AFTER = (
    rf"(?!(?!{_CJK})\w|['’])(?=\s*(?:$|[*_\"'`)\]}}.,:;!?/|“”‘’」』】。、\-–—\n])"
    rf"|\s+(?:because|since|as|due|for|is|are|was|which|then|given|based|or|and|not|but|if|unless)\b|{_CJK})"
)
_BEFORE = r"(?:the\s+)?(?:option|choice|letter|选项|選択肢)?\s*[*_\"'`(\[{“‘「『【]*"
MENTION = re.compile(rf"(?<![A-Za-z0-9_'’])([A-Z]){_AFTER}")  # a letter that is one, whatever is said of it
_LETTER = rf"([A-Za-z]){_AFTER}"
_SURELY = r"(?:most\s+likely|definitely|clearly|certainly|probably|likely|therefore|thus|indeed|actually|simply|just)"
_IS = (
    r"(?:\s*+(?:[*_]++\s*+)?(?:is|are|was|be|would\s+be|should\s+be|must\s+be|will\s+be|=|:|->|→)[*_]*+"
    rf"(?:\s++{_SURELY}\b)?+)*+\s*+:?\s*+"
)
_ANSWER_WORDS = [
    rf"\b(?:answer|correct(?!(?:\s+(?:answer|option|choice|letter))?[^\S\n]*\n)|solution|prediction|guess(?=\s*(?:is|:|would))|ans(?=\s*[:=]))\b(?:\s+(?:answer|option|choice|letter))?(?:\s+to\s+(?:this|the|that|your)\s+question)?{_IS}{_BEFORE}{_LETTER}",
    rf"\b(?:choose|chose|pick|select|guess|say|think|believe|vote\s+for|go\s+with|going\s+with)\b\s+(?:that\s+)?(?:it(?:'s|’s|\s+is)\s+)?{_BEFORE}{_LETTER}",
    rf"(?:答案|正解|答え|解答|回答|정답|답|答(?=:)|我认为|我觉得|应选|故选|应该选|选择|我选|选)(?:应该|应|就)?(?:是|为|為|は|은|는|選|选)?\s*:?\s*{_BEFORE}{_LETTER}",
    rf"\b(?:ich\s+(?:wähle|nehme|tippe\s+auf)|je\s+(?:choisis|prends)|elijo|escojo|scelgo|escolho|kies)\s+{_BEFORE}{_LETTER}",
    rf"(?:では?なく|じゃなく)[、,]?\s*{_BEFORE}{_LETTER}",
    r"(?<![A-Za-z0-9_'’])([A-Z])[)\]」』]*(?:を選(?:びま(?:す|した)|ぶ|んだ|択(?:します|しました|する))|に(?:します|しました|する))",
    rf"(?:^|[,;。\n]|而|应该|应|那么|就)\s*(?:而|就|应该|应)?是\s*{_BEFORE}{_LETTER}",
    rf"\b(?:so|therefore|thus|hence|leaves|leaving|remains|conclude)\b[,:]?\s+(?:us\s+with\s+|only\s+|that\s+)?{_BEFORE}{_LETTER}",
    rf"\b(?:respuesta|antwort|réponse|resposta|risposta)\b(?:\s+\w+)?\s*(?:es|ist|lautet|est|é|è|:)\s*:?\s*(?:la\s+)?{_BEFORE}{_LETTER}",
    r"(?<![\w'])([A-Z])[)\]*_\"']*\s*(?:is|seems|looks|fits|would\s+be)\s+(?:the\s+)?(?:most\s+)?(?:correct|right|best|true|appropriate|accurate|likely|suitable)\b",
    r"(?<![\w'])([A-Z])[)\]*_\"']*\s+(?:best\s+|most\s+accurately\s+)?(?:matches|describes|captures)\b",
    r"(?<![\w'])([A-Z])(?:です|だ(?!っ)|が正しい|が正解|是正确|正确|是对的|选项|입니다|이다)",
    rf"\b(?:it|this|that)(?:'s|’s|\s+is|\s+must\s+be|\s+would\s+be|\s+should\s+be|\s+has\s+to\s+be)\s+{_BEFORE}{_LETTER}",
]
_OPTION_WORDS = [
    rf"\b(?:option|choice|letter)\b{_IS}[*_\"'`(\[{{“‘]*{_LETTER}",
    rf"(?:选项|選択肢)(?:是|为|は)?\s*:?\s*{_LETTER}",
]
_FINAL = re.compile(
    rf"\bfinal\s+(?:answer|choice|option){_IS}{_BEFORE}{_LETTER}|(?:最终答案|最終回答|最終的な答え)(?:是|为|は)?\s*:?\s*{_BEFORE}{_LETTER}",
    re.IGNORECASE,
)
_NAMED = [[re.compile(p, re.IGNORECASE) for p in patterns] for patterns in (_ANSWER_WORDS, _OPTION_WORDS)]
# Where the words of an option stand as a letter would: "the right answer is Left".
_ANSWER_IS = re.compile(
    r"(?:\b(?:answer|solution|prediction|(?:correct|right|best|final)\s+(?:option|choice))\b[^.!?\n]{0,40}?(?:\bis|\bbe|:|=)\**:?"
    r"|(?:答案|正解|答え)(?:应该|应|就)?(?:是|为|は|:))\s*(?:that\s+)?(?:the\s+)?[*_\"'`(\[“‘「]*",
    re.IGNORECASE,
)
_CORRECTION = re.compile(r"\b(?:actually|wait|correction|rather|instead|sorry)\b", re.IGNORECASE)
# What may follow a letter: " or (B)", ", C", " and D", "/E".
_NEXT = re.compile(
    r"[\s)\]*.:]*(?:or\b|and\b|和|或|と|か|,|、|/|\||\s(?=[\[(]))\s*(?:option\s+)?[*_\"'`(\[{]*([A-Za-z])(?=[\s*_\"'`.]*$|[)\]*:,/]|\s+(?:or|and)\b)",
    re.IGNORECASE,
)
# What may follow an option's words, so that another's belong to them: " or ", ", ", ": ".
_NEXT_WORDS = re.compile(r"[*_\"'`)\]]*\s*(?:or|and|[,/|:–—-]|和|或|と|か|、)\s*(?:the\s+)?[*_\"'`(\[]*", re.IGNORECASE)
# What stands behind a line's end may be a list of the options.
_LIST_BEGINS = re.compile(r"([A-Z])[*_]*[.):][^\n]*\n[\s*_(\[]*([A-Z])[*_]*[.):]")
WORDS_OF_SPEECH = {"yes", "no"}  # options that stand in sentences, too: "Yes, there is no obstacle."
CLOSED = re.compile(r"\s*(?:$|[*_\"'`)\]}.,:;!?\n])")


def named_letters(text: str, choices: dict[str, str], statements: Statements) -> set[str]:
    """Letters that a phrase names: a final answer before all else, then `answer`, then `option`."""
    finals = [match for match in _FINAL.finditer(text) if statements.states(match.start(), match.end())]
    if finals:
        return {(finals[-1][1] or finals[-1][2]).upper()} & choices.keys()
    for patterns in _NAMED:
        letters = set()
        for pattern in patterns:
            for match in pattern.finditer(text):
                # Of a letter that begins its phrase (`B is correct`) the words behind it are the phrase.
                end = match.end(1) if match.start(1) > match.start() else match.end()
                if (
                    not _is_letter(text, match)
                    or _begins_list(text, match)
                    or not statements.states(match.start(), end)
                ):
                    continue
                letters |= {match[1].upper(), *next_letter(text, match.end(1))}
                if match[1].upper() in choices:
                    letters |= contradictions(text, match.end(1), match[1].upper(), choices)
        if letters & choices.keys():
            return letters & choices.keys()
    return set()


def named_words(text: str, choices: dict[str, str], statements: Statements) -> set[str]:
    """Letters of options whose words a phrase names: "the right answer is Left" names no option called Right."""
    letters: set[str] = set()
    for match in _ANSWER_IS.finditer(text):
        others = contradictions(text, match.end(), "", choices)
        longest = max((len(choices[letter]) for letter in others), default=0)
        if others and statements.states(match.end(), match.end() + longest):
            letters |= others | _next_words(text, match.end() + longest, choices)
    return set() if letters and _CORRECTION.search(text) else letters


def _begins_list(text: str, match: re.Match[str]) -> bool:
    """Whether a letter behind a line's end is the first of the options once more: "The correct answer\nA. Left\nB. Right"."""
    return "\n" in text[match.start() : match.start(1)] and bool(
        _LIST_BEGINS.match(text, match.start(1), match.start(1) + 4 * REACH)
    )


def _next_words(text: str, end: int, choices: dict[str, str]) -> set[str]:
    """Options whose words follow those that end at `end`: "Sunny or rainy", "clear: cloudy"."""
    if not (match := _NEXT_WORDS.match(text, end)):
        return set()
    others = contradictions(text, match.end(), "", choices)
    return {
        letter
        for letter in others
        if choices[letter].casefold() not in WORDS_OF_SPEECH or CLOSED.match(text, match.end() + len(choices[letter]))
    }


def _is_letter(text: str, match: re.Match[str]) -> bool:
    """A small letter in a phrase is a word ("the answer is a car") unless something closes it."""
    return match[1].isupper() or bool(CLOSED.match(text, match.end(1)))


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
