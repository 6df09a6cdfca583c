"""What a source of questions is. Adding one is one small file with one class that has these methods.

A source cuts its annotations into units (a scenario, a block of lines) that can be read on their own, in any
process and in any order. It yields what a unit asks as `Block`s; everything else (probing videos, ids, audit,
writing) is the same for all sources and lives in roadtrain.data.convert.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from roadtrain.data.answers import right_letter
from roadtrain.data.question import UNGROUPED
from roadtrain.media import Medium

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# A drive, or an address. A colon alone is none: dashcams write 12:30:00.mp4.
ELSEWHERE = re.compile(r"[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]*:[\\/]{2}")


class Malformed(ValueError):
    """An annotation that isn't what it should be. Names the file, the path inside it and what was expected."""

    def __init__(self, file: str, path: str, expected: str) -> None:
        file, path, expected = (in_one_line(text) for text in (file, path, expected))
        super().__init__(f"{file}: {path}: {expected}" if path else f"{file}: {expected}")
        self.file, self.path, self.expected = file, path, expected

    def __reduce__(self) -> tuple[type["Malformed"], tuple[str, str, str]]:  # it travels between processes
        return Malformed, (self.file, self.path, self.expected)


def in_one_line(text: str) -> str:
    """Text as a message shows it: what would break the line, or can't be written to a file, is escaped; very long text
    is cut in the middle."""
    if len(text) > 1000:
        text = f"{text[:500]} .. {text[-400:]}"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer, in the words of the conversation and as data."""

    human: str  # the human value: placeholders, question, options, instruction
    answer: str | None  # None: not known (test split)
    text: str  # the question itself
    options: dict[str, str]  # {letter: text}; empty for an open question

    @property
    def letter(self) -> str | None:
        """The option that the answer means, read as a response is ("A: Red" means A); None: none, or an open question."""
        if self.answer is None or not self.options:
            return None
        return right_letter(self.answer, self.options)


@dataclass(slots=True)
class Content:
    """What is asked and answered. WTS asks a few questions over and over: equal ones share one object."""

    turns: list[Exchange]
    answer_text: str | None  # the answer in words: letters change with the order of options
    json: tuple[str, str] | None = None  # conversations, and question and options, as written; set at the first use
    group: str = UNGROUPED  # what its accuracy is counted with
    unread: tuple[str, ...] = ()  # keys of the question's object that nobody reads
    kind: str = ""  # of its answer, of one turn: one of answer_kinds.KINDS
    reasoning: str = ""  # what is trained before the answer

    @property
    def text(self) -> str:
        """The first question itself, for statistics."""
        return self.turns[0].text

    @property
    def options(self) -> dict[str, str]:
        """Those of the first question."""
        return self.turns[0].options

    @property
    def letter(self) -> str | None:
        """The right option of the first question."""
        return self.turns[0].letter


@dataclass(slots=True)
class Draft:
    """One entry in the making. Its id is <media stem>_<block's prefix><index>, or its own."""

    index: int  # its place in the block's list
    content: Content
    id: str | None = None


@dataclass(slots=True)
class Block:
    """Questions asked alike about each of several videos, or about one window of each."""

    file: str  # the annotation file
    path: str  # where the block stands in it
    scenario: str  # videos recorded together: they share questions and must not be split
    task: str
    phase: str
    media: list[Medium]  # videos have one window, all the same
    questions: list[Draft]
    wts_id: str | int | None = None  # what the recipe writes as wts_id; None: the scenario
    prefix: str = ""  # of the ids' numbers, so that they differ from other blocks about the same videos
    together: bool = False  # all media belong to each question, instead of each question to each medium
    views: bool = False  # its videos show one scene: each question is asked once, about all that can be read
    problems: list[Malformed] = field(default_factory=list)  # questions that are not what they should be
    doubts: list[Malformed] = field(default_factory=list)  # open questions that could be meant as multiple choice
    unread: tuple[str, ...] = ()  # keys of its object that nobody reads

    @property
    def window(self) -> tuple[float | None, float | None]:
        """(start, end) of its videos, seconds."""
        for medium in self.media:
            if medium.kind == "video":
                return medium.start, medium.end
        return None, None

    def place(self, question: Draft) -> str:
        """Where a question stands in the annotation file."""
        return self.path if self.together else f"{self.path}[{question.index}]"


@dataclass(frozen=True, slots=True)
class Unit:
    """What is read at once. `order` sorts units as their videos sort."""

    order: str
    split: str
    where: Any  # the source's word for its place, or what is read there
    tasks: tuple[str, ...] = ()  # what it should have: the audit counts units without


class Source(Protocol):
    """Where questions come from. Objects are small: they are sent to worker processes."""

    rows: bool  # one list in its own order, where a video may come up anywhere; else a unit has its videos alone

    def tasks(self, split: str) -> list[str]:
        """The question sets of a split that were asked for."""

    def media_root(self, split: str) -> str:
        """The folder that entries' media are relative to."""

    def input_files(self, split: str) -> list[str]:
        """Annotation files that are there, sorted: what a rule depends on. No file is opened."""

    def units(self, split: str) -> Iterable[Unit]:
        """In order; a list where their number is known. Raises ValueError with a remedy when there is nothing."""

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        """What a unit asks. A Malformed is one that could be left out; what else is raised can't be read on."""


def stem(path: str) -> str:
    """The file's name without folders and suffix (a dot and up to five letters or digits)."""
    name = path.rsplit("/", 1)[-1]
    before, dot, suffix = name.rpartition(".")
    return before if dot and len(suffix) <= 5 and suffix.isalnum() and suffix.isascii() else name


def relative_path(name: Any, file: str, path: str) -> str:
    """A relative path that stays below its folder. Raises Malformed for any other."""
    if not isinstance(name, str) or not name.strip():
        raise Malformed(file, path, f"expected the name of a file, found {describe_value(name)}")
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ELSEWHERE.match(name) or "\0" in name:
        raise Malformed(file, path, f"{name!r} leads outside the media folder: refused")
    if "" in parts or "." in parts or not name.isprintable():
        raise Malformed(file, path, f"expected a plain relative path, found {name!r}")
    return name


def describe_value(value: Any) -> str:
    """A value as a message shows it: short, and a container only by its kind."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def required_value(
    record: dict[str, Any], key: str, kind: type | tuple[type, ...], file: str, path: str, expected: str
) -> Any:
    """record[key], of a kind. Raises Malformed saying that the key is missing or what was expected."""
    if key not in record:
        raise Malformed(file, path, f"key {key!r} is missing; expected {expected}")
    value = record[key]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Malformed(file, f"{path}.{key}", f"expected {expected}, found {describe_value(value)}")
    return value
