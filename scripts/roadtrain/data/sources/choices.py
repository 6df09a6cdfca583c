"""The options of a table's row and which of them is right: what could be meant in two ways is refused, with both."""

import re
import string
from typing import Any

from roadtrain.data.answers import read_answer
from roadtrain.data.sources.base import LETTERS, Malformed, describe_value, required_value
from roadtrain.data.sources.checks import check_options, plain_words

LETTER_NAMES = frozenset(string.ascii_letters)  # columns of one option each
_LABEL = re.compile(r"\(?([A-Za-z])[.):]\s+")  # as prose numbers options: `A: Red`, `A. Red`, `(A) Red`
_LABELLED_LINE = re.compile(r"^\s*\(?([A-Za-z])[.):]\s", re.MULTILINE)
_PLACE = re.compile(r"[0-9]{1,2}")
ANSWERS = ("answer", "answer_text", "answer_index")  # columns that say which option is right: a row has one of them
# Other data sets' names of it. Beside one of ours they must say the same.
RIVALS = (
    *("correct", "correct_answer", "gt", "gt_answer", "ground_truth", "label", "target", "solution"),
    *("correct_index", "correct_idx", "answer_idx", "answer_id", "gt_idx", "label_idx"),
)
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
        if mixed := next((part for part in field if ";" in part), None):
            problem = f"separated by | and holds a ; in {describe_value(mixed)}; give each option a column: a, b, .."
            raise Malformed(file, path, problem)
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
    check_labels(options, question, file, path)
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


def check_labels(options: dict[str, str], question: str, file: str, path: str) -> None:
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
    """The letter of the right option. `answer` is a letter (`B`, `(b)`), an option's words, or both (`B: Rainy`);
    `answer_text` its words and nothing else; `answer_index` its place, counted from 0. Raises Malformed for none of these, for
    what could mean two options, and for another column that says another one."""
    present = [key for key in ANSWERS if key in value]
    if len(present) > 1:
        raise Malformed(file, f"{path}.{present[1]}", f"stands beside {present[0]!r}; keep one of the two")
    rivals = [key for key in value if key.lower() in RIVALS]
    if not present and rivals:
        raise Malformed(file, path, f"key 'answer' is missing; is {rivals[0]!r} meant? Call it 'answer'")
    key = present[0] if present else "answer"
    field = required_value(value, key, (str, int), file, path, "a letter, or an option's words")
    answer = str(field).strip()
    letter = {"answer": _by_letter_or_words, "answer_text": _by_words, "answer_index": _by_index}[key](
        answer, options, file, f"{path}.{key}"
    )
    for rival in rivals:
        others = _meanings("" if value[rival] is None else str(value[rival]).strip(), options)
        if others and letter not in others:
            problem = (
                f"says {describe_value(value[rival])}, and {key!r} says {describe_value(field)}; keep the right one"
            )
            raise Malformed(file, f"{path}.{rival}", problem)
    return letter


def _by_letter_or_words(answer: str, options: dict[str, str], file: str, path: str) -> str:
    read = read_answer(answer, options)
    by_letter = read.letter if read.rule == "alone" else None
    by_words = _of_words(answer, options)
    if by_letter and by_words and by_letter != by_words:
        raise Malformed(
            file,
            path,
            f"{describe_value(answer)} is the letter of the option {by_letter} ({describe_value(options[by_letter])}) and"
            f" the words of the option {by_words}; write options in other words, or call the column 'answer_text'",
        )
    if by_words and (others := sorted(_of_places(answer, options) - {by_words})):
        raise Malformed(
            file,
            path,
            f"{describe_value(answer)} is the words of the option {by_words}, and could be the place of {' or '.join(others)};"
            " write the letter, or call the column 'answer_text' (words) or 'answer_index' (places from 0)",
        )
    if right := by_words or by_letter:
        return right
    label = _LABEL.match(answer)
    if label and label[1] in options and plain_words(answer[label.end() :]) == plain_words(options[label[1]]):
        return label[1]
    remedy = "; call the column 'answer_index' if it counts places from 0" if _of_places(answer, options) else ""
    raise Malformed(
        file, path, f"expected one of {', '.join(options)} or an option's words, found {describe_value(answer)}{remedy}"
    )


def _by_words(answer: str, options: dict[str, str], file: str, path: str) -> str:
    if letter := _of_words(answer, options):
        return letter
    raise Malformed(file, path, f"expected an option's words, found {describe_value(answer)}")


def _by_index(answer: str, options: dict[str, str], file: str, path: str) -> str:
    if _PLACE.fullmatch(answer) and int(answer) < len(options):
        return LETTERS[int(answer)]
    raise Malformed(file, path, f"expected a place from 0 to {len(options) - 1}, found {describe_value(answer)}")


def _of_words(answer: str, options: dict[str, str]) -> str | None:
    return next((letter for letter, words in options.items() if plain_words(words) == plain_words(answer)), None)


def _of_places(answer: str, options: dict[str, str]) -> set[str]:
    """Letters that a number could mean as a place, counted from 0 or from 1."""
    if not _PLACE.fullmatch(answer):
        return set()
    return {LETTERS[place] for place in (int(answer), int(answer) - 1) if 0 <= place < len(options)}


def _meanings(field: str, options: dict[str, str]) -> set[str]:
    """Every option that another column could mean by its letter, words or place; none where it speaks of something else."""
    if label := _LABEL.match(field):  # `b) Green`: the reader of answers takes capitals for letters in front of words
        field = field.replace(label[0], label[0].upper(), 1)
    read, words = read_answer(field, options), _of_words(field, options)
    by_letter = {read.letter} if read.rule in ("alone", "named", "leading") and read.letter else set()
    return by_letter | ({words} if words else set()) | _of_places(field, options)
