"""audit.json: what there is in the data, what was left out and why."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from roadtrain.data.audit_json import (
    AuditItem,
    AuditJson,
    BadVideoList,
    DivisionJson,
    LeakList,
    ScenarioList,
    SplitCounts,
    leak_sentence,
)
from roadtrain.data.compact import CompactMap, hash64
from roadtrain.data.provenance import SetTally
from roadtrain.data.tally import CappedList, TaskTally, VideoTally
from roadtrain.frames.probe import Bad, Still, Video


@dataclass
class SplitAudit:
    """One split. Memory grows with scenarios and videos, not with questions."""

    tasks: dict[str, TaskTally] = field(default_factory=lambda: defaultdict(TaskTally))
    videos: VideoTally = field(default_factory=VideoTally)
    questions: int = 0
    left_out: CappedList = field(default_factory=CappedList)
    doubtful: CappedList = field(default_factory=CappedList)
    bad_videos: CappedList = field(default_factory=CappedList)
    variable: CappedList = field(default_factory=CappedList)
    contradictions: CappedList = field(default_factory=CappedList)
    doubled: CappedList = field(default_factory=CappedList)
    same: CappedList = field(default_factory=CappedList)
    missing: dict[str, CappedList] = field(default_factory=lambda: defaultdict(CappedList))
    prints: dict[int, str] = field(default_factory=dict)  # fingerprint of a video -> its path
    media: dict[str, str | None] = field(
        default_factory=dict
    )  # every medium that is named: its print (media_record.py)
    sets: dict[str, SetTally] = field(default_factory=lambda: defaultdict(SetTally))  # by data set
    _paths: CompactMap = field(default_factory=CompactMap)

    def is_new(self, path: str) -> bool:
        """Whether a video is counted for the first time."""
        return self._paths.put(hash64(path)) is None

    def add_video(self, path: str, video: Video | Still | Bad | None, file: str, place: str) -> None:
        if isinstance(video, Bad):
            self.videos.bad += 1
            item: AuditItem = {"video": path, "kind": video.kind, "reason": video.reason, "file": file, "path": place}
            self.bad_videos.add(item)
            return
        self.videos.add(video)
        if video is not None and (other := self.prints.setdefault(video.fingerprint, path)) != path:
            self.same.add({"video": path, "reason": f"the same file as {other}"})
        if video is not None and video.variable:
            self.variable.add({"video": path, "reason": "variable frame rate: frame numbers don't give times"})

    @property
    def scenarios(self) -> set[str]:
        return set().union(*(tally.scenarios for tally in self.tasks.values()))

    def emptiness(self, tasks: list[str]) -> str:
        """Why there is nothing in this split."""
        if self.left_out.total:
            first = self.left_out.items[0]
            return f"all were left out; the first: {first['file']}: {first['path']}: {first['reason']}"
        return f"no annotation file of the tasks {', '.join(tasks)} holds any"

    def report(self) -> SplitCounts:
        return {
            "scenarios": len(self.scenarios),
            "questions": self.questions,
            "videos": self.videos.report(),
            "tasks": {task: tally.report() for task, tally in sorted(self.tasks.items())},
            "left_out": self.left_out.report(),
            "doubtful": self.doubtful.report(),
            "bad_videos": _bad_videos(self.bad_videos),
            "variable_frame_rate": self.variable.report(),
            "contradictions": self.contradictions.report(),
            "doubled": self.doubled.report(),
            "same_videos": self.same.report(),
            "sets": {name: tally.report(name) for name, tally in sorted(self.sets.items()) if tally.questions},
            "scenarios_without": {task: _scenarios(items) for task, items in sorted(self.missing.items())},
        }


def _bad_videos(videos: CappedList) -> BadVideoList:
    kinds = Counter(item["kind"] for item in videos.items)
    return {**videos.report(), "kinds": dict(sorted(kinds.items()))}


def _scenarios(scenarios: CappedList) -> ScenarioList:
    return {"total": scenarios.total, "scenarios": [item["scenario"] for item in scenarios.items]}


@dataclass
class Audit:
    """What a conversion found in all splits: the data of audit.json."""

    source: str
    tasks: list[str]
    splits: dict[str, SplitAudit]
    leaks: CappedList = field(default_factory=CappedList)
    scenarios_in_several: int = 0  # of the leaks; the others are videos
    division: DivisionJson | None = None

    def find_leaks(self) -> None:
        """Scenarios and videos that are in several splits: what is trained on is also what is asked. Each counts once."""
        splits_of: dict[str, list[str]] = defaultdict(list)
        paths_of: dict[int, dict[str, str]] = defaultdict(dict)  # fingerprint -> {split: path}
        for split in sorted(self.splits):
            for name in self.splits[split].scenarios:
                splits_of[name].append(split)
            for fingerprint, path in self.splits[split].prints.items():
                paths_of[fingerprint][split] = path
        for name in sorted(name for name, splits in splits_of.items() if len(splits) > 1):
            reason = f"this scenario is in {' and '.join(splits_of[name])}"
            self.leaks.add({"name": name, "splits": splits_of[name], "reason": reason})
            self.scenarios_in_several += 1
        for paths in sorted(
            (paths for paths in paths_of.values() if len(paths) > 1), key=lambda paths: list(paths.values())
        ):
            (split, path), *twins = paths.items()
            reason = f"this video of {split} is {' and '.join(f'{twin} of {other}' for other, twin in twins)}"
            self.leaks.add({"name": path, "splits": list(paths), "reason": reason})

    def report(self) -> AuditJson:
        """The JSON of audit.json."""
        report: AuditJson = {
            "source": self.source,
            "tasks": self.tasks,
            "splits": {split: part.report() for split, part in self.splits.items()},
            "leaks": self.leak_list(),
        }
        if self.division is not None:
            report["division"] = self.division
        return report

    def leak_list(self) -> LeakList:
        scenarios = self.scenarios_in_several
        return {**self.leaks.report(), "scenarios": scenarios, "videos": self.leaks.total - scenarios}

    def warnings(self) -> list[str]:
        """What a reader should know before training: one line each."""
        lines = []
        if self.leaks.total:
            names = ", ".join(item["name"] for item in self.leaks.items[:3])
            more = ", .." if self.leaks.total > 3 else ""
            lines.append(f"{leak_sentence(self.leak_list()).removesuffix('.')} ({names}{more})")
        for split, part in self.splits.items():
            for problem, items in (
                ("open questions could be meant as multiple choice (audit: doubtful)", part.doubtful),
                ("bad videos are left out", part.bad_videos),
                ("videos have a variable frame rate", part.variable),
                ("questions contradict an earlier one", part.contradictions),
                ("questions are there a second time, with the same answer: both count (audit: doubled)", part.doubled),
                ("videos are the same file as another", part.same),
            ):
                if items.total:
                    lines.append(f"{split}: {items.total} {problem}")
        return lines
