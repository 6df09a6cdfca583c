"""Any source -> LLaVA JSON and its audit: one pass, in order, in flat memory, over any number of processes.

Units are cut into chunks of a fixed size. A chunk is read, checked, its videos probed and its entries written to
text in a worker (roadtrain.data.chunks); the text is joined in order. So the bytes depend on neither the workers nor
the file system.
"""

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, NoReturn, Self

from roadtrain.cli import UserError
from roadtrain.data.audit import Audit, SplitAudit
from roadtrain.data.chunks import Chunk, convert_chunk
from roadtrain.data.compact import CompactMap
from roadtrain.data.media_probe import stop_probing
from roadtrain.data.provenance import set_of
from roadtrain.data.sources.base import Malformed, Source, Unit
from roadtrain.data.sources.divided import Divided
from roadtrain.files import whole_file
from roadtrain.frames.probe import Bad
from roadtrain.frames.prober import Looking

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from tqdm import tqdm

UNITS_A_CHUNK = 64  # scenarios: with 128 the text of a chunk leaves the caches
ROWS_A_CHUNK = 2048


@dataclass(frozen=True)
class Rules:
    """What is done about mistakes in the data."""

    on_bad_video: str = "skip"  # or fail
    max_bad_fraction: float = 0.05
    on_bad_question: str = "fail"  # or skip
    on_leak: str = "warn"  # or fail
    check: str = "full"  # of videos: see roadtrain.frames.probe
    follow_links: bool = False  # of media, out of their folder
    seconds: float | None = 60  # a video that doesn't answer for longer is bad
    memory: int | None = 4_000_000_000  # bytes: one that takes more is bad

    @property
    def looking(self) -> Looking:
        """How videos are looked at."""
        return Looking(self.check, self.follow_links, self.seconds, self.memory)


class NotGoodEnough(UserError):
    """The data were read, but they are not good enough. The audit says why."""

    def __init__(self, message: str, audit: Audit) -> None:
        super().__init__(message)
        self.audit = audit


@dataclass(frozen=True)
class SplitJob:
    """A split, where it comes from and where it goes."""

    split: str
    source: Source
    output: str


Pages = list[tuple[str, str]]  # (path, text) of each file beside the conversations


def no_pages(audit: Audit) -> Pages:
    """For conversions that write no audit."""
    return []


def convert(
    jobs: list[SplitJob],
    rules: Rules,
    workers: int,
    name: str = "wts",
    pages: Callable[[Audit], Pages] = no_pages,
) -> Audit:
    """Write one LLaVA JSON a split, and `pages(audit)`. All files appear, or none. Returns the audit.

    Raises Malformed, UserError or ValueError: one line that names file, place and remedy.
    """
    tasks = list(dict.fromkeys(task for job in jobs for task in job.source.tasks(job.split)))
    audit = Audit(source=name, tasks=tasks, splits={})
    _check_paths([*(job.output for job in jobs), *(path for path, _ in pages(audit))])
    streams: list[IO[bytes]] = []
    divided: dict[int, CompactMap] = {}  # of a file that is two splits: an id is there once in both
    with contextlib.ExitStack() as stack:
        stack.callback(stop_probing)
        pool = stack.enter_context(_processes(workers)) if workers > 1 else None
        for job in jobs:
            streams.append(stack.enter_context(whole_file(job.output, "wb")))
            audit.splits[job.split] = SplitAudit()
            ids = CompactMap()
            if isinstance(job.source, Divided):
                ids, audit.division = divided.setdefault(id(job.source), ids), job.source.report()
            try:
                _Split(job.source, job.split, audit.splits[job.split], rules, ids).write(streams[-1], pool, workers)
            except BaseException:
                if pool:
                    pool.shutdown(wait=False, cancel_futures=True)
                raise
        _judge(audit, rules)
        for path, text in pages(audit):
            streams.append(stack.enter_context(whole_file(path, "wb")))
            streams[-1].write(text.encode())
        for stream in streams:  # a disk that is full says so here, before the first file takes its name
            stream.flush()
            os.fsync(stream.fileno())
    return audit


def _check_paths(paths: list[str]) -> None:
    """Raises UserError for outputs that can't all appear."""
    for number, path in enumerate(paths):
        if os.path.isdir(path):
            raise UserError(f"{path}: an output's name, and there is a folder of that name")
        if os.path.abspath(path) in map(os.path.abspath, paths[:number]):
            raise UserError(f"{path}: two outputs with one name; give each another")


class _Split:
    """One split on its way through."""

    def __init__(self, source: Source, split: str, audit: SplitAudit, rules: Rules, ids: CompactMap) -> None:
        self.source, self.split, self.audit, self.rules = source, split, audit, rules
        self.ids, self.answers = ids, CompactMap()
        self.units, self.orders = 0, list[str]()  # read so far; of trees, where: a scenario each
        self.work: Callable[..., Chunk] = partial(convert_chunk, source, rules.looking)

    def write(self, stream: IO[bytes], pool: "Executor | None", workers: int) -> None:
        units = self.source.units(self.split)
        total = len(units) if isinstance(units, list) else None
        begin = b"[\n"
        with _Bar(self.split, total) as bar:
            size = ROWS_A_CHUNK if self.source.rows else UNITS_A_CHUNK
            for part, chunk in _in_order(self.work, _chunks(units, size), pool, workers):
                chunk = self._add(chunk, part)
                if chunk.text:
                    stream.write(begin)
                    stream.write(chunk.text)
                    begin = b",\n"
                bar.update(chunk.units)
        stream.write(b"\n]\n" if begin == b",\n" else b"[]\n")
        if not self.audit.questions:
            files = self.source.input_files(self.split)
            if len(files) == 1 and not self.audit.left_out.total:
                raise Malformed(files[0], "", "holds no questions")
            raise UserError(f"{self.split}: no questions: {self.audit.emptiness(self.source.tasks(self.split))}")

    def _add(self, chunk: Chunk, units: list[Unit]) -> Chunk:
        """Add a chunk to the audit. Returns it, without what an earlier chunk had already."""
        audit, rules = self.audit, self.rules
        if chunk.malformed and rules.on_bad_question == "fail":
            raise chunk.malformed[0]
        if repeated := self._repeated(chunk, units):
            chunk = self.work(units, repeated=repeated)  # rare: read once more without them
        if chunk.repeated and rules.on_bad_question == "fail":
            raise chunk.repeated[0].problem
        self.units += len(units)
        for path, video, file, place, content in chunk.videos:
            audit.media.setdefault(path, content)
            if not isinstance(video, Bad):
                audit.sets[set_of(self.source, path)].media.setdefault(path, content)
            if not self.source.rows or audit.is_new(path):
                audit.add_video(path, video, file, place)
                if isinstance(video, Bad) and rules.on_bad_video == "fail":
                    raise UserError(
                        f"{self.split}: {path}: {video.reason}; named in {file} {place};"
                        " on_bad_video: skip leaves its questions out"
                    )
        for problem in chunk.malformed:
            audit.left_out.add({"file": problem.file, "path": problem.path, "reason": problem.expected})
        for problem, count in chunk.repeated:
            reason = problem.expected
            audit.left_out.add({"file": problem.file, "path": problem.path, "reason": reason, "questions": count})
        audit.left_out.extend(chunk.left_out)
        audit.doubtful.extend(chunk.doubtful)
        audit.contradictions.extend(chunk.contradictions)
        audit.doubled.extend(chunk.doubled)
        for row in chunk.answers:
            if (before := self.answers.put(row.question, row.answer)) is not None:
                same = before == row.answer
                reason = f"asked before about the same clip, with {'the same' if same else 'another'} answer"
                items = audit.doubled if same else audit.contradictions
                items.add({"file": row.file, "path": row.place, "reason": reason})
        for task, scenario in chunk.missing:
            audit.missing[task].add({"scenario": scenario})
        for task, tally in chunk.tasks.items():
            audit.tasks[task].merge(tally, distinct=not self.source.rows)
        for name, entries in chunk.sets.items():
            audit.sets[name].questions += entries
        audit.questions += chunk.entries
        return chunk

    def _repeated(self, chunk: Chunk, units: list[Unit]) -> dict[int, str]:
        """{key: where it is first} of the keys that earlier chunks have, too."""
        first: dict[int, str] = {}
        before = 0 if self.source.rows else self.units
        for key, number in zip(chunk.keys, chunk.places, strict=True):
            if (other := self.ids.put(key, before + number)) is not None:
                first[key] = chunk.place_form.format(other) if self.source.rows else self.orders[other]
        if not self.source.rows:
            self.orders += [unit.order for unit in units]
        return first


class _Bar:
    """A progress bar of what takes over two seconds. tqdm is imported only then: it takes 30 ms."""

    def __init__(self, name: str, total: int | None) -> None:
        self.name, self.total, self.units, self.since = name, total, 0, time.monotonic()
        self.bar: tqdm[NoReturn] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def update(self, units: int) -> None:
        self.units += units
        if self.bar is not None:
            self.bar.update(units)
        elif time.monotonic() - self.since > 2:
            from tqdm import tqdm

            self.bar = tqdm(desc=self.name, unit=" units", total=self.total, initial=self.units)


def _processes(workers: int) -> "contextlib.AbstractContextManager[Executor]":
    from roadtrain.workers import worker_pool  # 15 ms that one process has no use for

    return worker_pool(workers)


def _chunks(units: Iterable[Unit], size: int) -> Iterator[list[Unit]]:
    iterator = iter(units)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _in_order(
    work: Callable[..., Chunk], parts: Iterable[list[Unit]], pool: "Executor | None", workers: int
) -> Iterator[tuple[list[Unit], Chunk]]:
    """(units, work(units)) of each part, in order; at most three a worker are under way."""
    waiting: deque[tuple[list[Unit], Future[Chunk]]] = deque()
    for part in parts:
        if pool is None:
            yield part, work(part)
            continue
        waiting.append((part, pool.submit(work, part)))
        if len(waiting) >= 3 * workers:
            first, future = waiting.popleft()
            yield first, future.result()
    for part, future in waiting:
        yield part, future.result()


def _judge(audit: Audit, rules: Rules) -> None:
    """Raises NotGoodEnough when there are more bad videos, or more leaks, than the rules allow."""
    for split, part in audit.splits.items():
        bad, total = part.videos.bad, part.videos.good + part.videos.bad
        if bad > rules.max_bad_fraction * total:
            first = part.bad_videos.items[0]
            raise NotGoodEnough(
                f"{split}: {bad} of {total} videos are bad ({bad / total:.1%}), more than max_bad_fraction"
                f" {rules.max_bad_fraction:g}; the first is {first['video']}: {first['reason']}",
                audit,
            )
    audit.find_leaks()
    if audit.leaks.total and rules.on_leak == "fail":
        leak = audit.leaks.items[0]
        raise NotGoodEnough(
            f"{leak['name']}: {leak['reason']} ({audit.leaks.total} in all); on_leak: warn accepts it", audit
        )
