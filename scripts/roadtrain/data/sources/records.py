"""Records as WTS and BDD_PC_5K write them.

    question      {"question", "a", "b", ["c", "d"], "correct"}
    environment   {"id", <videos>, "environment": [question, ..]}
    phases        {"id", <videos>, "event_phase": [{"start_time", "end_time", "labels", "conversations": [question, ..]}]}
    captions      the same with "caption_pedestrian" and "caption_vehicle" instead of "conversations"

The value of <videos> is a name or a list of names; its key differs between views and data sets.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from roadtrain.data.llava import PLACEHOLDER, multiple_choice
from roadtrain.data.question_types import question_type
from roadtrain.data.sources.base import (
    Block,
    Content,
    Draft,
    Exchange,
    Malformed,
    describe_value,
    relative_path,
    required_value,
)
from roadtrain.data.sources.checks import check_options, read_seconds, unread_keys
from roadtrain.media import Medium

PHASES = {"0": "prerecognition", "1": "recognition", "2": "judgement", "3": "action", "4": "avoidance"}
CAPTIONS = {
    "caption_pedestrian": "Describe the pedestrian: appearance, position, attention and movement.",
    "caption_vehicle": "Describe the vehicle: position, movement, and the surroundings.",
}
CAPTION_GROUPS = {key: f"caption of the {key.removeprefix('caption_')}" for key in CAPTIONS}
_NO_QUESTIONS = "; expected a list of questions"
_KEYS = ("a", "b", "c", "d")  # WTS's options; the recipe reads these four
VIDEO_KEYS = ("video_name", "videos", "overhead_videos", "vehicle_view")
# What is read of each object, in any of the data sets. Others are counted by the audit, or refused (checks.unread_keys).
RECORD_KEYS = frozenset((*VIDEO_KEYS, "id", "environment", "event_phase", "conversations"))
PHASE_KEYS = frozenset(("start_time", "end_time", "labels", "conversations", *CAPTIONS))
QUESTION_KEYS = frozenset((*_KEYS, "id", "question", "correct"))


def record_of(data: Any, file: str) -> tuple[dict[str, Any] | None, str]:
    """(record, its path) of a file: a list of one object, or the object itself. None: an empty list asks nothing."""
    if isinstance(data, list):
        if not data:
            return None, ""
        if len(data) > 1:
            raise Malformed(file, "", f"expected a list of one object, found {len(data)}")
        if not isinstance(data[0], dict):
            raise Malformed(file, "[0]", f"expected an object, found {describe_value(data[0])}")
        return data[0], "[0]"
    if not isinstance(data, dict):
        raise Malformed(file, "", f"expected a list of one object, found {describe_value(data)}")
    return data, "$"


_contents: dict[tuple[Any, ...], Content] = {}  # WTS asks a few questions in a few orders: each is checked once
_MOST_CONTENTS = 50_000


def _check_and_remember(row: Any, file: str, path: str, answered: bool) -> Content:
    """Check a question and remember it."""
    content = check_question(row, file, path, answered)
    key = (answered, *row, *row.values())
    if all(type(part) is str for part in key[1:]):  # 1, 1.0 and true would be equal keys
        if len(_contents) >= _MOST_CONTENTS:
            _contents.clear()
        _contents[key] = content
    return content


def check_question(row: Any, file: str, path: str, answered: bool = True) -> Content:
    """A multiple-choice question, checked key by key; raises Malformed. Without `answered`, "correct" isn't
    read. Whole numbers as options and a capital letter as the answer are taken."""
    if not isinstance(row, dict):
        raise Malformed(
            file, path, f"expected an object with question, a, b, .. and correct, found {describe_value(row)}"
        )
    text = required_value(row, "question", str, file, path, "the question's text")
    if not text.strip():
        raise Malformed(file, f"{path}.question", "expected the question's text, found an empty one")
    options = {}
    for key in _KEYS:
        if key in row:
            value = required_value(row, key, (str, int), file, path, "the option's text")
            options[key] = str(value)
            if not options[key].strip():
                raise Malformed(file, f"{path}.{key}", "expected the option's text, found an empty one")
    if len(options) < 2:
        raise Malformed(file, path, f"expected at least the options a and b, found {', '.join(options) or 'none'}")
    if gap := [key for key in _KEYS[: len(options)] if key not in options]:
        raise Malformed(file, path, f"option {gap[0]!r} is missing; found {', '.join(options)}")
    if unknown := [key for key in row if len(key) == 1 and key not in _KEYS]:
        raise Malformed(file, f"{path}.{unknown[0]}", "expected options a to d only")
    check_options(options, file, path)
    unread = unread_keys(row, QUESTION_KEYS, file, path)
    answer = None  # a test's is left aside even where it is there: nothing may see it
    if answered:
        answer = required_value(row, "correct", str, file, path, "the right option's letter")
        answer = answer.strip().lower()
        if answer not in options:
            allowed = ", ".join(options)
            raise Malformed(
                file, f"{path}.correct", f"expected one of {allowed}, found {describe_value(row['correct'])}"
            )
    letters = {letter.upper(): words for letter, words in options.items()}
    exchange = Exchange(multiple_choice(text, letters), answer and answer.upper(), text.strip(), letters)
    return Content([exchange], options[answer] if answer else None, unread=unread, group=question_type(text))


def check_questions(rows: Any, file: str, path: str, answered: bool) -> tuple[list[Draft], list[Malformed]]:
    """(questions, problems) of a list of rows. Raises Malformed when it isn't a list."""
    if not isinstance(rows, list):
        raise Malformed(file, path, f"expected a list of questions, found {describe_value(rows)}")
    good: list[Draft] = []
    bad: list[Malformed] = []
    for number, row in enumerate(rows):
        try:
            content = _contents.get((answered, *row, *row.values()))
        except (AttributeError, TypeError):  # not an object, or a value that is a list or an object
            content = None
        if content is None:
            try:
                content = _check_and_remember(row, file, f"{path}[{number}]", answered)
            except Malformed as problem:
                bad.append(problem)
                continue
        good.append(Draft(number, content))
    return good, bad


def phase_window(phase: Any, file: str, path: str) -> tuple[str, float, float]:
    """(label, start, end) of an event phase; seconds. Raises Malformed."""
    if not isinstance(phase, dict):
        raise Malformed(
            file, path, f"expected an object with start_time, end_time and labels, found {describe_value(phase)}"
        )
    unread_keys(phase, PHASE_KEYS, file, path)
    labels = required_value(phase, "labels", list, file, path, "a list of one label")
    is_label = len(labels) == 1 and isinstance(labels[0], str | int) and not isinstance(labels[0], bool)
    if not is_label or not str(labels[0]).strip():
        raise Malformed(file, f"{path}.labels", f"expected a list of one label, found {json.dumps(labels)[:60]}")
    label = str(labels[0]).strip()
    start, end = (
        read_seconds(required_value(phase, key, (str, int, float), file, path, "seconds"), file, f"{path}.{key}")
        for key in ("start_time", "end_time")
    )
    if not end > start:
        raise Malformed(file, path, f"expected end_time after start_time, found {start:g} to {end:g}")
    return PHASES.get(label, label), start, end


def record_videos(record: dict[str, Any], keys: tuple[str, ...], file: str, path: str) -> list[str]:
    """The videos that a record is about: file names, under the first of `keys` that it has. Raises Malformed."""
    present = [key for key in keys if key in record]
    if not present:
        raise Malformed(file, path, f"key {' or '.join(map(repr, keys))} is missing; expected names of videos")
    key = present[0]
    if other := [name for name in present if record[name] != record[key]]:
        raise Malformed(file, f"{path}.{other[0]}", f"says other videos than {key!r}; keep one of the two")
    names = [record[key]] if isinstance(record[key], str) else record[key]
    if not isinstance(names, list) or not names:
        raise Malformed(file, f"{path}.{key}", f"expected names of videos, found {describe_value(record[key])}")
    for i, name in enumerate(names):
        if "/" in relative_path(name, file, f"{path}.{key}[{i}]"):
            raise Malformed(file, f"{path}.{key}[{i}]", f"expected a file's name without folders, found {name!r}")
    return names


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record stands, and what it is about."""

    file: str
    path: str  # of the record in the file
    scenario: str
    task: str
    media: list[str]  # its videos, relative to the media root


def record_blocks(
    record: dict[str, Any], place: RecordPlace, *, prefix: str = "", answered: bool = True, need_id: bool = True
) -> Iterator[Block | Malformed]:
    """What a record asks about its videos. `prefix` begins the ids' numbers. Raises Malformed for the whole of it."""
    file, path, task = place.file, place.path, place.task
    wts_id = record.get("id")
    if need_id and wts_id is None:
        raise Malformed(file, path, "key 'id' is missing; expected the scenario's number")
    if wts_id is not None and (not isinstance(wts_id, int | str) or isinstance(wts_id, bool)):
        raise Malformed(file, f"{path}.id", f"expected the scenario's number, found {describe_value(wts_id)}")
    unread = unread_keys(record, RECORD_KEYS, file, path)
    if "environment" in record and "event_phase" in record:
        raise Malformed(file, f"{path}.event_phase", "stands beside 'environment', and only one of them can be asked")
    if task == "environment" and "environment" not in record:
        reason = ": found 'event_phase' in an environment file" if "event_phase" in record else _NO_QUESTIONS
        raise Malformed(file, path, f"key 'environment' is missing{reason}")
    if "environment" in record:
        path = f"{path}.environment"
        good, bad = check_questions(record["environment"], file, path, answered)
        yield Block(
            file=file,
            path=path,
            scenario=place.scenario,
            task=task,
            phase="full_video",
            media=[Medium(name) for name in place.media],
            questions=good,
            wts_id=wts_id,
            prefix=prefix,
            problems=bad,
            unread=unread,
        )
        return
    phases = required_value(record, "event_phase", list, file, path, "a list of phases")
    for number, phase in enumerate(phases):
        try:
            block = _phase_block(phase, number, place, wts_id, prefix, answered)
            block.unread += unread
            yield block
        except Malformed as problem:
            yield problem


def _phase_block(
    phase: Any, number: int, place: RecordPlace, wts_id: str | int | None, prefix: str, answered: bool
) -> Block:
    """What is asked about one window of the videos. Raises Malformed."""
    file, path = place.file, f"{place.path}.event_phase[{number}]"
    label, start, end = phase_window(phase, file, path)
    bad: list[Malformed] = []
    if place.task.endswith("caption"):
        good = caption_drafts(phase, file, path) if answered else unanswered_captions()
    else:
        if "conversations" not in phase:
            raise Malformed(file, path, f"key 'conversations' is missing{_NO_QUESTIONS}")
        path = f"{path}.conversations"
        good, bad = check_questions(phase["conversations"], file, path, answered)
    return Block(
        file=file,
        path=path,
        scenario=place.scenario,
        task=place.task,
        phase=label,
        media=[Medium(name, start, end) for name in place.media],
        questions=good,
        wts_id=wts_id,
        prefix=f"{prefix}{number}_{label}_",
        problems=bad,
        unread=tuple(key for key in phase if key not in PHASE_KEYS),
    )


def is_caption(options: dict[str, str], group: str | None) -> bool:
    """Whether a question of these options and this group asks for one of WTS's captions."""
    return not options and group in CAPTION_GROUPS.values()


def caption_drafts(phase: dict[str, Any], file: str, path: str) -> list[Draft]:
    """The captions of a phase as open questions. Raises Malformed when there is none."""
    drafts = []
    for number, (key, text) in enumerate(CAPTIONS.items()):
        if key in phase:
            caption = required_value(phase, key, str, file, path, "a caption").strip()
            if caption:
                exchange = Exchange(f"{PLACEHOLDER} \n {text}", caption, text, {})
                drafts.append(Draft(number, Content([exchange], caption, group=CAPTION_GROUPS[key])))
    if not drafts:
        raise Malformed(file, path, f"expected a caption under {' or '.join(CAPTIONS)}, found none")
    return drafts


def unanswered_captions() -> list[Draft]:
    """Both captions of a test's phase. A reference is left aside even where there is one: nothing may see it."""
    return [
        Draft(
            number,
            Content([Exchange(f"{PLACEHOLDER} \n {text}", None, text, {})], None, group=CAPTION_GROUPS[key]),
        )
        for number, (key, text) in enumerate(CAPTIONS.items())
    ]
