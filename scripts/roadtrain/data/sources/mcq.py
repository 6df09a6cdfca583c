"""A table of multiple-choice questions: CSV with a header, or JSON lines (or a JSON list) of objects.

    video,question,a,b,c,d,answer            one column an option (as many as are needed), or
    video,question,options,answer            options separated by | in CSV, a list or {letter: text} in JSON

The answer is a letter or an option's words. Optional columns: id, scenario, type, start, end (seconds).
"""

import csv
from collections.abc import Iterator
from typing import Any

from roadtrain.data.llava import multiple_choice
from roadtrain.data.sources.base import (
    LETTERS,
    Block,
    Content,
    Draft,
    Exchange,
    Malformed,
    Unit,
    describe_value,
    relative_path,
    required_value,
)
from roadtrain.data.sources.llava import optional_seconds, optional_text, record_id
from roadtrain.data.sources.one_file import OneFile
from roadtrain.data.sources.rows import read_records
from roadtrain.media import Medium

COLUMNS = {"id", "scenario", "type", "video", "question", "options", "answer", "start", "end"}


class Mcq(OneFile):
    """A table of multiple-choice questions."""

    def tasks(self, split: str) -> list[str]:
        return ["mcq"]

    def units(self, split: str) -> Iterator[Unit]:
        file = self.files[split]
        for path, value in _csv(file) if file.lower().endswith((".csv", ".tsv")) else read_records(file):
            yield Unit("", split, (path, value))

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        path, value = unit.where
        if isinstance(value, Malformed):
            yield value
            return
        try:
            yield _block(value, self.files[unit.split], path, unit.split != "test")
        except Malformed as problem:
            yield problem


def _csv(file: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(line, {column: text}) of each row; an empty field is left away. Raises Malformed."""
    with open(file, encoding="utf-8-sig", newline="") as stream:
        rows = csv.reader(stream, delimiter="\t" if file.lower().endswith(".tsv") else ",", strict=True)
        try:
            header = [name.strip().lower() for name in next(rows, [])]
            _check_header(header, file)
            for row in rows:
                if not row:
                    continue
                path = f"line {rows.line_num}"
                if len(row) != len(header):
                    raise Malformed(file, path, f"expected {len(header)} fields, found {len(row)}")
                yield path, {name: value for name, value in zip(header, row, strict=True) if value.strip()}
        except csv.Error as error:
            raise Malformed(file, f"line {rows.line_num}", f"not valid CSV: {error}") from None
        except UnicodeDecodeError as error:
            raise Malformed(file, "", f"not UTF-8 text: {error.reason}") from None


def _check_header(header: list[str], file: str) -> None:
    if not header:
        raise Malformed(file, "", "the file is empty; expected a header")
    if missing := [name for name in ("video", "question") if name not in header]:
        raise Malformed(file, "line 1", f"column {missing[0]!r} is missing; found {', '.join(header)}")
    if twice := [name for name in header if header.count(name) > 1]:
        raise Malformed(file, "line 1", f"column {twice[0]!r} is there twice")
    if unknown := [
        name for name in header if name not in COLUMNS and name.upper() not in LETTERS.split() + list(LETTERS)
    ]:
        raise Malformed(file, "line 1", f"unknown column {unknown[0]!r}; known: {', '.join(sorted(COLUMNS))}, a to z")


def _block(value: Any, file: str, path: str, answered: bool) -> Block:
    if not isinstance(value, dict):
        raise Malformed(
            file, path, f"expected an object with video, question, options and answer, found {describe_value(value)}"
        )
    video = relative_path(required_value(value, "video", str, file, path, "the name of a video"), file, f"{path}.video")
    question = required_value(value, "question", str, file, path, "the question's text")
    if not question.strip():
        raise Malformed(file, f"{path}.question", "expected the question's text, found an empty one")
    options = _options(value, file, path)
    letter = _answer(value, options, file, path) if answered else None
    start, end = optional_seconds(value, "start", file, path), optional_seconds(value, "end", file, path)
    if start is not None and end is not None and end <= start:
        raise Malformed(file, path, f"expected end after start, found {start:g} to {end:g}")
    scenario = optional_text(value, "scenario", video, file, path)
    task = optional_text(value, "type", "mcq", file, path)
    exchange = Exchange(multiple_choice(question, options), letter, question.strip(), options)
    content = Content([exchange], letter and options[letter])
    return Block(
        file=file,
        path=path,
        scenario=scenario,
        task=task,
        phase="full_video" if start is None and end is None else "window",
        media=[Medium(video, start, end)],
        questions=[Draft(0, content, record_id(value, video, path, file))],
        wts_id=scenario,
        together=True,
    )


def _options(value: dict[str, Any], file: str, path: str) -> dict[str, str]:
    """{capital letter: words}."""
    field = value.get("options")
    if field is None:
        field = {key.upper(): value[key] for key in value if len(key) == 1}
    elif isinstance(field, str):
        field = field.split("|")
    if isinstance(field, list):
        field = dict(zip(LETTERS, field, strict=False)) if len(field) <= len(LETTERS) else {}
    if not isinstance(field, dict) or len(field) < 2:
        raise Malformed(
            file, f"{path}.options", f"expected two options or more, found {describe_value(value.get('options'))}"
        )
    options = {}
    for expected, (key, words) in zip(LETTERS, sorted(field.items()), strict=False):
        if key.upper() != expected:
            raise Malformed(file, f"{path}.options", f"expected the option {expected}, found {key!r}")
        if not isinstance(words, str | int | float) or isinstance(words, bool) or not str(words).strip():
            raise Malformed(
                file, f"{path}.options", f"expected words for the option {expected}, found {describe_value(words)}"
            )
        options[expected] = str(words).strip()
    if len(set(options.values())) < len(options):
        raise Malformed(file, f"{path}.options", "two options say the same")
    return options


def _answer(value: dict[str, Any], options: dict[str, str], file: str, path: str) -> str:
    field = required_value(value, "answer", (str, int, float), file, path, "a letter, or an option's words")
    answer = str(field).strip()
    if by_words := [letter for letter, words in options.items() if words.casefold() == answer.casefold()]:
        return by_words[0]
    if answer.upper() in options:
        return answer.upper()
    raise Malformed(
        file,
        f"{path}.answer",
        f"expected one of {', '.join(options)} or an option's words, found {describe_value(field)}",
    )
