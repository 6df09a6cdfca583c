"""Units of a source -> lines of LLaVA JSON and their counts: what a worker process does. Pure but for reading files."""

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple

from roadtrain.data.audit_json import AuditItem
from roadtrain.data.compact import hash64
from roadtrain.data.entry_ids import NUMBER, entry_ids, is_text
from roadtrain.data.llava import PLACEHOLDER
from roadtrain.data.media_probe import Probed, look_at, look_at_once
from roadtrain.data.media_record import Print
from roadtrain.data.provenance import set_of
from roadtrain.data.question import UNGROUPED
from roadtrain.data.sources.base import Block, Content, Draft, Malformed, Source, Unit, in_one_line, stem
from roadtrain.data.tally import TaskTally
from roadtrain.frames.probe import Bad, Video, window_fault
from roadtrain.frames.prober import Looking
from roadtrain.media import Kind, Medium


class ProbedVideo(NamedTuple):
    """A medium that a chunk names, what it is, and where it is named first."""

    path: str  # relative to the media root
    result: Probed
    file: str  # the annotation file that names it first
    place: str  # in that file
    print: Print  # of its content


class RowAnswer(NamedTuple):
    """What decides whether two rows contradict each other: they ask the same of the same and answer otherwise."""

    question: int  # hashes
    answer: int
    file: str
    place: str


class RepeatedId(NamedTuple):
    """Questions that would have ids that others have."""

    problem: Malformed  # with both places
    questions: int


@dataclass(slots=True)
class Chunk:
    """What some units hold."""

    text: bytes = b""  # one line an entry, joined by ",\n"
    entries: int = 0
    units: int = 0
    tasks: dict[str, TaskTally] = field(default_factory=dict)
    videos: list[ProbedVideo] = field(default_factory=list)
    sets: dict[str, int] = field(default_factory=dict)  # data set -> entries
    left_out: list[AuditItem] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    repeated: list[RepeatedId] = field(default_factory=list)
    doubtful: list[AuditItem] = field(default_factory=list)
    contradictions: list[AuditItem] = field(default_factory=list)
    doubled: list[AuditItem] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)  # (task, scenario) without a file or questions
    keys: "array[int]" = field(default_factory=lambda: array("Q"))  # hashes that must be unique over all chunks
    places: "array[int]" = field(default_factory=lambda: array("Q"))  # of keys: the record, or the unit in this chunk
    place_form: str = "[{}]"  # how a record's number is written as a place
    answers: list[RowAnswer] = field(default_factory=list)  # of rows only


def convert_chunk(
    source: Source, looking: Looking, units: list[Unit], *, repeated: dict[int, str] | None = None
) -> Chunk:
    """Read, check and write out some units. What has a key in `repeated`, {key: where it is first}, is a repeated id."""
    work = _Work(source, looking, source.media_root(units[0].split), dict(repeated or {}))
    for number, unit in enumerate(units):
        work.add(unit, number)
    return work.finish(len(units))


class _Work:
    """One chunk in the making."""

    def __init__(self, source: Source, looking: Looking, root: str, used_keys: dict[int, str]) -> None:
        self.source, self.looking, self.root = source, looking, root
        self.used_keys = used_keys  # {key: where it is first}
        self.number = 0  # of the unit at hand
        self.chunk = Chunk()
        self.texts: list[str] = []
        self.videos: dict[tuple[str, Kind], Probed] = {}

    def add(self, unit: Unit, number: int) -> None:
        self.number = number
        blocks: list[Block] = []
        if not is_text(unit.order):
            problem = "a folder's name that isn't UTF-8: rename it"
            self.chunk.malformed.append(Malformed(unit.order, "", problem))
            return
        for block in self.source.blocks(unit):
            if isinstance(block, Malformed):
                self.chunk.malformed.append(block)
                continue
            self.chunk.malformed += block.problems
            blocks.append(block)
        pieces: list[tuple[str, str]] = []  # (first medium, lines)
        for block in blocks:
            if block.questions:
                pieces += self._pieces(block)
        if not self.source.rows:
            tasks = {block.task for block in blocks}
            self.chunk.missing += [(task, unit.order.rstrip("/")) for task in unit.tasks if task not in tasks]
            for is_same, item in repetitions(blocks):
                (self.chunk.doubled if is_same else self.chunk.contradictions).append(item)
            pieces.sort(key=lambda piece: piece[0])
        self.texts += [text for _, text in pieces]

    def finish(self, units: int) -> Chunk:
        self.chunk.text = ",\n".join(self.texts).encode()
        self.chunk.units = units
        for tally in self.chunk.tasks.values():
            tally.seal()
        return self.chunk

    def _pieces(self, block: Block) -> list[tuple[str, str]]:
        """The lines of a block for each of its media that is good."""
        chunk, count = self.chunk, len(block.questions)
        good: list[list[Medium]] = []
        for media in self._media_sets(block):
            fault = self._fault(block, media)
            if fault is not None:
                chunk.left_out.append({"file": block.file, "path": block.path, "reason": fault, "questions": count})
                continue
            if (reason := self._use_ids(block, media[0].file)) is not None:
                chunk.repeated.append(RepeatedId(Malformed(block.file, block.path, reason), count))
                continue
            good.append(media)
            name = set_of(self.source, media[0].file)
            chunk.sets[name] = chunk.sets.get(name, 0) + count
            if self.source.rows:
                chunk.answers += [_row_answer(block, media, question) for question in block.questions]
        if not good:
            return []
        tally = chunk.tasks.get(block.task)
        if tally is None:
            tally = chunk.tasks[block.task] = TaskTally()
        tally.add(block, [media[0].file for media in good], [medium.file for media in good for medium in media])
        chunk.entries += count * len(good)
        chunk.doubtful += [{"file": doubt.file, "path": doubt.path, "reason": doubt.expected} for doubt in block.doubts]
        return [(media[0].file, lines) for media, lines in zip(good, block_lines(block, good), strict=True)]

    def _media_sets(self, block: Block) -> list[list[Medium]]:
        """What each question is asked about: every medium by itself, all of them, or all views that can be read."""
        if not block.views:
            return [block.media] if block.together else [[medium] for medium in block.media]
        faults = {medium: self._fault(block, [medium]) for medium in block.media}
        good = [medium for medium, fault in faults.items() if fault is None]
        if good:
            for fault in filter(None, faults.values()):
                reason = f"{fault}; the questions are asked about the other cameras"
                self.chunk.left_out.append({"file": block.file, "path": block.path, "reason": reason, "questions": 0})
        return [good or block.media]

    def _use_ids(self, block: Block, name: str) -> str | None:
        """Use up the ids of a block about one medium. A reason when one is used already."""
        place = block.path if self.source.rows else f"{block.file}: {block.path}"
        ids = entry_ids(block, name, self.source.rows)
        keys = {key: id for id, key in ids.items()}
        for key, id in keys.items():
            if key in self.used_keys:
                return f"duplicate id {id}: the first is at {self.used_keys[key]}"
        number = int(match[0]) if self.source.rows and (match := NUMBER.search(block.path)) else self.number
        self.chunk.place_form = "line {}" if block.path.startswith("line") else "[{}]"
        for key in keys:
            self.used_keys[key] = place
            self.chunk.keys.append(key)
            self.chunk.places.append(number)
        return None

    def _fault(self, block: Block, media: list[Medium]) -> str | None:
        """Why a block can't be asked about its media, or None."""
        for medium in media:
            name, kind = medium.file, medium.kind
            if not is_text(name):
                return f"{in_one_line(name)}: a name that isn't UTF-8: rename the file or its folder"
            if (name, kind) in self.videos:
                video = self.videos[name, kind]
            else:
                of_medium = look_at_once if self.source.rows else look_at
                content, video = of_medium(self.looking, self.root, name, kind)
                self.videos[name, kind] = video
                self.chunk.videos.append(ProbedVideo(name, video, block.file, block.path, content))
            if isinstance(video, Bad):
                return f"{name}: {video.reason}"
            if isinstance(video, Video) and (reason := window_fault(video, medium.start, medium.end)):
                return f"{name}: {reason}"
        return None


def block_lines(block: Block, media_sets: list[list[Medium]]) -> list[str]:
    """The entries of a block about each of some media, as they lie on disk: one a line, keys in the recipe's order."""
    wts_id = json.dumps(block.scenario if block.wts_id is None else block.wts_id, ensure_ascii=False)
    before = f'", "wts_id": {wts_id}, '
    after = f', "type": {quoted(block.task)}, "phase": {quoted(block.phase)}, "conversations": ['
    tail = "]"
    start, end = block.window
    if start is not None:
        tail += f', "video_start": {json.dumps(start)}'
    if end is not None:
        tail += f', "video_end": {json.dumps(end)}'
    several, prefix = len(block.media) > 1 and not block.together and not block.views, quoted(block.prefix)[1:-1]
    entries: list[str] = []
    drafts = [(draft, draft.content.json or _content_json(draft.content)) for draft in block.questions]
    for media in media_sets:
        name, head = quoted(stem(media[0].file))[1:-1], before + _media(media) + after
        lines = []
        for draft, (turns, data) in drafts:
            if block.views:  # the human turn begins with the only placeholder (sources/together.py)
                turns = turns.replace(PLACEHOLDER, PLACEHOLDER * len(media), 1)
            if draft.id is None:
                lines.append(f'{{"id": "{name}_{prefix}{draft.index}{head}{turns}{tail}{data}}}')
                continue
            id = quoted(draft.id)[1:-1]
            if several:
                lines.append(f'{{"id": "{id}@{name}{head}{turns}{tail}{data}, "question_id": "{id}"}}')
            else:
                lines.append(f'{{"id": "{id}{head}{turns}{tail}{data}}}')
        entries.append(",\n".join(lines))
    return entries


def _media(media: list[Medium]) -> str:
    """Names by kind, in the order in which the kinds come first."""
    if len(media) == 1:
        return f'"{media[0].kind}": {quoted(media[0].file)}'
    names: dict[Kind, list[str]] = {}
    for medium in media:
        names.setdefault(medium.kind, []).append(medium.file)
    return ", ".join(f'"{kind}": {_names(files)}' for kind, files in names.items())


def _names(names: list[str]) -> str:
    return json.dumps(names, ensure_ascii=False) if len(names) > 1 else quoted(names[0])


def _content_json(content: Content) -> tuple[str, str]:
    """The conversations' turns, and the question as data, as they are written."""
    turns = ", ".join(
        f'{{"from": "human", "value": {quoted(turn.human)}}}'
        + ("" if turn.answer is None else f', {{"from": "gpt", "value": {quoted(turn.answer)}}}')
        for turn in content.turns
    )
    texts, options = [turn.text for turn in content.turns], [turn.options for turn in content.turns]
    data: dict[str, Any] = {"question": texts, "options": options}
    if len(content.turns) == 1:
        data = {"question": texts[0], "options": options[0]}
    if content.group != UNGROUPED:
        data["group"] = content.group
    if content.kind:
        data["answer_kind"] = content.kind
    if content.reasoning:
        data["reasoning"] = content.reasoning
    content.json = (turns, f", {json.dumps(data, ensure_ascii=False)[1:-1]}")
    return content.json


def _row_answer(block: Block, media: list[Medium], question: Draft) -> RowAnswer:
    content = question.content
    names, (start, end) = [medium.file for medium in media], block.window
    human = "" if content.options else content.turns[0].human
    answer = content.answer_text
    if answer is None:
        answer = str([turn.answer for turn in content.turns])
    key = hash64(f"{names}|{start}|{end}|{content.text}|{human}")
    return RowAnswer(key, hash64(answer), block.file, block.place(question))


def repetitions(blocks: list[Block]) -> Iterator[tuple[bool, AuditItem]]:
    """The same question about the same clip a second time: whether its answer is the same, in words (options may be in another
    order)."""
    answers: dict[tuple[Medium, str], str] = {}
    for block in blocks:
        if len({question.content.text for question in block.questions}) == len(block.questions) and not any(
            other is not block and other.window == block.window for other in blocks
        ):
            continue  # nothing is asked twice
        for question in block.questions:
            answer = question.content.answer_text
            if answer is None:
                continue
            for medium in block.media:
                before = answers.get((medium, question.content.text))
                if before is None:
                    answers[medium, question.content.text] = answer
                    continue
                same, words = before == answer, f"the answer was {before!r} before and is {answer!r} here"
                reason = f"{medium.file}: {'asked before, with the same answer' if same else words}"
                yield same, {"file": block.file, "path": block.place(question), "reason": reason}
