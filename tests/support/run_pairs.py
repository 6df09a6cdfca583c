"""Two copies of a made-up run, one of which is changed: for tests of runs beside runs."""

import shutil
from collections.abc import Callable
from pathlib import Path

from roadtrain.data.llava import read_questions, write_entries
from roadtrain.data.media_record import record_text
from roadtrain.data.strict_json import read_rows
from roadtrain.evaluate.predictions import write_predictions
from roadtrain.files import read_json, sha256_file, write_json, write_text
from roadtrain.results.reader import Results

Change = Callable[[dict], None]


def copy_run(folder: Path, to: Path) -> Path:
    """A copy of results/<run>, called otherwise."""
    shutil.copytree(folder, to)
    return to


def change_questions(folder: Path, entry: Change = lambda value: None, row: Change = lambda value: None) -> None:
    """Change every entry of the validation conversations, and every row of predictions of every checkpoint."""
    results = Results.load(folder / "spec.json")
    llava = results.at(results.paths.llava("val"))
    entries = read_json(llava)
    for value in entries:
        entry(value)
    write_entries(llava, entries)
    assert list(read_questions(llava))
    for ablation in results.ablations:
        for checkpoint in (*results.baselines, *ablation.checkpoints):
            change_rows(results.at(results.paths.predictions(ablation.name, checkpoint)), row)
            source = results.at(results.paths.predictions_source(ablation.name, checkpoint))
            write_json(source, read_json(source) | {"llava_sha256": sha256_file(llava)})


def change_rows(predictions: Path, row: Change) -> None:
    """Change every row of one file of predictions."""
    rows = [value for _, value in read_rows(predictions)]
    for value in rows:
        row(value)
    write_predictions(predictions, rows)


def change_media(folder: Path, change: Callable[[dict[str, str | None]], dict[str, str | None]]) -> None:
    """Change what is recorded of the content of the validation videos: {name: print}."""
    file = Results.load(folder / "spec.json").at("results/made-up/data/val.media.json")
    write_text(file, record_text("", change(read_json(file)["media"])))
