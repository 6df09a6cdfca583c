"""Tables of questions that a test writes and converts."""

import json
from pathlib import Path
from typing import Any

from roadtrain.data.audit_json import AuditJson
from support.conversion import convert_tree

HEAD = "video,question,a,b,answer\n"
ROW = "v.mp4,What?,Red,Green,B\n"


def table(folder: Path, text: str | bytes, name: str = "t.csv", **more: Any) -> tuple[list[dict[str, Any]], AuditJson]:
    """(entries, audit) of a table with this text."""
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return convert_tree(folder, folder / "out", source="mcq", files={"train": name, "val": name}, **more)


def lines(folder: Path, *rows: Any, **more: Any) -> tuple[list[dict[str, Any]], AuditJson]:
    """The same of JSON lines: values, or text as it stands."""
    return table(folder, "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "t.jsonl", **more)


def row(**more: Any) -> dict[str, Any]:
    """A row that is accepted, with changes."""
    return {"video": "v.mp4", "question": "What?", "options": ["Red", "Green"], "answer": "B"} | more
