"""What letter a response means: read as a person would, and as the recipe does.

The recipe takes the first capital anywhere ("The answer is B" -> T). `parse` takes a letter that stands alone, a
phrase that names one, or an option's text; when that leaves more than one letter, the question is unanswered.
"""

import re

# "B", "B.", "(b)", "b)", "[B]", "**B**", "B: Clear": a letter, perhaps marked, and nothing else (or its option) after.
_ALONE = re.compile(r"^[\s*_\"'`(\[{]*(?:option\s+)?([A-Za-z])[\s*_\"'`)\]}.,:;!]*$", re.IGNORECASE)
_LEADING = re.compile(r"^[\s*_\"'`(\[{]*([A-Z])\s*[)\].:,*]+\s*(?P<rest>\S.*)$", re.DOTALL)
# "the answer is (b)", "Answer: C", "option d is right", "I choose A"
_NAMED = re.compile(
    r"\b(?:answer|option|choice|letter|choose|pick|select)\b(?:\s+(?:is|would\s+be|should\s+be))?\s*:?\s*"
    r"(?:option\s+)?[*_\"'`(\[{]*([A-Za-z])(?![\w'])",
    re.IGNORECASE,
)
# What may follow a letter: " or (B)", ", C", " and D". A letter that starts a sentence ("B, A person ..") doesn't count.
_NEXT = re.compile(
    r"[\s)\]*.:]*(?:or\b|and\b|,|/)\s*(?:option\s+)?[*_\"'`(\[{]*([A-Za-z])(?=[\s*_\"'`.]*$|[)\]*:,/]|\s+(?:or|and)\b)",
    re.IGNORECASE,
)
_MARKED = re.compile(r"[(\[*]\s*([A-Z])\s*[)\]*]")  # (B), [B], *B* inside a sentence
# A lone capital; A and I are also words, unless they stand in a list of letters.
_CAPITAL = re.compile(r"(?<![\w'])([B-HJ-Z]|[AI](?=\s*(?:or\b|and\b|,|/|$)))(?![\w'])")


def parse_answer(response: str, options: dict[str, str]) -> str | None:
    """The option letter that `response` means, or None when it names none or more than one.

    `options` is {letter: text}; only its letters count. Reasoning in <think>..</think> is not the answer. An open
    question has no options: its answer is the text itself, right when it is the expected one word for word.
    """
    text = re.sub(r"(?s)<think>.*?(</think>|$)", "", response).strip()
    if not options:
        return text or None
    letters = {letter.upper() for letter in options}
    alone = _ALONE.match(text)
    if alone:
        letter = alone[1].upper()
        return letter if letter in letters else None
    named = {
        letter.upper() for found in _NAMED.finditer(text) for letter in (found[1], *_next(text, found.end(1)))
    } & letters
    if named:
        return _only(named)
    leading, marked = _LEADING.match(text), set(_MARKED.findall(text)) & letters
    if leading and leading[1] in letters:
        others = _texts(leading["rest"], options) | _next(text, leading.end(1)) & letters | marked
        return None if others - {leading[1]} else leading[1]
    if marked:
        return _only(marked)
    said = _texts(text, options)
    if said:
        return _only(said)
    return _only(set(_CAPITAL.findall(text)) & letters)


def first_capital(response: str) -> str:
    """The recipe's parse: the first capital letter anywhere, or an empty string."""
    found = re.search(r"[A-Z]", response)
    return found[0] if found else ""


def _next(text: str, end: int) -> set[str]:
    """The letter that follows the one that ends at `end`, as in "A or B"."""
    found = _NEXT.match(text, end)
    return {found[1].upper()} if found else set()


def _texts(text: str, options: dict[str, str]) -> set[str]:
    """Letters whose option's text is said. An option that is part of a longer said one ("side" in "one side") isn't."""
    low = text.lower()
    spans = {}
    for letter, option in options.items():
        words = option.strip().lower()
        if words and (found := re.search(rf"(?<!\w){re.escape(words)}(?!\w)", low)):
            spans[letter.upper()] = found.span()
    return {
        letter
        for letter, (a, b) in spans.items()
        if not any(c <= a and b <= d and (c, d) != (a, b) for c, d in spans.values())
    }


def _only(letters: set[str]) -> str | None:
    return letters.pop() if len(letters) == 1 else None
