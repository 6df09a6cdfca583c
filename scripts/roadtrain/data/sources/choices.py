"""The options of a table's row and which of them is right: what could be meant in two ways is refused, with both."""

import re
import string
from typing import Any

from roadtrain.data.answers import read_answer
from roadtrain.data.sources.base import LETTERS, Malformed, describe_value, required_value
from roadtrain.data.sources.checks import check_options, plain_words

LETTER_NAMES = frozenset(string.ascii_letters)  # columns of one option each
_LABEL = re.compile(r"\(?([A-Z])[.):]\s+")  # as prose numbers options: `A: Red`, `A. Red`, `(A) Red`
_LABELLED_LINE = re.compile(r"^\s*\(?([A-Z])[.):]\s", re.MULTILINE)
_OTHER_SEPARATORS = re.compile(r"\s*[,;/\n]\s*")


def row_options(value: dict[str, Any], question: str, file: str, path: str) -> dict[str, str]:
    """{capital letter: words}. Raises Malformed."""
    field = value.get("options")
    path = f"{path}.options"
    if field is None:
        field = {key.upper(): value[key] for key in value if key in LETTER_NAMES}
    elif isinstance(field, str):
        words, field = field.strip(), field.split("|")
        if len(field) < 2:
            raise Malformed(file, path, _one_option(field[0]))
        if words[0] + words[-1] in ("[]", "{}"):  # JSON, with a | in an option
            problem = f"expected options separated by |, found {describe_value(words)}; write them without brackets"
            raise Malformed(file, path, problem)
    if isinstance(field, list):
        field = dict(zip(LETTERS, field, strict=False)) if len(field) <= len(LETTERS) else {}
    if not isinstance(field, dict) or len(field) < 2:
        problem = f"expected two options or more, found {describe_value(value.get('options', field))}"
        raise Malformed(file, path, problem)
    options = {}
    for expected, key in zip(LETTERS, sorted(field, key=str.upper), strict=False):
        words = field[key]
        if key not in LETTER_NAMES or key.upper() != expected:
            raise Malformed(file, path, f"expected the option {expected}, found {describe_value(key)}")
        if not isinstance(words, str | int) or isinstance(words, bool) or not str(words).strip():
            raise Malformed(
                file, path, f"expected words for the option {expected}, found {describe_value(words)}{_as_text(words)}"
            )
        options[expected] = str(words).strip()
    if len(options) < len(field):
        raise Malformed(file, path, f"expected at most {len(LETTERS)} options, found {len(field)}")
    check_options(options, file, path)
    _check_labels(options, question, file, path)
    return options


def _one_option(words: str) -> str:
    """What to do about a field that has no |."""
    parts = [part for part in _OTHER_SEPARATORS.split(words.strip()) if part]
    remedy = "; separate them by |"
    if words.strip().startswith("[") or len(parts) < 2:
        remedy += ", or give each a column: a, b, .."
    else:
        remedy += f": {describe_value('|'.join(parts))}"
    return f"expected two options or more, found {describe_value(words)}{remedy}"


def _as_text(value: Any) -> str:
    return "; write it as text, in quotes" if isinstance(value, float | bool) else ""


def _check_labels(options: dict[str, str], question: str, file: str, path: str) -> None:
    """Raises Malformed for letters in the words: the prompt would show more options than there are, or others."""
    labels = [match and match[1] for match in map(_LABEL.match, options.values())]
    if all(labels):
        raise Malformed(
            file, path, f"the options have letters of their own ({describe_value(options['A'])}); leave them out"
        )
    for letter, words in options.items():
        if line := re.search(r"\n" + _LABELLED_LINE.pattern[1:], words):
            raise Malformed(
                file,
                path,
                f"the option {letter} has a line that reads as the option {line[1]}: {describe_value(words)}",
            )
    lines = [line.strip() for line in question.splitlines()]
    labelled = {line[match.end() :].strip() for line in lines if (match := _LABELLED_LINE.match(line))}
    if labelled >= {words.strip() for words in options.values()}:
        problem = "the question's text lists the options of this column once more; leave them out of the text"
        raise Malformed(file, path, problem)


def right_choice(value: dict[str, Any], options: dict[str, str], file: str, path: str) -> str:
    """The letter of the right option: the answer is a letter (`B`, `(b)`), an option's words, or both (`B: Rainy`). Raises
    Malformed, with both options where the letter of one is the words of the other."""
    field = required_value(value, "answer", (str, int), file, path, "a letter, or an option's words")
    answer, path = str(field).strip(), f"{path}.answer"
    read = read_answer(answer, options)
    by_letter = read.letter if read.rule == "alone" else None
    by_words = next((letter for letter, words in options.items() if plain_words(words) == plain_words(answer)), None)
    if by_letter and by_words and by_letter != by_words:
        raise Malformed(
            file,
            path,
            f"{describe_value(answer)} is the letter of the option {by_letter} ({describe_value(options[by_letter])}) and"
            f" the words of the option {by_words}; write options in other words",
        )
    if right := by_words or by_letter:
        return right
    label = _LABEL.match(answer)
    if label and label[1] in options and plain_words(answer[label.end() :]) == plain_words(options[label[1]]):
        return label[1]
    raise Malformed(
        file, path, f"expected one of {', '.join(options)} or an option's words, found {describe_value(field)}"
    )
