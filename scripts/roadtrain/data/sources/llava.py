"""Any LLaVA JSON (a list, or JSON lines) and a folder of media: videos or pictures, several turns, several media.

    {"id", "video": name or [names] (or "image", or both), "conversations": [{"from": "human", "value"}, {"from": "gpt", ..}, ..]}

Optional: group (what accuracy is told apart by; default: the type, then category or question_type), type, phase, scenario or wts_id (what was recorded
together), video_start and video_end in seconds, question and options as data (of several turns a list of each). Where there
are no options they are read out of the prompt (roadtrain.data.option_lists); what can't be decided is an open question, and
the audit shows it. Other keys are counted by the audit, or refused where they look like one of these
(roadtrain.data.sources.checks).
Human values are kept byte for byte, with two exceptions: where they lack placeholders for their media, these are put in
front; and where they write <image> for a video, as LLaVA's own video data do, it becomes <video>.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from roadtrain.data.answers import read_answer
from roadtrain.data.option_lists import OptionList, first_line, read_option_list
from roadtrain.data.question import UNGROUPED
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
    stem,
)
from roadtrain.data.sources.checks import check_options, check_split, plain_words, read_name, read_window, unread_keys
from roadtrain.data.sources.one_file import OneFile
from roadtrain.data.sources.rows import read_records
from roadtrain.media import Kind, Medium

KINDS: dict[str, Kind] = {"video": "video", "videos": "video", "image": "image", "images": "image"}
PLACEHOLDER = re.compile("<(?:video|image)>")
LEADING = re.compile(r"^(?:\s*<(?:video|image)>)+|(?:<(?:video|image)>\s*)+$")  # media before or after all words
HUMAN, MODEL = ("human", "user"), ("gpt", "assistant", "model")
TURN_KEYS = frozenset(("from", "value"))
ENTRY_KEYS = frozenset(
    (*KINDS, "id", "conversations", "question", "options", "scenario", "wts_id", "type", "group", "phase")
    + ("video_start", "video_end", "question_id")
)


GROUPS = ("category", "question_type")  # other data sets' names of the group


class Llava(OneFile):
    """Any LLaVA JSON."""

    def tasks(self, split: str) -> list[str]:
        return ["llava"]

    def units(self, split: str) -> Iterator[Unit]:
        for path, value in read_records(self.files[split]):
            yield Unit("", split, (path, value))

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        path, value = unit.where
        if isinstance(value, Malformed):
            yield value
            return
        try:
            check_split(value, unit.split, self.files[unit.split], path)
            yield _block(value, self.files[unit.split], path, unit.split != "test")
        except Malformed as problem:
            yield problem


def _block(value: Any, file: str, path: str, answered: bool) -> Block:
    if not isinstance(value, dict):
        raise Malformed(file, path, f"expected an object with video and conversations, found {describe_value(value)}")
    unread = unread_keys(value, ENTRY_KEYS, file, path) + _unread_of_turns(value.get("conversations"))
    names = _media(value, file, path)
    kinds = [kind for kind, _ in names]
    turns = _turns(value, kinds, file, path, answered)
    start, end = read_window(value, ("video_start", "video_end"), file, path)
    if "video" not in kinds and (start is not None or end is not None):
        raise Malformed(file, path, "video_start and video_end go with videos, not with pictures")
    scenario, wts_id, task, group, phase = (
        read_name(value, key, file, path) for key in ("scenario", "wts_id", "type", "group", "phase")
    )
    if scenario and wts_id and wts_id != scenario:
        raise Malformed(file, f"{path}.wts_id", "says another scenario than 'scenario'; keep one of the two")
    scenario = scenario or wts_id or names[0][1]
    group = group or task or _category(value, file, path) or UNGROUPED
    unread = tuple(key for key in unread if key not in GROUPS or value.get("group") or task)
    exchanges: list[Exchange] = []
    doubts: list[Malformed] = []
    for n, (turn, reading) in enumerate(zip(turns, _readings(value, turns, file, path), strict=True)):
        exchanges.append(_exchange(turn, reading, file, f"{path}.conversations[{2 * n + 1}].value"))
        if reading.doubt:
            doubts.append(Malformed(file, f"{path}.conversations[{2 * n}].value", reading.doubt))
    first = exchanges[0]
    answer_text = None
    if len(exchanges) == 1 and first.answer is not None:
        answer_text = first.options[first.letter] if first.letter else first.answer
    return Block(
        file=file,
        path=path,
        scenario=scenario,
        task=task or "llava",
        phase=phase or "full_video",
        media=[Medium(name, start, end) if kind == "video" else Medium(name, kind=kind) for kind, name in names],
        questions=[Draft(0, Content(exchanges, answer_text, group=group), record_id(value, names[0][1], path, file))],
        wts_id=next((raw for raw in map(value.get, ("scenario", "wts_id")) if isinstance(raw, int)), scenario),
        together=True,
        doubts=doubts,
        unread=unread,
    )


def _category(value: dict[str, Any], file: str, path: str) -> str:
    """What other data sets call the group; "" where there is none. Raises Malformed for two that differ."""
    names = {key: name for key in GROUPS if (name := read_name(value, key, file, path))}
    if len(set(names.values())) > 1:
        problem = f"says another group than {next(iter(names))!r}; keep one of the two, or write 'group'"
        raise Malformed(file, f"{path}.{list(names)[1]}", problem)
    return next(iter(names.values()), "")


def _readings(value: dict[str, Any], turns: list[tuple[str, str | None]], file: str, path: str) -> list[OptionList]:
    """The question and the options of each turn: the entry's own, or what the prompt says. Raises Malformed."""
    texts, options = (_of_turns(value, key, len(turns), file, path) for key in ("question", "options"))
    readings = []
    for n, (human, answer) in enumerate(turns):
        prompt = LEADING.sub("", human)
        where = f"{path}.options[{n}]" if len(turns) > 1 else f"{path}.options"
        if options is None:
            reading = read_option_list(prompt, answer)
            texts_only = {key: text for key, text in reading.options.items() if not PLACEHOLDER.search(text)}
            check_options(texts_only, file, f"{path}.conversations[{2 * n}].value")
        else:
            reading = OptionList(first_line(prompt), _letters(options[n], file, where))
            if missing := [words for words in reading.options.values() if words not in human]:
                raise Malformed(file, where, f"the prompt of this turn doesn't show the option {missing[0]!r}")
            _check_same_options(reading.options, read_option_list(prompt, answer).options, file, where)
        if texts is not None:
            if not isinstance(texts[n], str) or not texts[n].strip():
                raise Malformed(
                    file, f"{path}.question", f"expected the question's text, found {describe_value(texts[n])}"
                )
            reading = replace(reading, question=texts[n].strip())
        readings.append(reading)
    return readings


def _of_turns(value: dict[str, Any], key: str, turns: int, file: str, path: str) -> list[Any] | None:
    """What an entry says of each turn under a key; None where it says nothing."""
    if value.get(key) is None:
        return None
    each = value[key] if turns > 1 else [value[key]]
    if not isinstance(each, list) or len(each) != turns:
        raise Malformed(file, f"{path}.{key}", f"expected a list of {turns}, one a turn, found {describe_value(each)}")
    return each


def _letters(field: Any, file: str, path: str) -> dict[str, str]:
    """{capital letter: text} of a turn's options, which are an object or a list; empty: an open question."""
    if isinstance(field, list):
        field = dict(zip(LETTERS, field, strict=False)) if len(field) <= len(LETTERS) else None
    if not isinstance(field, dict) or len(field) == 1:
        raise Malformed(file, path, "expected {} or two options or more: a list, or {letter: text}")
    for letter, (key, words) in zip(LETTERS, field.items(), strict=False):
        if key != letter:
            raise Malformed(file, path, f"expected the option {letter}, found {describe_value(key)}")
        if not isinstance(words, str) or not words.strip():
            raise Malformed(file, f"{path}.{key}", f"expected the option's text, found {describe_value(words)}")
    check_options(field, file, path)
    return {letter: words.strip() for letter, words in field.items()}


def _exchange(turn: tuple[str, str | None], reading: OptionList, file: str, answer_path: str) -> Exchange:
    """A turn as data. Raises Malformed for an answer that means none of the options, or several, or none beside its reasoning:
    every response to such a question would be wrong."""
    human, answer = turn
    _check_collision(answer, reading.options, file, answer_path)
    exchange = Exchange(human, answer, reading.question, reading.options)
    if answer is not None and exchange.options and exchange.letter is None:
        letters, words = ", ".join(exchange.options), describe_value(answer)
        raise Malformed(
            file,
            answer_path,
            f"expected an answer that means one of {letters}, found {words}; options: {{}} makes it an open question",
        )
    if answer is not None and not exchange.options and read_answer(answer, {}).letter is None:
        raise Malformed(
            file, answer_path, f"expected words beside reasoning and control tokens, found {describe_value(answer)}"
        )
    return exchange


def _check_same_options(options: dict[str, str], visible: dict[str, str], file: str, path: str) -> None:
    """Raises Malformed where the prompt has a list of other options than those that are given: a letter would mean two."""
    for letter in dict.fromkeys([*options, *visible]) if options and visible else ():
        here, there = options.get(letter), visible.get(letter)
        # A list shows the first line of an option, and may separate options by commas.
        plain = [plain_words(text.strip().split("\n")[0].rstrip(" ,;|")) for text in (here, there) if text]
        if len(plain) < 2 or plain[0] != plain[1]:
            words, prompt = (describe_value(text) if text else "not there" for text in (here, there))
            raise Malformed(file, path, f"the option {letter} is {words}, and in the prompt's list {prompt}")


def _check_collision(answer: str | None, options: dict[str, str], file: str, path: str) -> None:
    """Raises Malformed for an answer that is the letter of one option and the words of another."""
    plain = plain_words(answer or "")
    letter = next((letter for letter in options if plain_words(letter) == plain), None)
    other = next((key for key, words in options.items() if plain_words(words) == plain), None)
    if letter and other and letter != other:
        raise Malformed(
            file,
            path,
            f"{describe_value(answer)} is the letter of the option {letter} ({describe_value(options[letter])}) and the"
            f" words of the option {other}; write options in other words",
        )


def _media(value: dict[str, Any], file: str, path: str) -> list[tuple[Kind, str]]:
    """(video or image, name) of each medium."""
    keys = [key for key in value if key in KINDS]
    if not keys:
        raise Malformed(file, path, "expected 'video' or 'image', found neither")
    if len({KINDS[key] for key in keys}) < len(keys):
        raise Malformed(file, path, f"expected one list of each kind, found {' and '.join(keys)}")
    media: list[tuple[Kind, str]] = []
    for key in keys:
        names = [value[key]] if isinstance(value[key], str) else value[key]
        if not isinstance(names, list) or not names:
            raise Malformed(
                file, f"{path}.{key}", f"expected a name or names of files, found {describe_value(value[key])}"
            )
        media += [(KINDS[key], relative_path(name, file, f"{path}.{key}[{i}]")) for i, name in enumerate(names)]
    return media


def _turns(
    value: dict[str, Any], kinds: list[Kind], file: str, path: str, answered: bool
) -> list[tuple[str, str | None]]:
    conversation = required_value(value, "conversations", list, file, path, "a list of turns")
    if not conversation:
        raise Malformed(file, f"{path}.conversations", "expected a human and a gpt turn, found an empty list")
    texts: list[str] = []
    for i, turn in enumerate(conversation):
        where = f"{path}.conversations[{i}]"
        if not isinstance(turn, dict):
            raise Malformed(file, where, f"expected an object with from and value, found {describe_value(turn)}")
        unread_keys(turn, TURN_KEYS, file, where)
        speaker = required_value(turn, "from", str, file, where, "human or gpt")
        if speaker not in (MODEL if i % 2 else HUMAN):
            raise Malformed(
                file, f"{where}.from", f"expected {'gpt' if i % 2 else 'human'}, found {describe_value(speaker)}"
            )
        words = required_value(turn, "value", str, file, where, "text")
        if not words.strip():
            raise Malformed(file, f"{where}.value", "expected text, found an empty one")
        texts.append(words)
    if len(texts) % 2 and (answered or len(texts) > 1):
        raise Malformed(
            file, f"{path}.conversations", "expected a gpt turn after every human turn; the last is missing"
        )
    placeholders = Counter(name for human in texts[::2] for name in PLACEHOLDER.findall(human))
    expected = Counter(f"<{kind}>" for kind in kinds)
    if not placeholders:
        texts[0] = "".join(f"<{kind}>\n" for kind in kinds) + texts[0]
    elif placeholders == {"<image>": len(kinds)} and "image" not in kinds:
        texts = [text if n % 2 else text.replace("<image>", "<video>") for n, text in enumerate(texts)]
    elif placeholders != expected:
        name = next(name for name in ("<video>", "<image>") if placeholders[name] != expected[name])
        problem = f"expected {expected[name]} times {name}, found {placeholders[name]}"
        raise Malformed(file, f"{path}.conversations", problem)
    if not answered:
        return [(human, None) for human in texts[::2]]
    return list(zip(texts[::2], texts[1::2], strict=True))


def _unread_of_turns(turns: Any) -> tuple[str, ...]:
    """Keys of turns that nobody reads (`weight`), as the audit counts them."""
    dicts = [turn for turn in turns if isinstance(turn, dict)] if isinstance(turns, list) else []
    return tuple(dict.fromkeys(f"conversations.{key}" for turn in dicts for key in turn if key not in TURN_KEYS))


def record_id(value: dict[str, Any], media: str, path: str, file: str) -> str:
    """The record's own id, or <media stem>_<its number in the file>. Raises Malformed."""
    if value.get("id") is None or not str(value["id"]).strip():
        return f"{stem(media)}_{path.strip('[]').removeprefix('line ')}"
    id = value["id"]
    if not isinstance(id, str | int) or isinstance(id, bool) or not str(id).isprintable():
        raise Malformed(file, f"{path}.id", f"expected a name or a number, found {describe_value(id)}")
    return str(id).strip()
