"""The options of a question that came as prose: read once, where somebody else's LLaVA file enters.

What we write ourselves, and a table's columns, carry options as data and are never read by this. The grammar:

    A: Clear    A. Clear    A) Clear    (A) Clear    [A] Clear    **A.** Clear    **A**: Clear    - A: Clear

- One option a line (empty lines between them don't count), all marked alike; or all of them in one line, after the end of
  the question: `What colour? A. Red B. Green C. Blue`. Full-width forms (Ａ：, （A）, A．, A、) are the same marks.
- Letters run from A without a gap, at least two, each with a text of its own.
- The list is the last of the prompt. What follows it may be an instruction, not a question.

Everything else is an open question. Where letters that follow each other are marked (`A.` .. `B.`) and are no such list,
it is doubtful: nobody can be sure, so it counts as open and the audit shows it. So is a bare letter as the answer of a
question without a list.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# Full-width forms of what a mark is made of, one character for one. 、 ends a mark in Chinese and Japanese.
_PLAIN = str.maketrans({chr(0xFEE0 + code): chr(code) for code in range(0x21, 0x7F)} | {"、": ".", "\u3000": " "})
_MARKS = (  # the letter of each is its only group of one character
    r"\*\*\(?([A-Z])[.:)]?\*\*[.:)]?",
    r"\(([A-Z])\)[.:]?",
    r"\[([A-Z])\][.:]?",
    r"([A-Z])[.:)]",
)
_LINE = re.compile(rf"[ \t]*(?P<bullet>[-*+•][ \t]+)?(?:{'|'.join(_MARKS)})(?P<text>.*)$")
_INLINE = re.compile(rf"(?<!\S)(?:{'|'.join(_MARKS)})(?=\s)")
# What else people mark options with: digits, Roman numerals, a letter of any alphabet, a letter or digit in a circle.
_CIRCLED = "[\u2460-\u24ff\u2776-\u2793\u3220-\u32fe\U0001f110-\U0001f18a]"
_OTHER = rf"(?:\d{{1,2}}|[ivx]{{1,4}}|(?!{_CIRCLED})[^\W\d_]|{_CIRCLED})"
_AFTER_OTHER = r"[ \t]?(?:[.:)\]=/|>-]|(?=\t))"
_OTHER_MARK = re.compile(
    rf"(?:^|(?<=\s))(?:[(\[<]({_OTHER})[)\]>]|({_OTHER}){_AFTER_OTHER}|({_CIRCLED}))\s*\S", re.MULTILINE | re.IGNORECASE
)
_OTHER_ANSWER = re.compile(
    rf"(?:(?!{_CIRCLED})[\W_])*(?:option\s+)?({_OTHER})(?:[\W_]*$|[)\]]?{_AFTER_OTHER}\s*\S|(?<={_CIRCLED}))",
    re.IGNORECASE,
)
_SMALL_INLINE = re.compile(r"(?<!\S)\(([a-z])\)\s+\S")
_SMALL = re.compile(r"[ \t]*+(?:[-*+•][ \t]*+)?(?:\(([a-z])\)|([a-z])[.:)])[ \t]+\S")
_QUESTION_END = re.compile(r"[?:.!。]\W*$")  # of plain text: full-width marks are these
_NOT_THE_END = re.compile(r"\?|[.!:;] |\b(?:or|and)$|[或和与]$", re.IGNORECASE)
# Not by roadtrain.data.answers: another reader of answers must make no other conversations (rules/staleness.smk).
_BARE = re.compile(r"(?:<\w+>)?[\W_]*[A-Za-z][\W_]*(?:</\w+>)?")
_LETTERS = dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "")


@dataclass(frozen=True, slots=True)
class OptionList:
    """What a prompt asks. `doubt` says why it could be read otherwise, too: then it has no options."""

    question: str  # without the list and what follows it
    options: dict[str, str] = field(default_factory=dict)  # {letter: text}; empty: an open question
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class _Mark:
    letter: str
    style: str  # how it is marked: `X:`, `**X.**`, ..
    line: int
    start: int  # in its line
    text: str  # what follows it, in its line


def read_option_list(prompt: str, answer: str | None = None) -> OptionList:
    """What a prompt asks. `answer`, where it is known, decides too: a list in one line that it means no option of is
    none, and a bare letter wants a list."""
    lines = prompt.split("\n")
    reading = _last_list(lines)
    if reading is None:
        reading = _inline_list(lines, answer)
    if reading is None:
        doubt = _stray_marks(lines) or _other_marks(prompt, answer)
        if not doubt and answer is not None and _BARE.fullmatch(answer.translate(_PLAIN).strip()):
            doubt = f"the answer is a letter ({answer.strip()[:20]}), and the prompt has no list of options"
        reading = OptionList(first_line(prompt), doubt=doubt)
    return reading


def first_line(prompt: str) -> str:
    """The question itself, where a prompt is all there is."""
    return prompt.strip().split("\n", 1)[0].strip()


def _line_mark(line: str, number: int) -> _Mark | None:
    match = _LINE.match(line.translate(_PLAIN))
    if not match:
        return None
    letter = next(group for group in match.groups()[1:-1] if group)
    start = match.start("text")
    text = line[start:]
    if text and not text[0].isspace() and line[start - 1].isascii():  # `A.5 m`, `A:b`: no mark; `A、红` is one
        return None
    style = match[0][: start - match.start()].strip().replace(letter, "X", 1)
    return _Mark(letter, style, number, match.start(), text.strip())


def _last_list(lines: list[str]) -> OptionList | None:
    """The last run of marked lines that begins at A. None: there is none, or it isn't of one option a line."""
    marks = [mark for number, line in enumerate(lines) if (mark := _line_mark(line, number))]
    runs: list[list[_Mark]] = []
    for mark in marks:
        before = runs[-1][-1] if runs else None
        if before and mark.style == before.style and not any(map(str.strip, lines[before.line + 1 : mark.line])):
            runs[-1].append(mark)
        else:
            runs.append([mark])
    begins = [(run, n) for run in runs for n, mark in enumerate(run) if mark.letter == "A"]
    if not begins:
        return None
    run, first = begins[-1]
    options = run[first:]
    if len(options) < 2 or [mark.letter for mark in options] != list(_LETTERS)[: len(options)]:
        return None
    if not all(mark.text for mark in options):
        return None
    question = " ".join(" ".join(lines[: options[0].line]).split()) or first_line("\n".join(lines))
    after = lines[options[-1].line + 1 :]
    doubt = ""
    if any(mark.letter == "A" for mark in run[:first]):
        doubt = "two lists of options follow each other"
    elif any(_line_mark(line, 0) for line in after):
        doubt = "a line that is marked like an option follows the list of options"
    elif "?" in " ".join(after).translate(_PLAIN):
        doubt = "a question follows what looks like a list of options"
    elif any(_holds_next(mark) for mark in options):
        doubt = "a line of the list holds two options"
    if doubt:
        return OptionList(first_line("\n".join(lines)), doubt=doubt)
    return OptionList(question, {mark.letter: mark.text for mark in options})


def _holds_next(mark: _Mark) -> bool:
    """Whether the text of an option holds the mark of the next."""
    return any(inner.letter == chr(ord(mark.letter) + 1) and inner.style == mark.style for inner in _inline(mark.text))


def _inline(line: str, number: int = 0) -> Iterator[_Mark]:
    """Every mark in a line, with the text up to the next."""
    matches = list(_INLINE.finditer(line.translate(_PLAIN)))
    ends = [match.start() for match in matches[1:]] + [len(line)]
    for match, end in zip(matches, ends, strict=False):  # without marks there is one end too many
        letter = next(group for group in match.groups() if group)
        yield _Mark(letter, match[0].replace(letter, "X", 1), number, match.start(), line[match.end() : end].strip())


def _inline_list(lines: list[str], answer: str | None) -> OptionList | None:
    """A list in one line, where nothing else can be meant. None: there is none, or something else can."""
    candidates = [number for number, line in enumerate(lines) if len(list(_inline(line))) > 1]
    if len(candidates) != 1:
        return None
    number = candidates[0]
    marks, after = list(_inline(lines[number])), lines[number + 1 :]
    before = lines[number][: marks[0].start].translate(_PLAIN).strip()
    texts = [mark.text for mark in marks]
    for separator in ",;|":
        if all(text.translate(_PLAIN).endswith(separator) for text in texts[:-1]):
            texts = [text[:-1].strip() for text in texts[:-1]] + texts[-1:]
    if any(text.translate(_PLAIN).endswith((",", ";", "|")) for text in texts[:-1]):
        return None  # separated in two ways, or some of them: where an option ends can't be told
    options = dict(zip([mark.letter for mark in marks], texts, strict=True))
    is_list = (
        list(options) == list(_LETTERS)[: len(marks)]
        and len({mark.style for mark in marks}) == 1
        and all(text and not _NOT_THE_END.search(text.translate(_PLAIN)) for text in texts)
        and (not before or _QUESTION_END.search(before))
        and (before or any(map(str.strip, lines[:number])))
        and "?" not in " ".join(after).translate(_PLAIN)
        and not any(_line_mark(line, 0) for line in lines[:number] + after)
        and (answer is None or _speaks_of(answer, options))
    )
    if not is_list:
        return None
    question = " ".join(" ".join([*lines[:number], before]).split())
    return OptionList(question, options)


def _speaks_of(answer: str, options: dict[str, str]) -> bool:
    """Whether an answer has the letter of an option or its text."""
    letters = re.findall(r"(?<!\w)[A-Z](?!\w)", answer.translate(_PLAIN))
    plain = answer.casefold()
    return (
        not options.keys().isdisjoint(letters)
        or any(words.casefold() in plain for words in options.values())
        or (plain.strip() in map(str.casefold, options))
    )


def _other_marks(prompt: str, answer: str | None) -> str:
    """Why an answer could be the mark of an option all the same; "": it isn't."""
    marks = {(match[1] or match[2] or match[3]).casefold() for match in _OTHER_MARK.finditer(prompt.translate(_PLAIN))}
    mark = _OTHER_ANSWER.match((answer or "").translate(_PLAIN))
    if mark is None or len(marks) < 2 or mark[1].casefold() not in marks:
        return ""
    return f"the answer ({(answer or '').strip()[:20]}) is a mark of what could be options in the prompt, and no letter from A on"


def _stray_marks(lines: list[str]) -> str:
    """Why a prompt that has no list could have one all the same; "": nothing speaks for it."""
    letters = {mark.letter for line in lines for mark in _inline(line)}
    in_front = [mark for line in lines if (mark := _line_mark(line, 0))]
    if (after := [mark.letter for mark in in_front if mark.text])[:1] == ["A"] and len(after) > 1:
        return f"A and {after[1]} are marked as options are, but it is no list from A on"
    letters |= {mark.letter for mark in in_front}
    small = {(match[1] or match[2]).upper() for line in lines if (match := _SMALL.match(line.translate(_PLAIN)))}
    small |= {match[1].upper() for line in lines for match in _SMALL_INLINE.finditer(line.translate(_PLAIN))}
    for marked in (letters, small):
        for letter in sorted(marked):
            if chr(ord(letter) + 1) in marked:
                return f"{letter} and {chr(ord(letter) + 1)} are marked as options are, but it is no list from A on"
    return ""
