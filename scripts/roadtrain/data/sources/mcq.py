"""A table of multiple-choice questions: CSV with a header, or JSON lines (or a JSON list) of objects.

    video,question,a,b,c,d,answer            one column an option (as many as are needed), or
    video,question,options,answer            options separated by | in CSV, a list or {letter: text} in JSON

The answer is a letter or an option's words; a column answer_text has words alone, answer_index places counted from 0, where a
number could be both. Optional columns: id, scenario, type (the group that accuracy is counted with),
start, end (seconds). Other columns are counted by the audit, or refused where they look like one of these.
"""

import os
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from roadtrain.data.llava import multiple_choice
from roadtrain.data.question import UNGROUPED
from roadtrain.data.sources.annotation_files import regular_file
from roadtrain.data.sources.base import (
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
from roadtrain.data.sources.checks import check_split, read_name, read_window, unread_keys
from roadtrain.data.sources.choices import ANSWERS, LETTER_NAMES, right_choice, row_options
from roadtrain.data.sources.llava import record_id
from roadtrain.data.sources.one_file import OneFile
from roadtrain.data.sources.rows import read_records
from roadtrain.data.sources.tables import read_table
from roadtrain.media import Medium

COLUMNS = frozenset({"id", "scenario", "type", "video", "question", "options", *ANSWERS, "start", "end"})
_NEEDED = ("video", "question")
_GROUPS = ("group", "category", "question_type")  # other data sets' names of what is `type` here
_ONE_OPTION = re.compile(r"(?:option|choice|answer)[ _-]([a-z])", re.IGNORECASE)
_ENDINGS = (".mp4", ".MP4", ".avi", ".mkv", ".mov", ".webm")


class Mcq(OneFile):
    """A table of multiple-choice questions."""

    def tasks(self, split: str) -> list[str]:
        return ["mcq"]

    def units(self, split: str) -> Iterator[Unit]:
        for path, value in _records(self.files[split]):
            yield Unit("", split, (path, value))

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        path, value = unit.where
        if isinstance(value, Malformed):
            yield value
            return
        try:
            check_split(value, unit.split, self.files[unit.split], path)
            yield _block(value, self.files[unit.split], path, self.media, unit.split != "test")
        except Malformed as problem:
            yield problem


def _records(file: str) -> Iterator[tuple[str, Any]]:
    """(place, record) of each row. Raises Malformed."""
    if not _is_table(file):
        return read_records(file)
    path, header, rows = read_table(file, _NEEDED)
    _check_columns(tuple(name for name in header if name), file, path)
    return rows


def _is_table(file: str) -> bool:
    """As the ending says; where it says nothing, as the file begins."""
    regular_file(file)
    ending = os.path.splitext(file)[1].lower()
    if ending in (".csv", ".tsv", ".tab", ".txt"):
        return True
    if ending in (".json", ".jsonl", ".ndjson"):
        return False
    with open(file, "rb") as stream:
        return stream.read(1 << 12).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"[", b"{")


def _check_columns(names: tuple[str, ...], file: str, path: str) -> tuple[str, ...]:
    """The columns that nobody reads. Raises Malformed for names that could be meant otherwise."""
    unread, problem = _columns(names)
    if problem is not None:
        raise Malformed(file, f"{path}{problem.path}", problem.expected)
    return unread


@cache
def _columns(names: tuple[str, ...]) -> tuple[tuple[str, ...], Malformed | None]:
    """(columns that nobody reads, what is wrong with the names). Rows have few sets of names: each is checked once."""
    letters = [name for name in names if name in LETTER_NAMES]
    if twice := [name for name in letters if name.swapcase() in letters]:
        return (), Malformed("", "", f"the option {twice[0]!r} is there twice: as {twice[0]!r} and {twice[1]!r}")
    if "options" in names and letters:
        columns = ", ".join(map(repr, letters))
        return (), Malformed("", "", f"'options' stands beside the options {columns}; keep one of the two")
    if one := next(filter(None, map(_ONE_OPTION.fullmatch, names)), None):
        return (), Malformed("", f".{one[0]}", f"unknown column; a column of one option is called {one[1].lower()!r}")
    if "type" not in names and (groups := [name for name in _GROUPS if name in names]):
        return (), Malformed("", f".{groups[0]}", "unknown column; is 'type' meant?")
    try:
        others = dict.fromkeys(name for name in names if name not in LETTER_NAMES)
        return unread_keys(others, COLUMNS, "", ""), None
    except Malformed as problem:
        return (), problem


def _block(value: Any, file: str, path: str, media: str, answered: bool) -> Block:
    if not isinstance(value, dict):
        raise Malformed(
            file, path, f"expected an object with video, question, options and answer, found {describe_value(value)}"
        )
    value = {name: field for name, field in value.items() if field is not None}
    unread = _check_columns(tuple(value), file, path)
    video = _video(value, file, path, media)
    question = required_value(value, "question", str, file, path, "the question's text").strip()
    if not question:
        raise Malformed(file, f"{path}.question", "expected the question's text, found an empty one")
    options = row_options(value, question, file, path)
    letter = right_choice(value, options, file, path) if answered else None
    start, end = read_window(value, ("start", "end"), file, path)
    scenario = read_name(value, "scenario", file, path) or video
    group = read_name(value, "type", file, path)
    exchange = Exchange(multiple_choice(question, options), letter, question, options)
    content = Content([exchange], letter and options[letter], group=group or UNGROUPED)
    return Block(
        file=file,
        path=path,
        scenario=scenario,
        task=group or "mcq",
        phase="full_video" if start is None and end is None else "window",
        media=[Medium(video, start, end)],
        questions=[Draft(0, content, record_id(value, video, path, file))],
        wts_id=scenario,
        together=True,
        unread=unread,
    )


def _video(value: dict[str, Any], file: str, path: str, media: str) -> str:
    """The video's name. Raises Malformed with the name of a file that is there where only its ending is missing."""
    name = required_value(value, "video", str, file, path, "the name of a video").strip()
    video = relative_path(name, file, f"{path}.video")
    if not video.endswith(_ENDINGS) and not os.path.exists(f"{media}/{video}"):
        for ending in _ENDINGS:
            if os.path.exists(f"{media}/{video}{ending}"):
                raise Malformed(
                    file, f"{path}.video", f"no such file: {video!r}; write {video + ending!r}, which is there"
                )
    return video
