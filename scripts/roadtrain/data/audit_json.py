"""audit.json: its types. What a list holds no more than the first items of has the whole number in `total`."""

from pathlib import Path
from typing import NotRequired, TypedDict

from roadtrain.files import read_json
from roadtrain.markup import quantity


class AuditItem(TypedDict, total=False):
    """One thing that a reader should look at: where it stands, and why it is here."""

    file: str  # the annotation file
    path: str  # the place in it
    video: str
    scenario: str
    name: str  # of a scenario or a video that is in two splits
    splits: list[str]
    kind: str  # of a bad video
    questions: int  # that it stands for, when there are several
    reason: str


class ItemList(TypedDict):
    """A list that may be cut off: `total` counts all, `listed` has the first."""

    total: int
    listed: list[AuditItem]


class BadVideoList(ItemList):
    """Videos that can't be used, counted by kind too."""

    kinds: dict[str, int]


class LeakList(ItemList):
    """Scenarios and videos that are in several splits, each once, however many splits and questions it has."""

    scenarios: int
    videos: int


class ScenarioList(TypedDict):
    """Scenarios without an annotation file or questions of a task."""

    total: int
    scenarios: list[str]


class VideoCounts(TypedDict):
    """Videos of one split. Counts by resolution, duration, .. are of videos; the most frequent come first."""

    referenced: int
    good: int
    bad: int
    pictures: int
    seconds: float
    mean_seconds: float | None  # None: no video was measured
    frames: int
    resolutions: dict[str, int]
    durations: dict[str, int]
    frame_rates: dict[str, int]
    codecs: dict[str, int]


class TaskCounts(TypedDict):
    """Questions of one task in one split."""

    scenarios: int
    videos: int
    entries: int
    multiple_choice: int  # questions with options; each turn of a conversation is one
    open: int  # and without
    doubtful: int  # of the open ones: the prompt could be meant as multiple choice
    unread_keys: dict[str, int]  # keys of annotations that nobody reads -> how often they stand there
    options: dict[str, int]  # number of options -> entries
    letters: dict[str, int]  # right letter -> entries
    letters_by_options: dict[str, dict[str, int]]
    phases: dict[str, int]
    distinct_questions: int
    by_question: dict[str, int]
    question_types: dict[str, int]  # group -> entries


class SetCounts(TypedDict):
    """One data set in a split."""

    synthetic: bool | None  # None: nobody says
    questions: int
    media: int  # good ones
    content: str | None  # hash over their prints (media_record.py); None: some have none


class SplitCounts(TypedDict):
    """One split of audit.json."""

    scenarios: int
    questions: int
    videos: VideoCounts
    tasks: dict[str, TaskCounts]
    left_out: ItemList
    doubtful: ItemList  # open questions that could be meant as multiple choice
    bad_videos: BadVideoList
    variable_frame_rate: ItemList
    contradictions: ItemList
    doubled: ItemList  # questions that were there before, with the same answer: they count twice
    same_videos: ItemList
    scenarios_without: dict[str, ScenarioList]  # task -> scenarios that have no question of it
    sets: NotRequired[dict[str, SetCounts]]  # data sets that it comes from (provenance.py); not in a file of 0.2


class DivisionJson(TypedDict):
    """How validation was taken out of the training file (data.split)."""

    val: float  # the share that was asked for
    seed: int
    by: str  # scenario or video: what is a group
    groups: int
    validating: int  # of these
    joined: int  # names that are one group with another, since they share media


class AuditJson(TypedDict):
    """The whole of audit.json."""

    source: str
    tasks: list[str]
    division: NotRequired[DivisionJson]
    splits: dict[str, SplitCounts]
    leaks: LeakList


def leak_sentence(leaks: LeakList) -> str:
    """What is in several splits, in words."""
    counts = {"scenario": leaks["scenarios"], "video": leaks["videos"]}
    words = " and ".join(quantity(count, noun) for noun, count in counts.items() if count)
    if not words:
        return "No scenario and no video is in two splits."
    verb = "is" if leaks["total"] == 1 else "are"
    return f"{words} {verb} in more than one split: validation is not unseen."


def read_audit(path: str | Path) -> AuditJson:
    """Raises ValueError when the file isn't JSON, FileNotFoundError when there is none."""
    audit: AuditJson = read_json(path)
    return audit
