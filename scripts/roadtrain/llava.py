"""LLaVA JSON: the questions about videos, as they lie on disk and as training and evaluation see them.

On disk an entry is what the recipe writes, key for key (`id, wts_id, video, type, phase, conversations`); phase
questions add `video_start` and `video_end` in seconds. Other people's entries may have `image` instead of `video`,
a list of several media, and several turns; questions of a test have no answer, and a `question_id` where one is
asked about several cameras. A file is one JSON array with one entry a line, so that a million entries are written
and read in flat memory.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.files import whole_file

PLACEHOLDER = "<video>"
INSTRUCTION = "\nAnswer with the option's letter from the given choices directly."
# "A: Clear" on a line of its own; the recipe surrounds every line break with blanks.
_OPTION = re.compile(r"^ ?([A-Z]): (.*?) ?$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One question about one video (or about a window of it).

    An entry on disk with several turns is read as one Entry a turn; `history` is what was said before.
    """

    id: str  # unique in a file: <video stem>_<n>
    scenario: str  # the group of videos that were recorded together: cameras share its questions
    video: str  # relative to the split's media folder
    type: str  # the question set: environment, ..
    phase: str  # full_video, or the label of the window
    prompt: str  # what the model is asked: the human turn without placeholder and surrounding white space
    answer: str  # what it should say: a letter
    start: float | None = None  # seconds; None: from the beginning
    end: float | None = None  # seconds; None: to the end
    history: tuple[tuple[str, str], ...] = ()  # (prompt, answer) of the turns before
    kind: str = "video"  # or image: only where read_entries was asked for any media
    others: tuple[str, ...] = ()  # further media of the same question, after `video`
    question_id: str | None = None  # what a test's submission calls the question

    @property
    def clip(self) -> tuple[str, float | None, float | None]:
        """What is decoded once: entries with the same clip share a sequence."""
        return (self.video, self.start, self.end)

    @property
    def options(self) -> dict[str, str]:
        """{letter: text}, empty for an open question."""
        return options_of(self.prompt)

    @property
    def question(self) -> str:
        """The prompt's first line: the question without options and instruction."""
        return self.prompt.split("\n", 1)[0].strip()


def options_of(prompt: str) -> dict[str, str]:
    """{letter: text} of the lines "A: .." of a prompt, as long as the letters follow one another from A."""
    found = dict(_OPTION.findall(prompt))
    letters = [chr(ord("A") + n) for n in range(len(found))]
    return found if len(found) > 1 and list(found) == letters else {}


def multiple_choice(question: str, options: dict[str, str]) -> str:
    """The recipe's human value, byte for byte: `<video> \\n {question} \\n A: .. \\n B: .. \\n ` + instruction."""
    lines = "".join(f"{letter.upper()}: {text} \n " for letter, text in options.items())
    return f"{PLACEHOLDER} \n {question} \n {lines}{INSTRUCTION}"


def entry_json(
    *, id: str, scenario: str, video: str, type: str, phase: str, human: str, answer: str,
    start: float | None = None, end: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """An entry as it lies on disk, keys in the recipe's order."""
    value: dict[str, Any] = {"id": id, "wts_id": scenario, "video": video, "type": type, "phase": phase}
    value["conversations"] = [{"from": "human", "value": human}, {"from": "gpt", "value": answer}]
    if start is not None:
        value["video_start"] = start
    if end is not None:
        value["video_end"] = end
    return value


def write_entries(path: str | Path, entries: Iterable[dict[str, Any]]) -> int:
    """Stream entries to a JSON array, one a line. Returns how many. The file appears when it is whole."""
    count = 0
    with whole_file(path) as stream:
        stream.write("[")
        for entry in entries:
            stream.write(",\n" if count else "\n")
            stream.write(json.dumps(entry, ensure_ascii=False, allow_nan=False))
            count += 1
        stream.write("\n]\n" if count else "]\n")
    return count


def read_entries(path: str | Path, any_media: bool = False) -> Iterator[Entry]:
    """The entries of a LLaVA JSON in file order. A file of ours is streamed; any other layout is loaded whole.

    Raises ValueError naming the file, the entry's number and what was expected. Entries with pictures or several
    media are refused unless `any_media`: a reader that knows only one video an entry would silently drop them.
    """
    for number, value in enumerate(_values(Path(path))):
        try:
            entries = _entries(value)
            if not any_media and (entries[0].others or entries[0].kind != "video"):
                what = f"{1 + len(entries[0].others)} media" if entries[0].others else "a picture"
                raise ValueError(f"has {what}; this program reads one video an entry")
        except (KeyError, TypeError, ValueError) as error:
            what = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path}: entry {number}: {what}") from None
        yield from entries


def group_by_clip(entries: Iterable[Entry]) -> dict[tuple[str, float | None, float | None], list[Entry]]:
    """{clip: its questions}, clips in the order of their first question. A clip is decoded and encoded once."""
    groups: dict[tuple[str, float | None, float | None], list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.clip, []).append(entry)
    return groups


def _values(path: Path) -> Iterator[Any]:
    with open(path, encoding="utf-8") as stream:
        if stream.readline() != "[\n":
            stream.seek(0)
            try:
                values = json.load(stream)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise ValueError(f"{path}: not valid JSON: {error}") from None
            if not isinstance(values, list):
                raise ValueError(f"{path}: expected a list of entries, found {type(values).__name__}")
            yield from values
            return
        for number, line in enumerate(stream, start=2):
            if line == "]\n":
                return
            try:
                yield json.loads(line.rstrip().removesuffix(","))
            except json.JSONDecodeError as error:
                # Somebody's pretty-printed file also starts with a line "[": read it the plain way.
                if number == 2:
                    stream.seek(0)
                    yield from json.load(stream)
                    return
                raise ValueError(f"{path}: line {number}: not valid JSON: {error.msg}") from None
        raise ValueError(f"{path}: ends before the closing bracket")


def _entries(value: Any) -> list[Entry]:
    """An entry a turn."""
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, found {type(value).__name__}")
    turns, kind = value["conversations"], "image" if "image" in value else "video"
    if not isinstance(turns, list) or not turns:
        raise ValueError("conversations: expected a human and a gpt turn")
    expected = [("human", "gpt")[n % 2] for n in range(len(turns))]
    if [turn["from"] for turn in turns] != expected or (len(turns) % 2 and len(turns) > 1):
        raise ValueError("conversations: expected human and gpt turns one after the other")
    said = [turn["value"].replace(f"<{kind}>", "").strip() for turn in turns] + [""] * (len(turns) % 2)
    media = value[kind] if isinstance(value[kind], list) else [value[kind]]
    common = {
        "scenario": str(value.get("wts_id", media[0])),
        "video": media[0],
        "type": value.get("type", ""),
        "phase": value.get("phase", "full_video"),
        "start": value.get("video_start"),
        "end": value.get("video_end"),
        "kind": kind,
        "others": tuple(media[1:]),
        "question_id": value.get("question_id"),
    }
    pairs = list(zip(said[::2], said[1::2]))
    ids = [str(value["id"])] + [f"{value['id']}#{turn}" for turn in range(2, len(pairs) + 1)]
    return [
        Entry(id=id, prompt=prompt, answer=answer, history=tuple(pairs[:turn]), **common)
        for turn, (id, (prompt, answer)) in enumerate(zip(ids, pairs))
    ]
