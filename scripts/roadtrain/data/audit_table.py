"""audit.json as a page to read: Markdown."""

from collections.abc import Iterator, Mapping, Sequence

from roadtrain.data.audit_json import AuditJson, DivisionJson, ItemList, SplitCounts, TaskCounts, leak_sentence
from roadtrain.files import markdown_table
from roadtrain.markup import markdown_text

_FIRST = 20  # items that are listed
_TASKS = ("split", "task", "scenarios", "videos", "entries", "options", "right letters")
_READINGS = ("split", "task", "multiple choice", "open", "of these doubtful", "keys that nobody reads")
_PROBLEMS = (
    "split",
    "good videos",
    "bad videos",
    "questions left out",
    "contradictions",
    "doubled",
    "variable rate",
    "scenarios without",
    "same file twice",
)


def audit_table(audit: AuditJson) -> str:
    """Counts first, then what a reader has to decide about."""
    splits, leaks = audit["splits"], audit["leaks"]
    tasks = [_task_row(split, task, counts) for split, part in splits.items() for task, counts in part["tasks"].items()]
    readings = [
        _reading_row(split, task, counts) for split, part in splits.items() for task, counts in part["tasks"].items()
    ]
    parts = [
        f"# Audit of the data\n\nSource: {_cell(audit['source'])}; tasks: {_cell(', '.join(audit['tasks']))}.\n",
        *([_division(audit["division"], splits)] if "division" in audit else []),
        _table(_TASKS, tasks),
        _table(_READINGS, readings),
        "## What needs a look\n",
        _table(_PROBLEMS, [_problem_row(split, part) for split, part in splits.items()]),
        leak_sentence(leaks) + (_items(leaks) if leaks["total"] else "\n"),
    ]
    for split, part in splits.items():
        parts += [f"## {_cell(split)}\n", *_split_parts(part)]
    return "\n".join(parts)


def _division(division: DivisionJson, splits: Mapping[str, SplitCounts]) -> str:
    """How the two sides came about, and how large they are."""
    sides = ", ".join(
        f"{name} {part['scenarios']:,} scenarios and {part['questions']:,} questions"
        for name, part in splits.items()
        if name != "test"
    )
    joined = f"; {division['joined']:,} share media with another and are one with it" if division["joined"] else ""
    return (
        f"One file is both splits (data.split): {division['validating']:,} of {division['groups']:,} {division['by']}s validate"
        f" (val: {division['val']:g}, seed: {division['seed']}){joined}. {sides[:1].upper()}{sides[1:]}.\n"
    )


def _task_row(split: str, task: str, counts: TaskCounts) -> list[str | int]:
    shares = [_shares(counts["options"]), _shares(counts["letters"])]
    return [split, task, counts["scenarios"], counts["videos"], counts["entries"], *shares]


def _reading_row(split: str, task: str, counts: TaskCounts) -> list[str | int]:
    unread = ", ".join(f"{key}: {count:,}" for key, count in _first(counts["unread_keys"])) or "-"
    return [split, task, counts["multiple_choice"], counts["open"], counts["doubtful"], unread]


def _problem_row(split: str, part: SplitCounts) -> list[str | int]:
    return [
        split,
        part["videos"]["good"],
        part["videos"]["bad"],
        part["left_out"]["total"],
        part["contradictions"]["total"],
        part["doubled"]["total"],
        part["variable_frame_rate"]["total"],
        sum(scenarios["total"] for scenarios in part["scenarios_without"].values()),
        part["same_videos"]["total"],
    ]


def _split_parts(part: SplitCounts) -> Iterator[str]:
    """What was left out of a split, then its videos, then its questions."""
    problems = {
        "Left out": part["left_out"],
        "Open questions that could be meant as multiple choice": part["doubtful"],
        "Contradictions": part["contradictions"],
        "Doubled questions": part["doubled"],
        "Bad videos": part["bad_videos"],
    }
    for title, items in problems.items():
        if items["total"]:
            yield f"{title}: {items['total']}" + _items(items)
    videos = part["videos"]
    kinds = {"length": videos["durations"], "size": videos["resolutions"], "frames a second": videos["frame_rates"]}
    for title, counts in kinds.items():
        if counts:
            yield _table((title, "videos"), _first(counts))
    for task, questions in part["tasks"].items():
        yield _table((f"{task}: about", "entries"), list(questions["question_types"].items()))
        title = f"{task}: question ({questions['distinct_questions']} different)"
        yield _table((title, "entries"), _first(questions["by_question"]))


def _first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return list(counts.items())[:_FIRST]


def _shares(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{name}: {count / total:.0%}" for name, count in counts.items()) or "-"


def _items(items: ItemList) -> str:
    lines = []
    for item in items["listed"][:_FIRST]:
        place = [item[key] for key in ("file", "path", "name") if key in item]
        lines.append(f"- {_cell(' '.join(place))}: {_cell(item['reason'])}")
    if items["total"] > len(lines):
        lines.append("- .. more in audit.json")
    return "\n\n" + "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str | int]]) -> str:
    numeric = [bool(rows) and all(isinstance(row[n], int) for row in rows) for n in range(len(head))]
    cells = [[_cell(value) for value in row] for row in rows]
    return markdown_table([_cell(title) for title in head], cells, numeric, marks=("---", "--:"))


def _cell(value: str | int) -> str:
    return f"{value:,}" if isinstance(value, int) else markdown_text(value)
