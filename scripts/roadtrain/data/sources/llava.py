"""Any LLaVA JSON (a list, or JSON lines) and a folder of media: videos or pictures, several turns, several media.

    {"id", "video": name or [names] (or "image", or both), "conversations": [{"from": "human", "value"}, {"from": "gpt", ..}, ..]}

Optional: group (what accuracy is told apart by; default: the type), type, phase, scenario or wts_id (what was recorded together), video_start and video_end in seconds.
Human values are kept byte for byte, with two exceptions: where they lack placeholders for their media, these are put in
front; and where they write <image> for a video, as LLaVA's own video data do, it becomes <video>.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from roadtrain.data.option_lists import first_line, read_option_list
from roadtrain.data.question import UNGROUPED
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
    stem,
)
from roadtrain.data.sources.checks import read_seconds
from roadtrain.data.sources.one_file import OneFile
from roadtrain.data.sources.rows import read_records
from roadtrain.media import Kind, Medium

KINDS: dict[str, Kind] = {"video": "video", "videos": "video", "image": "image", "images": "image"}
PLACEHOLDER = re.compile("<(?:video|image)>")
HUMAN, MODEL = ("human", "user"), ("gpt", "assistant", "model")


class Llava(OneFile):
    """Any LLaVA JSON."""

    def tasks(self, split: str) -> list[str]:
        return ["llava"]

    def units(self, split: str) -> Iterator[Unit]:
        for path, value in read_records(self.files[split]):
            yield Unit("", split, (path, value))

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        path, value = unit.where
        try:
            yield _block(value, self.files[unit.split], path, unit.split != "test")
        except Malformed as problem:
            yield problem


def _block(value: Any, file: str, path: str, answered: bool) -> Block:
    if not isinstance(value, dict):
        raise Malformed(file, path, f"expected an object with video and conversations, found {describe_value(value)}")
    names = _media(value, file, path)
    kinds = [kind for kind, _ in names]
    turns = _turns(value, kinds, file, path, answered)
    start, end = optional_seconds(value, "video_start", file, path), optional_seconds(value, "video_end", file, path)
    if start is not None and end is not None and end <= start:
        raise Malformed(file, path, f"expected video_end after video_start, found {start:g} to {end:g}")
    if "video" not in kinds and (start is not None or end is not None):
        raise Malformed(file, path, "video_start and video_end go with videos, not with pictures")
    scenario = value.get("scenario", value.get("wts_id", names[0][1]))
    if not isinstance(scenario, str | int) or isinstance(scenario, bool):
        raise Malformed(file, f"{path}.scenario", f"expected a name or a number, found {describe_value(scenario)}")
    task, phase = (
        optional_text(value, key, default, file, path) for key, default in (("type", "llava"), ("phase", "full_video"))
    )
    exchanges = [
        _exchange(human, answer, file, f"{path}.conversations[{2 * n + 1}].value")
        for n, (human, answer) in enumerate(turns)
    ]
    group = optional_text(value, "group", optional_text(value, "type", UNGROUPED, file, path), file, path)
    first = exchanges[0]
    answer_text = None
    if len(exchanges) == 1 and first.answer is not None:
        answer_text = first.options[first.letter] if first.letter else first.answer
    return Block(
        file=file,
        path=path,
        scenario=str(scenario),
        task=task,
        phase=phase,
        media=[Medium(name, start, end) if kind == "video" else Medium(name, kind=kind) for kind, name in names],
        questions=[Draft(0, Content(exchanges, answer_text, group=group), record_id(value, names[0][1], path, file))],
        wts_id=scenario,
        together=True,
    )


def _exchange(human: str, answer: str | None, file: str, answer_path: str) -> Exchange:
    """The one place where a prompt is read: somebody else's, that came without its options. Raises Malformed for an
    answer that means none of the options, or several: every response to such a question would be wrong."""
    prompt = PLACEHOLDER.sub("", human)
    exchange = Exchange(human, answer, first_line(prompt), read_option_list(human.split(">", 1)[-1]))
    if answer is not None and exchange.options and exchange.letter is None:
        letters = ", ".join(exchange.options)
        raise Malformed(
            file, answer_path, f"expected an answer that means one of {letters}, found {describe_value(answer)}"
        )
    return exchange


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


def optional_seconds(value: dict[str, Any], key: str, file: str, path: str) -> float | None:
    """An optional time. Raises Malformed."""
    if value.get(key) in (None, ""):
        return None
    return read_seconds(value[key], file, f"{path}.{key}")


def optional_text(value: dict[str, Any], key: str, default: str, file: str, path: str) -> str:
    """An optional word. Raises Malformed."""
    if value.get(key) in (None, ""):
        return default
    return str(required_value(value, key, str, file, path, "text"))


def record_id(value: dict[str, Any], media: str, path: str, file: str) -> str:
    """The record's own id, or <media stem>_<its number in the file>. Raises Malformed."""
    if value.get("id") in (None, ""):
        return f"{stem(media)}_{path.strip('[]').removeprefix('line ')}"
    id = value["id"]
    if not isinstance(id, str | int) or isinstance(id, bool) or not str(id).isprintable():
        raise Malformed(file, f"{path}.id", f"expected a name or a number, found {describe_value(id)}")
    return str(id)
