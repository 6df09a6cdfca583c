"""LLaVA JSON: the questions about videos, as they lie on disk and as training and evaluation read them.

On disk an entry begins with what the recipe writes, key for key (`id, wts_id, video, type, phase, conversations`);
phase questions add `video_start` and `video_end` in seconds. Then come the question as data, which the prompt was
made from (`question`, its text, and `options`, {letter: text}; of several turns a list of each), the `group` that it is
counted with where somebody says one, the `answer_kind` of an answer that is no option's letter (roadtrain.data.answer_kinds) and the
`reasoning` that is trained before it, and in a test the `question_id` of a question that is asked about several cameras. Other people's entries may have `image` instead of
`video` or beside it, a list of several media, several turns, and no `question` and `options`
(roadtrain.data.option_lists). A file is one JSON array with one entry a line, so that a million entries are written
and read in flat memory.

A human turn that begins or ends with its only placeholder has its medium in front, as LLaVA and the recipe put it;
otherwise media stay between the words. In an entry with `question`, of one medium whose placeholder begins the
conversation, no other `<video>` or `<image>` is one: it is text, as in "Which tag is on the van, <video> or <audio>?".
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from roadtrain.data.answer_kinds import KINDS
from roadtrain.data.option_lists import read_option_list
from roadtrain.data.question import UNGROUPED, Question, Turn
from roadtrain.data.strict_json import strict_json
from roadtrain.files import whole_file
from roadtrain.media import Clip, Kind, Medium, Words

PLACEHOLDER = "<video>"
_KINDS: dict[str, Kind] = {"video": "video", "image": "image"}
INSTRUCTION = "\nAnswer with the option's letter from the given choices directly."


def multiple_choice(question: str, options: dict[str, str]) -> str:
    """The recipe's human value, byte for byte: `<video> \\n {question} \\n A: .. \\n B: .. \\n ` + instruction."""
    lines = "".join(f"{letter.upper()}: {text} \n " for letter, text in options.items())
    return f"{PLACEHOLDER} \n {question} \n {lines}{INSTRUCTION}"


def entry_json(
    *,
    id: str,
    scenario: str | int,
    video: str,
    type: str,
    phase: str,
    human: str,
    answer: str,
    start: float | None = None,
    end: float | None = None,
    question: str | None = None,
    options: dict[str, str] | None = None,
    group: str | None = None,
    kind: str | None = None,
    reasoning: str | None = None,
) -> dict[str, Any]:
    """An entry as it lies on disk, keys in the recipe's order, then the question as data where it is given."""
    value: dict[str, Any] = {"id": id, "wts_id": scenario, "video": video, "type": type, "phase": phase}
    value["conversations"] = [{"from": "human", "value": human}, {"from": "gpt", "value": answer}]
    more: dict[str, Any] = {"video_start": start, "video_end": end, "question": question, "options": options}
    more |= {"group": group, "answer_kind": kind, "reasoning": reasoning}
    return value | {key: item for key, item in more.items() if item is not None}


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


def read_questions(path: str | Path) -> Iterator[Question]:
    """The questions of a LLaVA JSON in file order. A file of ours is streamed; any other layout is loaded whole.

    Raises ValueError naming the file, the entry's number and what was expected.
    """
    for _, questions in read_entries(path):
        yield from questions


def read_entries(path: str | Path) -> Iterator[tuple[dict[str, Any], list[Question]]]:
    """Each entry as it lies on disk, and its questions, one a turn. As read_questions."""
    for number, value in enumerate(_entries(Path(path))):
        try:
            questions = _questions(value)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            problem = f"key {error} is missing" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{path}: entry {number}: {problem}") from None
        yield value, questions


def videos_a_prompt(paths: Iterable[str | Path]) -> int:
    """How many videos a prompt of some LLaVA JSON has at most: what a server must take. Raises ValueError naming the file."""
    most = 0
    for path in paths:
        for number, entry in enumerate(_entries(Path(path))):
            if not isinstance(entry, dict):
                raise ValueError(f"{path}: entry {number}: expected an object, found {type(entry).__name__}")
            videos = entry.get("video", [])
            most = max(most, len(videos) if isinstance(videos, list) else 1)
    return most


def _entries(path: Path) -> Iterator[Any]:
    with open(path, encoding="utf-8") as stream:
        if stream.readline() != "[\n":
            stream.seek(0)
            entries = _whole(stream, path)
            if not isinstance(entries, list):
                raise ValueError(f"{path}: expected a list of entries, found {type(entries).__name__}")
            yield from entries
            return
        for number, line in enumerate(stream, start=2):
            if line == "]\n":
                return
            try:
                yield strict_json(line.rstrip().removesuffix(","))
            except ValueError as error:
                # Somebody's pretty-printed file also starts with a line "[": read it the plain way.
                if number == 2:
                    stream.seek(0)
                    yield from _whole(stream, path)
                    return
                raise ValueError(f"{path}: line {number}: {error}") from None
        raise ValueError(f"{path}: ends before the closing bracket")


def _whole(stream: IO[str], path: Path) -> Any:
    """The value of a file that is one JSON text."""
    try:
        return strict_json(stream.read().removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text: {error.reason}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _questions(entry: Any) -> list[Question]:
    """One a turn."""
    if not isinstance(entry, dict):
        raise TypeError(f"expected an object, found {type(entry).__name__}")
    conversation = entry["conversations"]
    if not isinstance(conversation, list) or not conversation:
        raise ValueError("conversations: expected a human and a gpt turn")
    expected = [("human", "gpt")[n % 2] for n in range(len(conversation))]
    if [turn["from"] for turn in conversation] != expected or (len(conversation) % 2 and len(conversation) > 1):
        raise ValueError("conversations: expected human and gpt turns one after the other")
    humans = _with_media(entry, [turn["value"] for turn in conversation[::2]])
    answers = [turn["value"].strip() for turn in conversation[1::2]] or [""]
    texts, options = (_of_turns(entry, key, len(humans)) for key in ("question", "options"))
    first = next(part for parts, _ in humans for part in parts if isinstance(part, Medium))
    questions: list[Question] = []
    before_turn: list[Medium | Words] = []
    history: list[Turn] = []
    for number, ((parts, prompt), answer) in enumerate(zip(humans, answers, strict=True)):
        if parts:  # media: what was said so far stands before them
            for turn in history:
                before_turn += [Words(turn.prompt), Words(turn.answer, speaker="model")]
            before_turn += parts
            history = []
        question = Question(
            id=str(entry["id"]) if number == 0 else f"{entry['id']}#{number + 1}",
            scenario=str(entry.get("wts_id", first.file)),
            clip=Clip(tuple(before_turn)),
            type=entry.get("type", ""),
            phase=entry.get("phase", "full_video"),
            text="",
            prompt=prompt,
            answer=answer,
            history=tuple(history),
            group=str(entry.get("group", UNGROUPED)),
            question_id=entry.get("question_id"),
            kind=_kind(entry, len(humans)),
            reasoning=entry.get("reasoning", ""),
        )
        human_turn = question.human_turn
        if texts is None or options is None:
            reading = read_option_list(human_turn, answer or None)
        text = reading.question if texts is None else texts[number]
        choices = reading.options if options is None else options[number] or {}
        questions.append(replace(question, text=text, options=choices))
        history.append(Turn(prompt, answer))
    return questions


def _kind(entry: dict[str, Any], turns: int) -> str:
    """The kind of the answer, of an entry with one turn."""
    kind = entry.get("answer_kind", "")
    if kind not in KINDS:
        raise ValueError(f"answer_kind: expected one of {', '.join(KINDS[1:])}, found {kind!r:.80}")
    if turns > 1 and (kind or entry.get("reasoning")):
        raise ValueError("answer_kind and reasoning go with one question, not with several turns")
    if not isinstance(entry.get("reasoning", ""), str):
        raise ValueError(f"reasoning: expected text, found {entry['reasoning']!r:.80}")
    return str(kind)


def _of_turns(entry: dict[str, Any], key: str, turns: int) -> list[Any] | None:
    """The question's text, or its options, of each turn; None where they are only in the conversation."""
    if key not in entry:
        return None
    values = entry[key] if isinstance(entry[key], list) else [entry[key]]
    if len(values) != turns:
        raise ValueError(f"{key}: expected one for each of {turns} turns, found {len(values)}")
    return values


def _medium_in_front(
    entry: dict[str, Any], waiting: dict[str, deque[Medium]], first_text: str
) -> tuple[list[Medium | Words], str] | None:
    """The only medium and what follows it, all of which is text; None where placeholders must be counted: we write
    `question`, and refuse a placeholder too many where it would be one (roadtrain.data.sources.llava)."""
    media = [(name, medium) for name, of_kind in waiting.items() for medium in of_kind]
    if "question" not in entry or len(media) != 1:
        return None
    placeholder, medium = media[0]
    text = first_text.strip()
    return ([medium], text.removeprefix(placeholder).strip()) if text.startswith(placeholder) else None


def _with_media(entry: dict[str, Any], texts: list[str]) -> list[tuple[list[Medium | Words], str]]:
    """The human turns: media with the words between them, and what is said after the last medium."""
    waiting: dict[str, deque[Medium]] = {}
    for kind in [_KINDS[key] for key in entry if key in _KINDS]:
        names = entry[kind] if isinstance(entry[kind], list) else [entry[kind]]
        window = (entry.get("video_start"), entry.get("video_end")) if kind == "video" else (None, None)
        waiting[f"<{kind}>"] = deque(Medium(name, *window, kind) for name in names)
    if not any(waiting.values()):
        raise KeyError("video")
    if front := _medium_in_front(entry, waiting, texts[0]):
        return [front, *(([], text.strip()) for text in texts[1:])]
    counts = {placeholder: sum(text.count(placeholder) for text in texts) for placeholder in waiting}
    if not any(counts.values()):
        texts = ["".join(name * len(media) for name, media in waiting.items()) + texts[0], *texts[1:]]
    elif wrong := [name for name in waiting if counts[name] != len(waiting[name])]:
        name = wrong[0]
        raise ValueError(f"conversations: expected {len(waiting[name])} times {name}, found {counts[name]}")
    turns: list[tuple[list[Medium | Words], str]] = []
    for text in texts:
        pieces = re.split(f"({'|'.join(waiting)})", text)
        media = [waiting[placeholder].popleft() for placeholder in pieces[1::2]]
        if len(media) == 1 and not (pieces[0].strip() and pieces[2].strip()):
            turns.append(([media[0]], (pieces[0] + pieces[2]).strip()))
            continue
        words = [pieces[0].lstrip(), *pieces[2:-1:2]]
        parts: list[Medium | Words] = []
        for before, medium in zip(words, media, strict=False):  # one more piece of words without a medium: none
            parts += [Words(before), medium] if before.strip() else [medium]
        turns.append((parts, pieces[-1].rstrip() if len(parts) > len(media) else pieces[-1].strip()))
    return turns
