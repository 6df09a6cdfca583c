"""LLaVA JSON: the questions about videos, as they lie on disk and as training and evaluation see them.

On disk an entry is what the recipe writes, key for key (`id, wts_id, video, type, phase, conversations`); phase
questions add `video_start` and `video_end` in seconds. Other people's entries may have `image` instead of `video` or
beside it, a list of several media, and several turns; questions of a test have no answer, and a `question_id` where
one is asked about several cameras. A file is one JSON array with one entry a line, so that a million entries are
written and read in flat memory.

A human turn that begins or ends with its only placeholder has its medium in front, as LLaVA and the recipe put it;
otherwise media stay between the words.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.files import whole_file

PLACEHOLDER = "<video>"
PLACEHOLDERS = ("<video>", "<image>")
INSTRUCTION = "\nAnswer with the option's letter from the given choices directly."
# "A: Clear" on a line of its own; the recipe surrounds every line break with blanks.
_OPTION = re.compile(r"^ ?([A-Z]): (.*?) ?$", re.MULTILINE)


MediumKey = tuple  # (video, start, end) of a video, (name, None, None, "image") of a picture
# What a sequence begins with, and all that its questions share: a medium's key or, where several media are seen, the
# first one's with `Entry.parts` as the last item. So the first item is always the name of a file.
ClipKey = tuple


@dataclass(frozen=True, slots=True)
class Said:
    """An earlier answer that stands before a medium."""

    text: str


Part = MediumKey | str | Said  # a str is a human's


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One question about one video (or about a window of it).

    An entry on disk with several turns is read as one Entry a turn; `history` is what was said before.
    """

    id: str  # unique in a file: <video stem>_<n>
    scenario: str  # the group of videos that were recorded together: cameras share its questions
    video: str  # (or picture) relative to the split's media folder; of several media the first
    type: str  # the question set: environment, ..
    phase: str  # full_video, or the label of the window
    prompt: str  # what the model is asked: the human turn without placeholder and surrounding white space
    answer: str  # what it should say: a letter
    start: float | None = None  # seconds; None: from the beginning
    end: float | None = None  # seconds; None: to the end
    history: tuple[tuple[str, str], ...] = ()  # (prompt, answer) of the turns before
    kind: str = "video"  # or image
    parts: tuple[Part, ...] = ()  # of several media: all that stands before the last one, which it ends with
    question_id: str | None = None  # what a test's submission calls the question

    @property
    def clip(self) -> ClipKey:
        """What is decoded once: entries with the same clip share a sequence."""
        if self.parts:
            return (self.video, self.start, self.end, self.parts)
        return (self.video, self.start, self.end) if self.kind == "video" else (self.video, None, None, self.kind)

    @property
    def asked(self) -> str:
        """The human's turn: the prompt and, where media stand between its words, all of it with their placeholders."""
        turn: list[str] = []
        for part in self.parts if not self.history else ():
            if isinstance(part, Said):
                turn = []
            else:
                turn.append(part if isinstance(part, str) else f"<{'image' if len(part) > 3 else 'video'}>")
        return "".join([*turn, self.prompt]) if any(words not in PLACEHOLDERS for words in turn) else self.prompt

    @property
    def options(self) -> dict[str, str]:
        """{letter: text}, empty for an open question."""
        return options_of(self.asked)

    @property
    def question(self) -> str:
        """The first line of what is asked: the question without options and instruction."""
        return self.asked.split("\n", 1)[0].strip()


def parts_of(clip: ClipKey) -> tuple[Part, ...]:
    """What stands before the questions about a clip, in order."""
    return clip[3] if len(clip) > 3 and isinstance(clip[3], tuple) else (clip,)


def media_of(clip: ClipKey) -> list[MediumKey]:
    """The media of a clip, in order."""
    return [part for part in parts_of(clip) if isinstance(part, tuple)]


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
    *,
    id: str,
    scenario: str,
    video: str,
    type: str,
    phase: str,
    human: str,
    answer: str,
    start: float | None = None,
    end: float | None = None,
) -> dict[str, Any]:
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


def read_entries(path: str | Path) -> Iterator[Entry]:
    """The entries of a LLaVA JSON in file order. A file of ours is streamed; any other layout is loaded whole.

    Raises ValueError naming the file, the entry's number and what was expected.
    """
    for number, value in enumerate(_values(Path(path))):
        try:
            entries = _entries(value)
        except (KeyError, TypeError, ValueError) as error:
            what = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path}: entry {number}: {what}") from None
        yield from entries


def group_by_clip(entries: Iterable[Entry]) -> dict[ClipKey, list[Entry]]:
    """{clip: its questions}, clips in the order of their first question. A clip is decoded and encoded once."""
    groups: dict[ClipKey, list[Entry]] = {}
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
    turns = value["conversations"]
    if not isinstance(turns, list) or not turns:
        raise ValueError("conversations: expected a human and a gpt turn")
    expected = [("human", "gpt")[n % 2] for n in range(len(turns))]
    if [turn["from"] for turn in turns] != expected or (len(turns) % 2 and len(turns) > 1):
        raise ValueError("conversations: expected human and gpt turns one after the other")
    asked = _placed(value, [turn["value"] for turn in turns[::2]])
    answers = [turn["value"].strip() for turn in turns[1::2]] or [""]
    first = next(part for parts in asked for part in parts if isinstance(part, tuple))
    common = {
        "scenario": str(value.get("wts_id", first[0])),
        "type": value.get("type", ""),
        "phase": value.get("phase", "full_video"),
        "question_id": value.get("question_id"),
    }
    entries, seen, history = [], [], []
    for turn, (parts, answer) in enumerate(zip(asked, answers), start=1):
        *before, prompt = parts
        if before:  # a medium: what was said so far stands before it
            seen += [part for pair in history for part in (pair[0], Said(pair[1]))] + before
            history = []
        one = len(seen) == 1
        entries.append(
            Entry(
                id=str(value["id"]) if turn == 1 else f"{value['id']}#{turn}",
                prompt=prompt,
                answer=answer,
                history=tuple(history),
                video=first[0],
                start=first[1],
                end=first[2],
                kind="image" if one and len(first) > 3 else "video",
                parts=() if one else tuple(seen),
                **common,
            )
        )
        history.append((prompt, answer))
    return entries


def _placed(value: dict, texts: list[str]) -> list[list[Part]]:
    """The human turns with their media in place. A turn's last part is what is said after its last medium."""
    waiting: dict[str, deque] = {}
    for kind in (key for key in value if key in ("video", "image")):
        names = value[kind] if isinstance(value[kind], list) else [value[kind]]
        window = (value.get("video_start"), value.get("video_end")) if kind == "video" else (None, None, kind)
        waiting[f"<{kind}>"] = deque((name, *window) for name in names)
    if not any(waiting.values()):
        raise KeyError("video")
    found = {placeholder: sum(text.count(placeholder) for text in texts) for placeholder in waiting}
    if not any(found.values()):
        texts = ["".join(name * len(media) for name, media in waiting.items()) + texts[0], *texts[1:]]
    elif wrong := [name for name in waiting if found[name] != len(waiting[name])]:
        name = wrong[0]
        raise ValueError(f"conversations: expected {len(waiting[name])} times {name}, found {found[name]}")
    made = []
    for text in texts:
        pieces = re.split(f"({'|'.join(waiting)})", text)
        media = [waiting[placeholder].popleft() for placeholder in pieces[1::2]]
        if len(media) == 1 and not (pieces[0].strip() and pieces[2].strip()):
            made.append([media[0], (pieces[0] + pieces[2]).strip()])
            continue
        words = [pieces[0].lstrip(), *pieces[2:-1:2]]
        inner = [part for pair in zip(words, media) for part in pair if isinstance(part, tuple) or part.strip()]
        made.append([*inner, pieces[-1].rstrip() if len(inner) > len(media) else pieces[-1].strip()])
    return made
