"""audit.json: what there is in the data, what was left out and why."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from roadtrain.data.compact import CompactMap, hash64
from roadtrain.data.tally import Listed, TaskTally, VideoTally
from roadtrain.frames.probe import Bad, Still, Video


@dataclass
class SplitAudit:
    """One split. Memory grows with scenarios and videos, not with questions."""

    tasks: dict[str, TaskTally] = field(default_factory=lambda: defaultdict(TaskTally))
    videos: VideoTally = field(default_factory=VideoTally)
    questions: int = 0
    left_out: Listed = field(default_factory=Listed)
    bad_videos: Listed = field(default_factory=Listed)
    variable: Listed = field(default_factory=Listed)
    contradictions: Listed = field(default_factory=Listed)
    same: Listed = field(default_factory=Listed)
    missing: dict[str, Listed] = field(default_factory=lambda: defaultdict(Listed))
    prints: dict[int, str] = field(default_factory=dict)  # fingerprint of a video -> its path
    _seen: CompactMap = field(default_factory=CompactMap)

    def is_new(self, path: str) -> bool:
        """Whether a video is counted for the first time."""
        return self._seen.put(hash64(path)) is None

    def add_video(self, path: str, video: Video | Still | Bad | None, file: str, place: str) -> None:
        if isinstance(video, Bad):
            self.videos.bad += 1
            item = {"video": path, "kind": video.kind, "reason": video.reason, "file": file, "path": place}
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

    def report(self) -> dict[str, Any]:
        return {
            "scenarios": len(self.scenarios),
            "questions": self.questions,
            "videos": self.videos.report(),
            "tasks": {task: tally.report() for task, tally in sorted(self.tasks.items())},
            "left_out": _listed(self.left_out),
            "bad_videos": _listed(self.bad_videos) | {"kinds": _kinds(self.bad_videos)},
            "variable_frame_rate": _listed(self.variable),
            "contradictions": _listed(self.contradictions),
            "same_videos": _listed(self.same),
            "scenarios_without": {
                task: {"total": listed.total, "scenarios": [item["scenario"] for item in listed.items]}
                for task, listed in sorted(self.missing.items())
            },
        }


def _listed(listed: Listed) -> dict[str, Any]:
    return {"total": listed.total, "listed": listed.items}


def _kinds(listed: Listed) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in listed.items:
        counts[item["kind"]] = counts.get(item["kind"], 0) + 1
    return dict(sorted(counts.items()))


@dataclass
class Audit:
    source: str
    tasks: list[str]
    splits: dict[str, SplitAudit]
    leaks: Listed = field(default_factory=Listed)

    def find_leaks(self) -> None:
        """Scenarios and videos that are in two splits: what is trained on is also what is asked."""
        for one, other in combinations(sorted(self.splits), 2):
            first, second = self.splits[one], self.splits[other]
            for name in sorted(first.scenarios & second.scenarios):
                reason = f"this scenario is in {one} and {other}"
                self.leaks.add({"name": name, "splits": [one, other], "reason": reason})
            both = first.prints.keys() & second.prints.keys()
            for path, twin in sorted((first.prints[key], second.prints[key]) for key in both):
                reason = f"this video of {one} is {twin} of {other}"
                self.leaks.add({"name": path, "splits": [one, other], "reason": reason})

    def report(self) -> dict[str, Any]:
        """The JSON of audit.json."""
        return {
            "source": self.source,
            "tasks": self.tasks,
            "splits": {split: part.report() for split, part in self.splits.items()},
            "leaks": _listed(self.leaks),
        }

    def warnings(self) -> list[str]:
        """What a reader should know before training: one line each."""
        lines = []
        if self.leaks.total:
            names = ", ".join(item["name"] for item in self.leaks.items[:3])
            lines.append(f"{self.leaks.total} scenarios are in two splits ({names}, ..): validation isn't unseen")
        for split, part in self.splits.items():
            for what, listed in (
                ("videos are bad and left out", part.bad_videos),
                ("videos have a variable frame rate", part.variable),
                ("questions contradict an earlier one", part.contradictions),
                ("videos are the same file as another", part.same),
            ):
                if listed.total:
                    lines.append(f"{split}: {listed.total} {what}")
        return lines
