"""T1: what the data is, by split and task."""

from roadtrain.data.audit_json import SplitCounts, TaskCounts
from roadtrain.paper.table import Cell, Column, Number, Table, number_or_none
from roadtrain.results.published import PublishedSplit
from roadtrain.results.reader import Results
from roadtrain.results.words import most_frequent

COLUMNS = (
    Column("split", "split"),
    Column("task", "task"),
    Column("scenarios", "scenarios"),
    Column("videos", "videos"),
    Column("questions", "questions"),
    Column("mean_seconds", "mean length (s)"),
    Column("resolution", "resolution"),
    Column("bad_videos", "bad videos"),
    Column("questions_left_out", "left out"),
)
PUBLISHED = (
    Column("published_videos", "published: videos"),
    Column("published_questions", "questions"),
    Column("published_mean_seconds", "mean length (s)"),
)
NOTES = "Lengths, resolutions and bad videos are of the whole split. The most frequent resolution is given."


def data_table(results: Results) -> Table:
    """T1: what the data is, by split and task."""
    splits = results.audit["splits"]
    recipe_data = results.published["data"] if results.published else {}
    records = [
        _record(split, part, task, counts) | _published(recipe_data.get(split))
        for split, part in splits.items()
        for task, counts in part["tasks"].items()
    ]
    sizes = [
        f"{sum(task['entries'] for task in part['tasks'].values()):,} questions"
        f" about {part['videos']['good']:,} videos in {split}"
        for split, part in splits.items()
    ]
    caption = f"Data of the run {results.run}: {'; '.join(sizes)}."
    columns = (*COLUMNS, *PUBLISHED) if results.published else COLUMNS
    return Table.from_records("t1_data", caption, columns, records, NOTES)


def _record(split: str, part: SplitCounts, task: str, counts: TaskCounts) -> dict[str, Cell]:
    videos = part["videos"]
    return {
        "split": split,
        "task": task,
        "scenarios": Number(counts["scenarios"]),
        "videos": Number(counts["videos"]),
        "questions": Number(counts["entries"]),
        "mean_seconds": number_or_none(videos["mean_seconds"], 1),
        "resolution": most_frequent(videos["resolutions"]),
        "bad_videos": Number(videos["bad"]),
        "questions_left_out": Number(part["left_out"]["total"]),
    }


def _published(split: PublishedSplit | None) -> dict[str, Cell]:
    if split is None:
        return {}
    return {
        "published_videos": Number(split["videos"]),
        "published_questions": split["questions"],
        "published_mean_seconds": number_or_none(split["mean_seconds"]),
    }
