"""Counts of the audit: added up in worker processes, merged in order, written once. Flat in the number of questions."""

from collections import Counter
from dataclasses import dataclass, field

from roadtrain.data.audit_json import AuditItem, ItemList, TaskCounts, VideoCounts
from roadtrain.data.compact import CompactMap, hash64
from roadtrain.data.sources.base import Block, Content
from roadtrain.frames.probe import Still, Video

MOST_KINDS = 20_000  # different questions that are counted one by one, in a task
MOST_ITEMS = 10_000  # entries of a list in the audit
DURATIONS = (1, 2, 5, 10, 20, 30, 60, 120, 300)  # seconds
OTHERS = "(further questions)"


@dataclass(slots=True)
class _ContentCount:
    content: Content
    entries: int


@dataclass
class TaskTally:
    """Questions of one task in one split."""

    entries: int = 0
    videos: int = 0
    choice: int = 0  # turns with options
    open: int = 0  # and without
    doubtful: int = 0  # of these
    unread: Counter[str] = field(default_factory=Counter)  # keys that nobody reads -> objects that have them
    phases: Counter[str] = field(default_factory=Counter)
    # (question, number of options, right letter, group) -> entries
    kinds: Counter[tuple[str, int, str | None, str]] = field(default_factory=Counter)
    scenarios: set[str] = field(default_factory=set)
    _contents: dict[int, _ContentCount] = field(default_factory=dict)  # of a worker: id of a content -> its count
    _media: set[str] = field(default_factory=set)
    _names: CompactMap | None = None  # hashes of all workers' media

    def add(self, block: Block, media: list[str], every: list[str]) -> None:
        """Count a block's questions, asked about each of some media, or of groups that begin with these; `every` medium of them."""
        times, contents = len(media), self._contents
        self.entries += times * len(block.questions)
        self.phases[block.phase] += times * len(block.questions)
        self.scenarios.add(block.scenario)
        self.doubtful += times * len(block.doubts)
        self.unread.update(block.unread)
        self._media.update(every)
        for question in block.questions:
            content = question.content
            if count := contents.get(id(content)):
                count.entries += times
            else:
                contents[id(content)] = _ContentCount(content, times)

    def seal(self) -> None:
        """The counts of a worker, ready to be sent."""
        for count in self._contents.values():
            content = count.content
            answer = content.letter
            self.kinds[content.text, len(content.options), answer, content.group] += count.entries
            choice = sum(bool(turn.options) for turn in content.turns)
            self.choice += choice * count.entries
            self.open += (len(content.turns) - choice) * count.entries
            for key in content.unread:
                self.unread[key] += count.entries
        self._contents = {}
        self.videos = len(self._media)

    def merge(self, other: "TaskTally", distinct: bool) -> None:
        """Add a worker's counts. `distinct`: its videos are in no other. Once there are very many different
        questions, new ones are counted together."""
        self.entries += other.entries
        self.choice += other.choice
        self.open += other.open
        self.doubtful += other.doubtful
        self.unread.update(other.unread)
        self.phases.update(other.phases)
        self.scenarios |= other.scenarios
        if distinct:
            self.videos += other.videos
        else:
            names = self._names = self._names or CompactMap()
            self.videos += sum(names.put(hash64(name)) is None for name in sorted(other._media))
        if len(self.kinds) < MOST_KINDS:
            self.kinds.update(other.kinds)
            return
        for (text, options, letter, group), count in other.kinds.items():
            is_counted = (text, options, letter, group) in self.kinds
            self.kinds[text if is_counted else OTHERS, options, letter, group] += count

    def report(self) -> TaskCounts:
        options: Counter[int] = Counter()
        letters: Counter[str] = Counter()
        by_options: dict[str, Counter[str]] = {}
        texts: Counter[str] = Counter()
        types: Counter[str] = Counter()
        for (text, number, letter, group), count in self.kinds.items():
            options[number] += count
            texts[text] += count
            types[group] += count
            if number and letter is not None:
                letters[letter] += count
                by_options.setdefault(str(number), Counter())[letter] += count
        return {
            "scenarios": len(self.scenarios),
            "videos": self.videos,
            "entries": self.entries,
            "multiple_choice": self.choice,
            "open": self.open,
            "doubtful": self.doubtful,
            "unread_keys": _most(self.unread),
            "options": {str(number): options[number] for number in sorted(options)},
            "letters": dict(sorted(letters.items())),
            "letters_by_options": {number: dict(sorted(by_options[number].items())) for number in sorted(by_options)},
            "phases": dict(sorted(self.phases.items())),
            "distinct_questions": len(texts),
            "by_question": _most(texts),
            "question_types": _most(types),
        }


@dataclass
class VideoTally:
    """Videos of one split."""

    good: int = 0
    bad: int = 0
    probed: int = 0
    seconds: float = 0.0
    frames: int = 0
    resolutions: Counter[str] = field(default_factory=Counter)
    durations: Counter[str] = field(default_factory=Counter)
    rates: Counter[str] = field(default_factory=Counter)
    codecs: Counter[str] = field(default_factory=Counter)
    pictures: int = 0

    def add(self, video: Video | Still | None) -> None:
        self.good += 1
        if video is None:
            return
        if isinstance(video, Still):
            self.pictures += 1
            self.resolutions[video.resolution] += 1
            self.codecs[video.codec] += 1
            return
        self.probed += 1
        self.seconds += video.duration
        self.frames += video.frames
        self.resolutions[video.resolution] += 1
        self.durations[_bin(video.duration)] += 1
        self.rates[f"{video.fps:.2f}"] += 1
        self.codecs[video.codec] += 1

    def report(self) -> VideoCounts:
        order = [_bin(edge - 0.5) for edge in DURATIONS] + [_bin(float("inf"))]
        return {
            "referenced": self.good + self.bad,
            "good": self.good,
            "bad": self.bad,
            "pictures": self.pictures,
            "seconds": round(self.seconds, 3),
            "mean_seconds": round(self.seconds / self.probed, 3) if self.probed else None,
            "frames": self.frames,
            "resolutions": _most(self.resolutions),
            "durations": {name: self.durations[name] for name in order if self.durations[name]},
            "frame_rates": _most(self.rates),
            "codecs": _most(self.codecs),
        }


def _bin(seconds: float) -> str:
    low = 0
    for high in DURATIONS:
        if seconds < high:
            return f"{low}-{high} s"
        low = high
    return f"{low} s and more"


def _most(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:200])


@dataclass
class CappedList:
    """A list of the audit that can't outgrow the memory: the first MOST_ITEMS, and how many there are in all.

    An item with a key "questions" stands for so many.
    """

    total: int = 0
    items: list[AuditItem] = field(default_factory=list)

    def add(self, item: AuditItem) -> None:
        self.total += item.get("questions", 1)
        if len(self.items) < MOST_ITEMS:
            self.items.append(item)

    def extend(self, items: list[AuditItem]) -> None:
        for item in items:
            self.add(item)

    def report(self) -> ItemList:
        return {"total": self.total, "listed": self.items}
