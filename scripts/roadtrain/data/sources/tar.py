"""TAR, the AI City challenge's Traffic Anomaly Reasoning (its public data card: nvidia/PhysicalAI-Traffic-Anomaly-Reasoning).

    train/<task>.json   {"format": "tao-vl-reason-v1.0", "metadata": {"task": <task>, ..}, "media_root": null,
                         "items": [{"video_id", "question", "answer", "reasoning"}, ..]}
    val/<task>.json     the same; TAR has none: data.split takes it out of train
    test/test.json      items of all tasks: {"item_index", "task_type", "video_id", "question", "answer": ""}
    videos/<video_id>   of the test also videos/[tar_test/]<video_id>.mp4, as its download script writes them

A question says in its own words how it is answered, so its text is the prompt. The reasoning stands beside the answer in an
entry, never in it. Ids are <task>_<number in its file>, or an item's own `item_index`.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from roadtrain.data.answer_kinds import BINARY, INTERVAL, TEXT, read_interval, read_yes_no
from roadtrain.data.answer_reasoning import TAG
from roadtrain.data.llava import PLACEHOLDER
from roadtrain.data.option_lists import first_line, read_option_list
from roadtrain.data.provenance import TAR
from roadtrain.data.sources.annotation_files import load_json
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
from roadtrain.data.sources.checks import check_options, unread_keys
from roadtrain.media import Medium

FORMAT = "tao-vl-reason-v1.0"
INSTRUCTION = "Answer in the form <think>your reasoning</think><answer>your answer</answer>."
CHOICE = ""
KIND_OF = {  # {task: kind of its answers}, in the data card's order
    "bcq": BINARY,
    "bcq_openended": TEXT,
    "mcq": CHOICE,
    "mcq_openended": TEXT,
    "open_qa": TEXT,
    "scene_description": TEXT,
    "video_summarization": TEXT,
    "temporal_localization": INTERVAL,
    "temporal_description": TEXT,
    "causal_linkage": TEXT,
}
TASKS = tuple(KIND_OF)
KEYS = frozenset(("format", "metadata", "media_root", "items"))
TEST_FOLDERS, ENDING = ("", "tar_test/"), ".mp4"  # where the test's download script writes <video_id>.mp4
ITEM_KEYS = frozenset(("video_id", "question", "answer", "reasoning", "item_index", "task_type"))


@dataclass(frozen=True)
class Tar:
    """`root` holds train/, `media` the videos. `reasoning`: it is kept, and asked for."""

    root: str
    media: str
    selected: tuple[str, ...] = TASKS
    reasoning: bool = False
    files: dict[str, str] = field(default_factory=dict)  # of the test; of train and val the folder, for messages
    rows = True

    def set_of(self, file: str) -> str:
        """TAR's videos are those of public data sets, a folder each."""
        return f"{TAR}: {file.split('/')[0]}" if "/" in file else TAR

    def tasks(self, split: str) -> list[str]:
        """As Source."""
        return [task for task in TASKS if task in self.selected]

    def media_root(self, split: str) -> str:
        """As Source."""
        return self.media

    def input_files(self, split: str) -> list[str]:
        """As Source."""
        files = [self.files["test"]] if split == "test" else [file for _, file in self._task_files(split)]
        return sorted(filter(os.path.exists, files))

    def units(self, split: str) -> Iterator[Unit]:
        """As Source: one an item, file by file."""
        if split == "test":
            yield from self._items(self.files["test"], split, None)
            return
        for task, file in self._task_files(split):
            if not os.path.exists(file):
                remedy = "data.split: {val: 0.1} takes it out of train" if split == "val" else "data.tasks says which"
                raise ValueError(f"{file}: no such file: the source tar reads one a task; {remedy}")
            yield from self._items(file, split, task)

    def blocks(self, unit: Unit) -> Iterator[Block | Malformed]:
        """As Source."""
        file, path, task, item = unit.where
        try:
            block = _block(item, file, path, task, self.reasoning, unit.split != "test")
            yield replace(block, media=[Medium(self._test_video(block.scenario))]) if unit.split == "test" else block
        except Malformed as problem:
            yield problem

    def find_videos(self) -> dict[str, list[str]]:
        """{name of a test's video: its paths below `media`} of those whose names say neither folder nor ending."""
        videos: dict[str, list[str]] = {}
        for folder in TEST_FOLDERS:
            with contextlib.suppress(OSError):  # no such folder
                for file in sorted(os.listdir(f"{self.media}/{folder}")):
                    if file.endswith(ENDING):
                        videos.setdefault(file.removesuffix(ENDING), []).append(f"{folder}{file}")
        return videos

    def _test_video(self, name: str) -> str:
        """Where a test's video lies; its name where it lies nowhere."""
        places = [name, *(f"{folder}{name}{ending}" for folder in TEST_FOLDERS for ending in (ENDING, ""))]
        return next((place for place in places if os.path.isfile(f"{self.media}/{place}")), name)

    def _task_files(self, split: str) -> list[tuple[str, str]]:
        return [(task, f"{self.root}/{split}/{task}.json") for task in self.tasks(split)]

    def _items(self, file: str, split: str, task: str | None) -> Iterator[Unit]:
        """The items of a file of one task, or of the tasks that were asked for where each says its own."""
        others = [name for name in TASKS if name not in self.selected]  # no set: a value may be a list
        for number, item in enumerate(_read_items(file, task)):
            if task is None and isinstance(item, dict) and item.get("task_type") in others:
                continue
            yield Unit("", split, (file, f"items[{number}]", task, item))


def submitted_items(file: str) -> dict[str, str]:
    """{item_index: task} of a test, in its order: what a submission must have, whatever was converted. Raises Malformed."""
    items: dict[str, str] = {}
    for number, item in enumerate(_read_items(file, None)):
        path = f"items[{number}]"
        if not isinstance(item, dict) or item.get("item_index") is None:
            problem = f"expected an object with item_index, which a submission names, found {describe_value(item)}"
            raise Malformed(file, path, problem)
        task = _task(item, None, file, path)
        if (id := _id(item, task, file, path)) in items:
            raise Malformed(file, f"{path}.item_index", f"{describe_value(id)} is there twice")
        items[id] = task
    return items


def _read_items(file: str, task: str | None) -> list[Any]:
    """Raises Malformed for a file of another format, or of another task than its name says."""
    value = load_json(file)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        value_words = describe_value(value.get("format") if isinstance(value, dict) else value)
        raise Malformed(file, "format", f"expected an object of the format {FORMAT!r}, found {value_words}")
    unread_keys(value, KEYS, file, "$")
    metadata = value.get("metadata")
    about = metadata.get("task", task) if isinstance(metadata, dict) else task
    if task is not None and about != task:
        raise Malformed(
            file, "metadata.task", f"expected {task!r}, as the file is called, found {describe_value(about)}"
        )
    items: list[Any] = required_value(value, "items", list, file, "$", "a list of items")
    return items


def _block(item: Any, file: str, path: str, task: str | None, reasoning: bool, answered: bool) -> Block:
    if not isinstance(item, dict):
        problem = f"expected an object with video_id, question and answer, found {describe_value(item)}"
        raise Malformed(file, path, problem)
    unread = unread_keys(item, ITEM_KEYS, file, path)
    task = _task(item, task, file, path)
    video = relative_path(required_value(item, "video_id", str, file, path, "a video"), file, f"{path}.video_id")
    content = _content(item, task, file, path, reasoning, answered)
    return Block(
        file=file,
        path=path,
        scenario=video,
        task=task,
        phase="full_video",
        media=[Medium(video)],
        questions=[Draft(0, content, _id(item, task, file, path))],
        together=True,
        unread=unread,
    )


def _task(item: dict[str, Any], task: str | None, file: str, path: str) -> str:
    """The file's, or the item's own where a file has several."""
    task_of_item = item.get("task_type", task)
    if task_of_item not in TASKS or task not in (None, task_of_item):
        allowed = task or ", ".join(TASKS)
        raise Malformed(file, f"{path}.task_type", f"expected {allowed}, found {describe_value(task_of_item)}")
    return str(task_of_item)


def _id(item: dict[str, Any], task: str, file: str, path: str) -> str:
    index = item.get("item_index")
    if index is None:
        return f"{task}_{path.removeprefix('items[').removesuffix(']')}"
    if not isinstance(index, str | int) or isinstance(index, bool) or not str(index).strip():
        raise Malformed(file, f"{path}.item_index", f"expected a name or a number, found {describe_value(index)}")
    return str(index).strip()


def _content(item: dict[str, Any], task: str, file: str, path: str, reasoning: bool, answered: bool) -> Content:
    prompt = _text(item, "question", file, path)
    answer = _text(item, "answer", file, path) if answered else None
    kind, options, text = KIND_OF[task], dict[str, str](), first_line(prompt)
    if kind == CHOICE:
        reading = read_option_list(prompt, answer)
        options, text = reading.options, reading.question
        if not options:
            why = f" ({reading.doubt})" if reading.doubt else ""
            raise Malformed(file, f"{path}.question", f"expected options, one a line: A) .., B) ..{why}; found none")
        check_options(options, file, f"{path}.question")
    human = f"{PLACEHOLDER}\n{prompt}\n{INSTRUCTION}" if reasoning else f"{PLACEHOLDER}\n{prompt}"
    exchange = Exchange(human, answer, text, options)
    words = answer
    if answer is not None:
        _check_answer(answer, kind, exchange, file, f"{path}.answer")
        words = options[exchange.letter] if exchange.letter else answer
    trace = _text(item, "reasoning", file, path) if reasoning and answered else ""
    if trace and (tag := TAG.search(trace) or TAG.search(answer or "")):
        where = "reasoning" if tag.string is trace else "answer"
        raise Malformed(file, f"{path}.{where}", f"holds the tag {tag[0]}, which would end it where it is trained")
    return Content([exchange], words, group=task, kind=kind, reasoning=trace)


def _check_answer(answer: str, kind: str, exchange: Exchange, file: str, path: str) -> None:
    """Raises Malformed for a reference that could never be matched."""
    expected = ""
    if kind == CHOICE and exchange.letter is None:
        expected = f"one of {', '.join(exchange.options)}"
    elif kind == BINARY and read_yes_no(answer).letter is None:
        expected = "Yes or No"
    elif kind == INTERVAL and isinstance(why := read_interval(answer), str):
        expected = f'{{"start": "MM:SS", "end": "MM:SS"}} ({why})'
    if expected:
        raise Malformed(file, path, f"expected {expected}, found {describe_value(answer)}")


def _text(item: dict[str, Any], key: str, file: str, path: str) -> str:
    text = str(required_value(item, key, str, file, path, "text")).strip()
    if not text:
        raise Malformed(file, f"{path}.{key}", "expected text, found an empty one")
    return text
