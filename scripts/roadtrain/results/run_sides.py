"""The sides of a comparison of runs: an ablation's checkpoint of each run that a user names by its folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from roadtrain.evaluate.predictions import Prediction, read_predictions
from roadtrain.files import read_json, sha256_file
from roadtrain.results.reader import AblationResults, Results
from roadtrain.results.repeats import BEST, CheckpointKey

LAST = "last"
# Where a run's spec.json may lie below the folder that is named: of a run, of several, of a clone.
PLACES = ("spec.json", "*/spec.json", "results/*/spec.json")


class Absence(TypedDict):
    """An ablation that isn't compared."""

    name: str
    reason: str


@dataclass(frozen=True)
class RunSide:
    """One ablation's checkpoint, of one of the runs."""

    run: str  # what the run is called here
    ablation: AblationResults
    checkpoint: str

    @property
    def name(self) -> str:
        """before/nframes8"""
        return f"{self.run}/{self.ablation.name}"

    @property
    def key(self) -> CheckpointKey:
        return self.name, self.checkpoint

    def predictions(self) -> list[Prediction]:
        """Raises ValueError when they answer other conversations than those that lie beside them."""
        results, paths = self.ablation.results, self.ablation.results.paths
        source = results.at(paths.predictions_source(self.ablation.name, self.checkpoint))
        llava = results.at(paths.llava("val"))
        if read_json(source).get("llava_sha256", sha256_file(llava)) != sha256_file(llava):
            raise ValueError(f"{source}: llava_sha256: is not that of {llava}: evaluate the checkpoint again")
        return read_predictions(results.at(paths.predictions(self.ablation.name, self.checkpoint)))


def find_runs(folders: Sequence[str]) -> dict[str, Results]:
    """{what a run is called: its results}: every run in these folders. Runs of one name are told apart by as much of
    their path as it takes.

    Raises ValueError for a folder without a run, and for a run that is there twice.
    """
    specs: list[Path] = []
    for folder in folders:
        path = Path(folder).parent if Path(folder).name == "spec.json" else Path(folder)
        below = next((files for place in PLACES if (files := sorted(path.glob(place)))), [])
        if not below:
            raise ValueError(
                f"{folder}: no spec.json in it or in a folder of it: name results/RUN, or another clone's results"
            )
        specs += below
    where = [spec.resolve().parent for spec in specs]
    if twice := [specs[n] for n, place in enumerate(where) if place in where[:n]]:
        raise ValueError(f"{twice[0].parent}: is named twice: a run is compared with another")
    return {name: Results.load(spec) for name, spec in zip(_names(where), specs, strict=True)}


def find_sides(
    runs: Mapping[str, Results], checkpoint: str, ablations: Sequence[str] = ()
) -> tuple[list[RunSide], list[Absence]]:
    """(the ablations that have that checkpoint and its predictions, those that don't and why).

    `checkpoint`: `best`, `last`, or a checkpoint's name. `ablations`: only these. Raises ValueError for one that no run has.
    """
    names = {ablation.name for results in runs.values() for ablation in results.ablations}
    if unknown := [name for name in ablations if name not in names]:
        raise ValueError(f"--ablation: no run has {unknown[0]}; there are {', '.join(sorted(names))}")
    sides: list[RunSide] = []
    absences: list[Absence] = []
    for run, results in runs.items():
        for ablation in results.ablations:
            if ablations and ablation.name not in ablations:
                continue
            try:
                side = RunSide(run, ablation, _checkpoint(ablation, checkpoint))
                for path_of in (results.paths.predictions, results.paths.predictions_source):
                    results.at(path_of(ablation.name, side.checkpoint)).stat()
                sides.append(side)
            except FileNotFoundError as error:
                absences.append({"name": f"{run}/{ablation.name}", "reason": f"{error.filename}: no such file"})
    return sides, absences


def pairs_of_runs(sides: Sequence[RunSide], every: bool = False) -> list[tuple[RunSide, RunSide]]:
    """Of every two runs, the ablations of the same name; where they share none, or with `every`, all of them."""
    pairs: list[tuple[RunSide, RunSide]] = []
    runs = list(dict.fromkeys(side.run for side in sides))
    for number, first in enumerate(runs):
        for second in runs[number + 1 :]:
            both = [(a, b) for a in sides for b in sides if (a.run, b.run) == (first, second)]
            alike = [(a, b) for a, b in both if a.ablation.name == b.ablation.name]
            pairs += both if every or not alike else alike
    return pairs


def _checkpoint(ablation: AblationResults, name: str) -> str:
    if name == BEST:
        return ablation.best["checkpoint"]
    return ablation.unquantized[-1] if name == LAST else name


def _names(folders: Sequence[Path]) -> list[str]:
    """The least number of last parts of each path by which all differ."""
    for count in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-count:]).lstrip("/") for folder in folders]
        if len(set(names)) == len(names):
            break
    return names
