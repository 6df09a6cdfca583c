"""Convert a small tree of annotations and look at what comes out."""

import json
from pathlib import Path
from typing import Any

from roadtrain.data.audit_json import AuditJson
from roadtrain.data.convert import Rules, SplitJob, convert
from roadtrain.data.sources import catalog
from roadtrain.spec.data import Data

NO_VIDEOS = Rules(check="none")


def convert_tree(
    root: Path,
    out: Path,
    *,
    splits: tuple[str, ...] = ("train",),
    rules: Rules = NO_VIDEOS,
    workers: int = 1,
    tasks: tuple[str, ...] = ("environment",),
    **data: Any,
) -> tuple[list[dict[str, Any]], AuditJson]:
    """(entries of the last split, audit). `data`: further keys of the spec's section; <split>.json lie in `out`."""
    section = Data(
        root=str(root),
        **({"tasks": list(tasks)} if data.get("source", "wts") in ("wts", "synwts", "tar") else {}),
        **data,
    )
    jobs = [SplitJob(split, catalog.open_source(section, split), str(out / f"{split}.json")) for split in splits]
    audit = convert(jobs, rules, workers)
    return json.loads((out / f"{splits[-1]}.json").read_text()), audit.report()
