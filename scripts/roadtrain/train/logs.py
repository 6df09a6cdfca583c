"""The two logs of a training run, a line an optimizer step: train_log.jsonl is what was computed, without a clock, and
train_times.jsonl what was measured. Both engines write both."""

import json
from pathlib import Path
from typing import Any

from roadtrain.files import write_text

TRAIN_LOG, TRAIN_TIMES = "train_log.jsonl", "train_times.jsonl"


def read_log(path: Path, upto: int) -> list[str]:
    """The log's lines of the first `upto` steps; a line that a kill cut in half ends it."""
    lines = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                if json.loads(line)["step"] > upto:
                    break
            except (json.JSONDecodeError, KeyError):
                break
            lines.append(line)
    return lines


def cut_back(root: Path, step: int) -> None:
    """The logs end at the step that a run goes on from. They are new files: DVC may have linked the old ones."""
    for name in (TRAIN_LOG, TRAIN_TIMES):
        write_text(root / name, "".join(f"{line}\n" for line in read_log(root / name, step)))


def append_line(file: Path, line: dict[str, Any]) -> None:
    """One more line of a log."""
    with open(file, "a") as stream:
        stream.write(json.dumps(line) + "\n")
