"""audit.json as a page to read: Markdown."""

from typing import Any

_FIRST = 20  # places that are listed


def audit_table(audit: dict[str, Any]) -> str:
    """Counts first, then what a reader has to decide about."""
    splits = audit["splits"]
    parts = [f"# Audit of the data\n\nSource: {audit['source']}; tasks: {', '.join(audit['tasks'])}.\n"]
    rows = [
        [
            split,
            task,
            counts["scenarios"],
            counts["videos"],
            counts["entries"],
            _shares(counts["options"]),
            _shares(counts["letters"]),
        ]
        for split, part in splits.items()
        for task, counts in part["tasks"].items()
    ]
    parts.append(_table(["split", "task", "scenarios", "videos", "questions", "options", "right letters"], rows))
    rows = [
        [
            split,
            part["videos"]["good"],
            part["videos"]["bad"],
            part["left_out"]["total"],
            part["contradictions"]["total"],
            part["variable_frame_rate"]["total"],
            sum(one["total"] for one in part["scenarios_without"].values()),
            part["same_videos"]["total"],
        ]
        for split, part in splits.items()
    ]
    head = [
        "split",
        "good videos",
        "bad videos",
        "questions left out",
        "contradictions",
        "variable rate",
        "scenarios without",
        "same file twice",
    ]
    parts += ["## What needs a look\n", _table(head, rows)]
    leaks = audit["leaks"]
    parts.append(
        f"In two splits: {leaks['total']}." + _places(leaks, "reason")
        if leaks["total"]
        else "Nothing is in two splits.\n"
    )
    for split, part in splits.items():
        parts.append(f"## {split}\n")
        for title, key in (
            ("Left out", "left_out"),
            ("Contradictions", "contradictions"),
            ("Bad videos", "bad_videos"),
        ):
            if part[key]["total"]:
                parts.append(f"{title}: {part[key]['total']}" + _places(part[key], "reason"))
        videos = part["videos"]
        for title, key in (
            ("length", "durations"),
            ("size", "resolutions"),
            ("frames a second", "frame_rates"),
        ):
            if videos[key]:
                parts.append(
                    _table(
                        [title, "videos"],
                        [[name, count] for name, count in list(videos[key].items())[:_FIRST]],
                    )
                )
        for task, counts in part["tasks"].items():
            types = [[name, count] for name, count in counts["question_types"].items()]
            parts.append(_table([f"{task}: about", "entries"], types))
            asked = list(counts["by_question"].items())[:_FIRST]
            title = f"{task}: question ({counts['distinct_questions']} different)"
            parts.append(_table([title, "entries"], [[text, count] for text, count in asked]))
    return "\n".join(parts)


def _shares(counts: dict[str, int]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{name}: {count / total:.0%}" for name, count in counts.items()) or "-"


def _places(listed: dict[str, Any], key: str) -> str:
    items = listed["listed"][:_FIRST]
    lines = [
        f"- {_cell(' '.join(str(item[k]) for k in ('file', 'path', 'name') if k in item))}: {_cell(item[key])}"
        for item in items
    ]
    if listed["total"] > len(items):
        lines.append("- .. more in audit.json")
    return "\n\n" + "\n".join(lines) + "\n"


def _table(head: list[str], rows: list[list[Any]]) -> str:
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in [head, *rows]]
    right = [all(isinstance(row[i], int) for row in rows) and bool(rows) for i in range(len(head))]
    rule = "|" + "|".join("--:" if number else "---" for number in right) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def _cell(value: Any) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
