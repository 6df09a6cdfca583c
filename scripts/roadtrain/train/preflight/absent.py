"""What a spec names and this machine doesn't have: said before the first job, and by a dry run."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from roadtrain.data.sources import catalog
from roadtrain.train.preflight.model_files import find_model

if TYPE_CHECKING:  # the models take longer to import than this takes
    from roadtrain.spec.spec import Spec


def absent(spec: "Spec", *, converted: bool = False) -> list[str]:
    """One line each: `key: value: what is missing`. A model that can be downloaded is not missing. `converted`: conversations
    are there already, and raw data may be elsewhere; a folder in which only a question table is missing is a mistake."""
    data = absent_tables(spec) if converted else _data(spec)
    return [*data, *_models(spec)]


def absent_tables(spec: "Spec") -> list[str]:
    """The question tables that a folder of data lacks; none where there is no such folder (only results were pulled)."""
    return list(_tables(spec)) if spec.data.sample is None and Path(spec.data.root).is_dir() else []


def _data(spec: "Spec") -> Iterator[str]:
    data = spec.data
    if data.sample is not None:
        return
    if not Path(data.root).is_dir():
        yield f"data.root: {data.root}: {'a file, not a folder' if Path(data.root).exists() else 'no such folder'}"
        return
    yield from _tables(spec)
    if not data.is_wts and not Path(data.root, data.media).is_dir():
        yield f"data.media: {data.media}: no such folder below data.root: {data.root}"


def _tables(spec: "Spec") -> Iterator[str]:
    data = spec.data
    for split, file in data.files.model_dump(exclude_none=True).items():
        if not Path(data.root, file).is_file():
            yield f"data.files.{split}: {file}: no such file below data.root: {data.root}"
    if data.is_wts or data.source == "tar":
        for split in ("train", "val"):
            if not catalog.input_files(data, split):
                yield f"data.root: {data.root}: no annotations of {split} for data.tasks: {', '.join(data.tasks)}"


def _models(spec: "Spec") -> Iterator[str]:
    keys = {"model": spec.model} | {
        f"ablations.{name}.model": ablation.model for name, ablation in spec.ablations.items() if ablation.model
    }
    if all(ablation.model for ablation in spec.ablations.values()):
        del keys["model"]  # nobody trains it
    for key, model in keys.items():
        place = find_model(model)
        if place.state == "wrong":
            yield f"{key}: {place.words}"
