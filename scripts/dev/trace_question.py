#!/usr/bin/env python3
"""Which files does a question pass on its way from an annotation to accuracy? docs/architecture.md has the list.

Runs the chain on two scenarios of the sample in this process, and notes every file of scripts/ that has a function which
takes or returns a question: the record of an annotation, a Question, a sequence of its turns, a reply, a prediction.

    PYTHONPATH=scripts python scripts/dev/trace_question.py

Functions that get anything whatever (files.py: JSON, hashes) are not counted, nor programs' main.
"""

import contextlib
import importlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1]
TYPES = {"Question", "Turn", "Content", "Draft", "Block", "Chunk", "Segment", "TokenSequence", "Reply", "Prediction"}
KEYS = {"question", "conversations"}  # of annotations, LLaVA JSON, predictions


def is_question(value: object, depth: int = 2) -> bool:
    """Also of a list, tuple or mapping that has one among its first members."""
    if type(value).__name__ in TYPES:
        return True
    if isinstance(value, dict):
        return (
            bool(KEYS & value.keys()) or depth > 0 and any(is_question(v, depth - 1) for v in list(value.values())[:2])
        )
    if isinstance(value, list | tuple):
        return depth > 0 and any(is_question(v, depth - 1) for v in value[:2])
    return False


@contextlib.contextmanager
def watching() -> Iterator[dict[str, set[str]]]:
    """{file below scripts/: functions through which a question went}, growing."""
    passed: dict[str, set[str]] = {}
    files: dict[CodeType, str] = {}

    def watch(frame: FrameType, event: str, value: Any) -> None:
        code = frame.f_code
        if event not in ("call", "return") or "/scripts/" not in code.co_filename:
            return
        file = files.setdefault(code, os.path.relpath(code.co_filename, SCRIPTS))
        values = [value] if event == "return" else [frame.f_locals.get(n) for n in code.co_varnames[: code.co_argcount]]
        if code.co_name.startswith("<") or code.co_name in passed.get(file, ()) or not any(map(is_question, values)):
            return
        passed.setdefault(file, set()).add(code.co_name)

    sys.setprofile(watch)
    try:
        yield passed
    finally:
        sys.setprofile(None)


def program(name: str, **options: object) -> None:
    """Run scripts/<name>.py here, without its words: `spec_hash=x` is --spec-hash x."""
    words = [(f"--{option.replace('_', '-')}", str(value)) for option, value in options.items()]
    sys.argv = [f"{name}.py", *(word for pair in words for word in pair)]
    with contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module(name).main()


def chain(folder: Path) -> dict[str, set[str]]:
    """Files that questions pass, with the functions that they pass there."""
    train, val, base = folder / "train.json", folder / "val.json", SCRIPTS.parent / "specs/sample/base"
    frames, manifest, predictions = folder / "frames.json", folder / "base.json", folder / "predictions.jsonl"
    vision, data, source = json.dumps({"nframes": 2, "max_pixels": 131072}), folder / "data", folder / "source.json"
    program("make_sample", out=data, train=2, val=2, workers=1)
    program("describe_base", model=base, manifest=manifest)
    with watching() as passed:
        program("convert_annotations", root=data, train=train, val=val, audit=folder / "audit.json", workers=0)
        program(
            "decode_frames",
            llava=val,
            media=data / "videos/val",
            vision=vision,
            index=frames,
            cache=folder / "cache",
            workers=0,
        )
        program(
            "evaluate_local",
            checkpoint=manifest,
            llava=val,
            frames=frames,
            system_prompt="",
            predictions=predictions,
            source=source,
        )
        program("score", predictions=predictions, source=source, spec_hash="0" * 16, accuracy=folder / "accuracy.json")
    return passed


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        passed = chain(Path(folder))
    for file, functions in sorted(passed.items()):
        if file != "roadtrain/files.py" and functions - {"main"}:
            print(f"{file:45} {', '.join(sorted(functions))}")


if __name__ == "__main__":
    main()
