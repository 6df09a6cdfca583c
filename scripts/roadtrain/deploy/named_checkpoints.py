"""A checkpoint by the name of its run: RUN/ABLATION is the best epoch, RUN/ABLATION/epoch_2 (zero_shot, fp8) that one.

    results/<run>/spec.json                                says that there is such a run, and what it was trained with
    results/<run>/<ablation>/checkpoints/<name>.json       an epoch, or what training began with
    results/<run>/<ablation>/quantized/<precision>.json
    weights/<run>/<ablation>/<name>.json                   an epoch of a training under way

Names are looked up below the working directory, as everything of a run is.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from roadtrain.cli import UserError
from roadtrain.evaluate.best import read_best
from roadtrain.files import read_json
from roadtrain.paths import Paths
from roadtrain.spec.resolved import read_resolved

_NAME = re.compile(r"(?!\.+(/|$))[\w.-]+(/(?!\.+(/|$))[\w.-]+){0,2}")


def find_manifest(name: str) -> Path:
    """The manifest of a checkpoint that is named. Raises UserError saying what there is."""
    if not _NAME.fullmatch(name) or not Path(Paths(name.split("/")[0]).spec).exists():
        runs = sorted(spec.parent.name for spec in Path("results").glob("*/spec.json"))
        there = f"runs here: {', '.join(runs)}" if runs else "there is no run below results/ here"
        raise UserError(f"{name}: neither a model directory, a manifest nor RUN/ABLATION; {there}")
    run, *more = name.split("/")
    ablations = list(read_resolved(Paths(run).spec)["ablations"])
    if not more or more[0] not in ablations:
        raise UserError(
            f"{name}: no checkpoint: name an ablation of the run: {_choices(f'{run}/{a}' for a in ablations)}"
        )
    ablation = more[0]
    manifests = _manifests(Paths(run), ablation)
    prefix, best = f"{run}/{ablation}", Path(Paths(run).best(ablation))
    if len(more) == 1:
        if best.exists():
            return Path(read_best(best)["manifest"])
        why = "its best epoch isn't known before its epochs are evaluated"
    elif more[1] in manifests:
        return manifests[more[1]]
    else:
        why = f"no checkpoint {more[1]}"
    raise UserError(f"{name}: {why}; there is {_choices(f'{prefix}/{c}' for c in manifests) or 'none yet'}")


def folder_of_manifest(file: Path) -> tuple[Path, Path]:
    """(manifest, directory of the weights) of a manifest, or of the one that best.json names. Raises UserError when it names
    no directory, or one that isn't there."""
    value = read_json(file)
    if isinstance(value, dict) and isinstance(value.get("manifest"), str):
        return folder_of_manifest(Path(value["manifest"]))
    if not isinstance(value, dict) or not isinstance(value.get("path"), str):
        raise UserError(f"{file}: not a checkpoint's manifest")
    if not Path(value["path"]).is_dir():
        raise UserError(f"{file}: its weights are missing: {value['path']}: fetch them (dvc pull)")
    return file, Path(value["path"])


def run_of_manifest(manifest: Path) -> tuple[Path, str, str] | None:
    """(folder of results/ and weights/, run, ablation) of a manifest that lies where a run keeps it; None elsewhere. What
    training began with lies anywhere: only its manifest says whose it is."""
    parts = manifest.absolute().parts
    if len(parts) > 5 and parts[-5] == "results" and parts[-2] in ("checkpoints", "quantized"):
        return Path(*parts[:-5]), parts[-4], parts[-3]
    if len(parts) > 4 and parts[-4] == "weights":
        return Path(*parts[:-4]), parts[-3], parts[-2]
    return None


def _manifests(paths: Paths, ablation: str) -> dict[str, Path]:
    """{checkpoint: its manifest}, an epoch of a training under way included."""
    folders = (
        Path(paths.weights(ablation)),
        Path(paths.ablation(ablation, "quantized")),
        Path(paths.ablation(ablation, "checkpoints")),
    )
    files = [file for folder in folders for file in folder.glob("*.json")]
    manifests = {file.stem: file for file in files if _is_manifest(file)}
    return dict(
        sorted(manifests.items(), key=lambda item: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", item[0])])
    )


def _is_manifest(file: Path) -> bool:
    """Other files lie beside them: gate.json, fingerprint.json."""
    value = read_json(file)
    return isinstance(value, dict) and {"checkpoint", "path", "files"} <= value.keys()


def _choices(names: Iterable[str]) -> str:
    return ", ".join(names)
