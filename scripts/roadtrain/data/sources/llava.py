"""Any LLaVA JSON (a list, or JSON lines) and a folder of media: videos or pictures, several turns, several media.

    {"id", "video": name or [names] (or "image", or both), "conversations": [{"from": "human", "value"}, {"from": "gpt", ..}, ..]}

Optional: type, phase, scenario or wts_id (what was recorded together), video_start and video_end in seconds.
Human values are kept byte for byte, with two exceptions: where they lack placeholders for their media, these are put in
front; and where they write <image> for a video, as LLaVA's own video data do, it becomes <video>.
"""

import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from roadtrain.data.option_lists import first_line, read_option_list
from roadtrain.data.sources.base import Block, Content, Draft, Exchange, Malformed, Unit, get, inside, shown, stem
from roadtrain.data.sources.rows import read_records

KINDS = {"video": "video", "videos": "video", "image": "image", "images": "image"}
PLACEHOLDER = re.compile("<(?:video|image)>")
HUMAN, MODEL = ("human", "user"), ("gpt", "assistant", "model")


@dataclass(frozen=True)
class Llava:
    """`files`: {split: annotation file}, `media`: the folder that entries' media are relative to."""

    files: dict[str, str]
    media: str
    rows = True

    def tasks(self, split: str) -> list[str]:
        return ["llava"]

    def media_root(self, split: str) -> str:
        return self.media

    def input_files(self, split: str) -> list[str]:
        return [self.files[split]] if os.path.exists(self.files.get(split, "")) else []

    def media_files(self, split: str) -> list[str]:
        return media_below(self.media)

    def units(self, split: str) -> Iterator[Unit]:
        for path, value in read_records(self.files[split]):
            yield Unit("", split, (path, value))

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        path, value = unit.where
        try:
            yield _block(value, self.files[unit.split], path, unit.split != "test")
        except Malformed as problem:
            yield problem


def media_below(folder: str) -> list[str]:
    """Every file of a folder of media, sorted; hidden ones and annotation files left out."""
    found = []
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            os.path.join(base, name)
            for name in names
            if not name.startswith(".") and not name.endswith((".json", ".jsonl", ".csv", ".txt", ".md"))
        ]
    return sorted(os.path.normpath(path) for path in found)


def _block(value: Any, file: str, path: str, answered: bool) -> Block:
    if not isinstance(value, dict):
        raise Malformed(file, path, f"expected an object with video and conversations, found {shown(value)}")
    kinds, media = _media(value, file, path)
    turns = _turns(value, kinds, file, path, answered)
    start, end = seconds(value, "video_start", file, path), seconds(value, "video_end", file, path)
    if start is not None and end is not None and end <= start:
        raise Malformed(file, path, f"expected video_end after video_start, found {start:g} to {end:g}")
    if "video" not in kinds and (start is not None or end is not None):
        raise Malformed(file, path, "video_start and video_end go with videos, not with pictures")
    scenario = value.get("scenario", value.get("wts_id", media[0]))
    if not isinstance(scenario, str | int) or isinstance(scenario, bool):
        raise Malformed(file, f"{path}.scenario", f"expected a name or a number, found {shown(scenario)}")
    task, phase = (
        text(value, key, default, file, path) for key, default in (("type", "llava"), ("phase", "full_video"))
    )
    exchanges = [_exchange(human, answer) for human, answer in turns]
    first = exchanges[0]
    answer_text = None
    if len(exchanges) == 1 and first.answer is not None:
        answer_text = first.options.get(first.answer, first.answer)
    question = Draft(0, Content(exchanges, answer_text), own_id(value, media[0], path, file))
    return Block(
        file,
        path,
        str(scenario),
        task,
        phase,
        media,
        [question],
        scenario,
        start,
        end,
        kinds=kinds if "image" in kinds else [],
        together=True,
    )


def _exchange(human: str, answer: str | None) -> Exchange:
    """The one place where a prompt is read: somebody else's, that came without its options."""
    prompt = PLACEHOLDER.sub("", human)
    return Exchange(human, answer, first_line(prompt), read_option_list(human.split(">", 1)[-1]))


def _media(value: dict, file: str, path: str) -> tuple[list[str], list[str]]:
    """(video or image, name) of each medium, as two lists."""
    keys = [key for key in value if key in KINDS]
    if not keys:
        raise Malformed(file, path, "expected 'video' or 'image', found neither")
    if len({KINDS[key] for key in keys}) < len(keys):
        raise Malformed(file, path, f"expected one list of each kind, found {' and '.join(keys)}")
    kinds, media = [], []
    for key in keys:
        names = [value[key]] if isinstance(value[key], str) else value[key]
        if not isinstance(names, list) or not names:
            raise Malformed(file, f"{path}.{key}", f"expected a name or names of files, found {shown(value[key])}")
        media += [inside(name, file, f"{path}.{key}[{i}]") for i, name in enumerate(names)]
        kinds += [KINDS[key]] * len(names)
    return kinds, media


def _turns(value: dict, kinds: list[str], file: str, path: str, answered: bool) -> list[tuple[str, str | None]]:
    said = get(value, "conversations", list, file, path, "a list of turns")
    if not said:
        raise Malformed(file, f"{path}.conversations", "expected a human and a gpt turn, found an empty list")
    texts = []
    for i, turn in enumerate(said):
        where = f"{path}.conversations[{i}]"
        if not isinstance(turn, dict):
            raise Malformed(file, where, f"expected an object with from and value, found {shown(turn)}")
        who = get(turn, "from", str, file, where, "human or gpt")
        if who not in (MODEL if i % 2 else HUMAN):
            raise Malformed(file, f"{where}.from", f"expected {'gpt' if i % 2 else 'human'}, found {shown(who)}")
        words = get(turn, "value", str, file, where, "text")
        if not words.strip():
            raise Malformed(file, f"{where}.value", "expected text, found an empty one")
        texts.append(words)
    if len(texts) % 2:
        if answered or len(texts) > 1:
            raise Malformed(
                file,
                f"{path}.conversations",
                "expected a gpt turn after every human turn; the last is missing",
            )
        texts.append(None)
    found = Counter(name for human in texts[::2] for name in PLACEHOLDER.findall(human))
    wanted = Counter(f"<{kind}>" for kind in kinds)
    if not found:
        texts[0] = "".join(f"<{kind}>\n" for kind in kinds) + texts[0]
    elif found == {"<image>": len(kinds)} and "image" not in kinds:
        texts = [text if n % 2 or text is None else text.replace("<image>", "<video>") for n, text in enumerate(texts)]
    elif found != wanted:
        name = next(name for name in ("<video>", "<image>") if found[name] != wanted[name])
        expected = f"expected {wanted[name]} times {name}, found {found[name]}"
        raise Malformed(file, f"{path}.conversations", expected)
    return [(texts[i], texts[i + 1] if answered else None) for i in range(0, len(texts), 2)]


def seconds(value: dict, key: str, file: str, path: str) -> float | None:
    """An optional time. Raises Malformed."""
    if value.get(key) in (None, ""):
        return None
    try:
        number = math.nan if isinstance(value[key], bool) else float(value[key])
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise Malformed(file, f"{path}.{key}", f"expected seconds, 0 or more, found {shown(value[key])}")
    return number


def text(value: dict, key: str, default: str, file: str, path: str) -> str:
    """An optional word. Raises Malformed."""
    if value.get(key) in (None, ""):
        return default
    return get(value, key, str, file, path, "text")


def own_id(value: dict, media: str, path: str, file: str) -> str:
    """The record's own id, or <media stem>_<its number in the file>. Raises Malformed."""
    if value.get("id") in (None, ""):
        return f"{stem(media)}_{path.strip('[]').removeprefix('line ')}"
    id = value["id"]
    if not isinstance(id, str | int) or isinstance(id, bool) or not str(id).isprintable():
        raise Malformed(file, f"{path}.id", f"expected a name or a number, found {shown(id)}")
    return str(id)
