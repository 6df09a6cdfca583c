"""What lies in somebody's folder of clips: the table or LLaVA file, where its clips are, and the audit of both.

Only the readers and the conversion of roadtrain.data look into files: what they refuse is refused here, in the same words.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from roadtrain.cli import UserError
from roadtrain.data.audit import Audit
from roadtrain.data.convert import Rules, SplitJob, convert
from roadtrain.data.sources.base import Block
from roadtrain.data.sources.catalog import open_source, open_sources
from roadtrain.data.sources.rows import read_records
from roadtrain.spec.arguments import checked
from roadtrain.spec.data import Data

TABLES, RECORDS = (".csv", ".tsv", ".tab"), (".json", ".jsonl", ".ndjson")
ENOUGH = 1000  # questions that say where the clips lie
DEPTH = 3  # folders below the one that was given


@dataclass(frozen=True)
class FolderLook:
    """A folder that can be trained on. `data`: the section of a spec that says so."""

    data: Data
    audit: Audit
    longest_answer: int  # characters, of open questions; 0: there are none


def look_into(folder: str, table: str | None, workers: int) -> FolderLook:
    """Raises UserError or Malformed: one line that says what is missing, or asks what is meant."""
    if not Path(folder).is_dir():
        raise UserError(f"{folder}: {'a file, not a folder' if os.path.exists(folder) else 'no such folder'}")
    files = _question_files(folder, table)
    source = _kind(Path(folder, files["train"]))
    section = {"source": source, "root": folder, "files": files}
    media = _media_folder(folder, checked("data", Data, section | {"files": files | {"val": "-"}}))
    if media != ".":
        section["media"] = media
    if "val" not in files:
        section["split"] = {"val": 0.2}
    data = checked("data", Data, section)
    if data.split is not None and (groups := _groups(data)) == 2:
        data = checked("data", Data, section | {"split": {"val": round(1 / groups, 2)}})
    return _audited(data, workers)


def _question_files(folder: str, table: str | None) -> dict[str, str]:
    """{split: file}, relative to the folder."""
    if table is not None:
        if not Path(table).is_file():
            raise UserError(f"{table}: {'a folder, not a file' if os.path.isdir(table) else 'no such file'} (--table)")
        return {"train": os.path.relpath(table, folder), **_validation_beside(table, folder)}
    endings = (*TABLES, *RECORDS)
    names = sorted(p.name for p in Path(folder).iterdir() if p.suffix.lower() in endings and p.is_file())
    if len(names) == 1:
        return {"train": names[0]}
    stems = {Path(name).stem.lower(): name for name in names}
    if len(names) == 2 and stems.keys() == {"train", "val"}:
        return {split: stems[split] for split in ("train", "val")}
    if not names:
        if Path(folder, "annotations").is_dir() and Path(folder, "videos").is_dir():
            raise UserError(f"{folder}: WTS's layout: config.yaml is a spec of it (data.root: {folder})")
        raise UserError(
            f"{folder}: no table and no LLaVA file in it ({', '.join(endings)}): say which with --table FILE"
        )
    listing = ", ".join(names[:5]) + (", .." if len(names) > 5 else "")
    raise UserError(
        f"{folder}: {len(names)} files could hold the questions ({listing}): say which with --table FILE (of train.csv and"
        " val.csv the first: the other validates)"
    )


def _validation_beside(table: str, folder: str) -> dict[str, str]:
    """Who names train.csv and has a val.csv beside it has divided the questions already."""
    path = Path(table)
    if path.stem.lower() != "train":
        return {}
    files = [
        p for p in sorted(path.parent.iterdir()) if p.stem.lower() == "val" and p.suffix == path.suffix and p.is_file()
    ]
    return {"val": os.path.relpath(files[0], folder)} if files else {}


def _kind(file: Path) -> str:
    """llava where records are conversations, else mcq."""
    if file.suffix.lower() not in RECORDS:
        return "mcq"
    first = next((value for _, value in read_records(str(file)) if isinstance(value, dict)), {})
    return "llava" if "conversations" in first else "mcq"


def _media_folder(folder: str, data: Data) -> str:
    """The folder below this one that names are relative to: where most of the first clips lie, the nearest of equals.
    Raises UserError where none is anywhere."""
    names: dict[str, None] = {}
    source = open_source(data)
    for unit in islice(source.units("train"), ENOUGH):
        for block in source.blocks(unit):
            if isinstance(block, Block):
                names.update(dict.fromkeys(medium.file for medium in block.media))
    if not names:
        return "."  # the conversion says what is wrong with every row
    counts = {
        place: sum(os.path.isfile(os.path.join(folder, place, name)) for name in names) for place in _folders(folder)
    }
    best = max(counts, key=lambda place: counts[place])  # the first of equals
    if not counts[best]:
        raise UserError(
            f"{data.files.train}: none of its clips lies below {folder}; the first is {next(iter(names))}: names are"
            " relative to one folder there"
        )
    return best


def _folders(folder: str) -> Iterator[str]:
    """The folder itself and those below it, nearer ones first."""
    level = ["."]
    for _ in range(DEPTH + 1):
        yield from level
        level = [
            os.path.normpath(os.path.join(place, entry.name))
            for place in level
            for entry in sorted(os.scandir(os.path.join(folder, place)), key=lambda entry: entry.name)
            if entry.is_dir() and not entry.name.startswith(".")
        ]


def _groups(data: Data) -> int:
    """How many scenarios there are to divide. (A half has two sides wherever there are two.)"""
    from roadtrain.data.sources.divided import Divided

    half = checked("data", Data, data.model_dump(exclude_unset=True) | {"split": {"val": 0.5}})
    source = open_source(half)
    assert isinstance(source, Divided)
    return source.cut().groups


def _audited(data: Data, workers: int) -> FolderLook:
    """Convert all of it to a folder that goes away. What can't be read is left out, and counted."""
    rules = Rules(on_bad_video="skip", max_bad_fraction=1, on_bad_question="skip")
    sources = open_sources(data, data.splits)
    with tempfile.TemporaryDirectory(prefix="roadtrain-init-") as scratch:
        outputs = {split: f"{scratch}/{split}.json" for split in data.splits}
        jobs = [SplitJob(split, sources[split], output) for split, output in outputs.items()]
        audit = convert(jobs, rules, workers, data.source)
        longest = 0
        for output in outputs.values():
            for line in Path(output).read_text(encoding="utf-8").splitlines()[1:-1]:  # an entry a line
                entry = json.loads(line.removesuffix(","))
                options = entry["options"] if isinstance(entry["options"], list) else [entry["options"]]
                answers = [len(turn["value"]) for turn in entry["conversations"][1::2]]
                longest = max([longest, *(n for n, letters in zip(answers, options, strict=True) if not letters)])
    return FolderLook(data, audit, longest)
