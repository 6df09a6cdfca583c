"""Where a response states something, and where it only mentions it: "If it was A, ..", "It might be B", "Is it C?", "not D".

One judge for letters and for options' words, whatever rule finds them. Not stated is what stands

    in a condition     from `if`, `unless`, `suppose`, .. to the end of the sentence, or to a conclusion (`.., so it is B`)
    in a doubt         after `might be`, `not sure`, `whether`, `perhaps`, `let's consider`, .. to the end of the clause
    in a question      a sentence that ends with a question mark
    after a denial     `not`, `no`, `n't`, `never`, .. with at most four words between
    before a denial    `B is wrong`, `B is unlikely`, `B, if it rains`

Doubts are those that name no answer: `probably`, `I think`, `my guess is` state one.

Spans are found once for a text; a place is looked up in them. Time grows with the length of the text: see
roadtrain.data.answers.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping

REACH = 80  # characters before or behind a place in which a denial is looked for

# A sentence's end. The full stop of a label (`B. Rainy`) is one only before a word that begins a sentence.
_END = re.compile(
    r"(?<![\s(\[\"'*][A-Z])\.(?!\d)|\.(?=\s+(?:the|it|it's|so|this|that|my|i|we|therefore|thus|hence|however|but|final|answer)\b)"
    r"|[!?;\n。]",
    re.IGNORECASE,
)
_CONCLUSION = re.compile(
    r"\b(?:so|but|therefore|thus|hence|however)\b|所以|因此|但是?|而是|よって|したがって|しかし", re.I
)
_NEW_CLAUSE = re.compile(r",\s*(?=(?:the|my|i|i'd|it|it's|this|that|we)\b)", re.IGNORECASE)
_CONDITION = re.compile(
    r"(?<!as )(?<!even )\b(?:if(?!\s+(?:i|we|you|one)\s+(?:had|have|must|were\s+forced|ask|asked|looks?)\b"
    r"|\s+(?:forced|pressed|anything)\b|\s+i(?:'m|’m|\s+am)\s+not\s+(?:mistaken|wrong)\b)"
    r"|unless|(?<!i )suppose|supposing|(?<!we )(?<!can )(?<!i )assume|assuming|imagine|provided\s+that|in\s+case|let's\s+say|let\s+us\s+say)\b"
    r"|(?<![^.!?\n])\s*(?:were|had)\s+(?:it|the|this)\b|如果|假如|假设|要是|もし",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:(?:might|could|may)\s+(?:\w+\s+)?(?:be|have|indicate|suggest|mean)|whether|maybe|perhaps|possibly|conceivably"
    r"|unsure|uncertain|undecided|unclear|undetermined|either"
    r"|(?:not|n't|n’t|isn't|isn’t|aren't|hardly)\s+(?:\w+\s+)?(?:sure|certain|clear|obvious|evident|possible\s+to)"
    r"|(?:cannot|can't|can’t|couldn't|unable\s+to|impossible\s+to|hard\s+to|difficult\s+to)\s+(?:be\s+)?"
    r"(?:tell|determine|determined|say|see|judge|know|decide|identify|confirm)"
    r"|(?:let's|let’s|let\s+us|let\s+me)\s+(?:\w+\s+)?(?:consider|check|look|examine|compare|analy[sz]e|evaluate|see|start|think)"
    r"|consider|options\s+are|choices\s+are|könnten?|vielleicht|möglicherweise|unklar|podría|quizás?|pourrait|peut-être)\b"
    r"|可能|也许|或许|不确定|无法|难以|かもしれ|不明",
    re.IGNORECASE,
)
# What denies what follows it, with at most four words between: "I don't think it is (A)".
_DENIED = re.compile(
    r"(?:\b(?:not|no(?!\s+doubt\b)|nothing|never|cannot|unlike|neither|nor|without(?!\s+(?:a\s+|any\s+)?doubt\b)|hardly|barely"
    r"|wrong|incorrect|stop|stops|stopped|(?<!at )least|worst|far\s+from|(?<!no )(?<!a )(?<!any )doubts?|exclud(?:e|es|ed|ing)"
    r"|rul(?:e|es|ed|ing)\s+out|nicht|kein(?:e[nmrs]?)?|ohne|aucune?|ningun[oa]?|ningún)"
    r"|n['’]t)"
    r"(?:\s++(?!(?:so|and|but|hence|thus|therefore|because|since|as|then)\b)[\w'’]++){0,4}[\s*_\"'`(\[{]*$"
    r"|(?:不是|并非|而非|不选|不像|不要|不会|不能|没有|没|非|无|不)\s*[(\[{\"'“‘「]*$",
    re.IGNORECASE,
)
# What takes back the option that it follows: "B is unlikely", "B, if it rains", "(B), perhaps". Not over a line's end.
_TAKEN_BACK = re.compile(
    r"[ *_\"'`)\]]*(?:(?:is|are|was|were|seems|seem|looks|can|must) (?:\w+ ){0,2}?(?:not|wrong|incorrect|false|impossible"
    r"|ruled|unlikely|excluded|eliminated|out|possible|plausible)\b"
    r"|(?:isn't|isn’t|aren't|doesn't|doesn’t|cannot|can't|can’t|could|might|may|would (?:require|mean|need|imply))\b"
    r"|(?:does|do|did) not\b|(?:\w+ )?can be (?:excluded|ruled|eliminated)\b"
    r"|是错|不对|不正确|是不|では?な|じゃな|(?:では|は|が)(?:あり|見られ|見え)?(?:ません|ない)|かもしれ)"
    r"|[ *_\"'`)\],;:(]*(?:only )?(?:if(?! i (?:had|have|must))|unless|maybe|perhaps|possibly|assuming)\b",
    re.IGNORECASE,
)


class Statements:
    """What a text states. Places are characters of it."""

    def __init__(self, text: str, choices: Mapping[str, str] | None = None) -> None:
        """`choices`: {letter: text} of the options. One that says a doubt itself ("Cannot be determined") is none where it stands."""
        self.text = text
        options = [
            (match.start(), match.end())
            for words in (choices or {}).values()
            if _DOUBT.search(words) or _CONDITION.search(words)
            for match in re.finditer(re.escape(words), text, re.IGNORECASE)
        ]

        def unsure(pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
            return (m for m in pattern.finditer(text) if not any(a <= m.start() < b for a, b in options))

        ends = [(match.start(), match[0]) for match in _END.finditer(text)] + [(len(text), "")]
        stops = sorted([place for place, _ in ends] + [m.start() for m in _CONCLUSION.finditer(text)])
        clauses = sorted(stops + [m.start() for m in _NEW_CLAUSE.finditer(text)])
        spans = [(m.start(), _next(stops, m.end())) for m in unsure(_CONDITION)]
        spans += [(m.start(), _next(clauses, m.end())) for m in unsure(_DOUBT)]
        start = 0
        for place, mark in ends:
            if mark == "?":
                spans.append((start, place))
            start = place
        self._starts: list[int] = []
        self._ends: list[int] = []
        for begin, end in sorted(spans):
            if self._ends and begin <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(begin)
                self._ends.append(end)

    def states(self, start: int, end: int) -> bool:
        """Whether what stands from `start` to `end` is stated there."""
        span = bisect_right(self._starts, start) - 1
        if span >= 0 and start < self._ends[span]:
            return False
        return not self.denies(start) and not self.takes_back(end)

    def denies(self, start: int) -> bool:
        """Whether the words before `start` deny what begins there."""
        return bool(_DENIED.search(self.text[max(0, start - REACH) : start]))

    def takes_back(self, end: int) -> bool:
        """Whether the words behind an option that ends at `end` take it back."""
        return bool(_TAKEN_BACK.match(self.text, end, end + REACH))


class Mentions(Statements):
    """The same where nothing is asked about force: every place counts. What is read so, and not by Statements, is only
    mentioned."""

    def __init__(self, text: str) -> None:  # what is doubted counts, too
        self.text = text

    def states(self, start: int, end: int) -> bool:
        return True

    def denies(self, start: int) -> bool:
        return False

    def takes_back(self, end: int) -> bool:
        return False


def _next(places: list[int], at: int) -> int:
    """The first place at or behind `at`; the last of `places` is the text's end."""
    return places[min(bisect_right(places, at - 1), len(places) - 1)]
