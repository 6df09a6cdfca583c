"""What is handed on of a checkpoint: its files, its card as README.md, and whether that may leave the house."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.cli import UserError
from roadtrain.deploy.manifests import check_gate
from roadtrain.deploy.named_checkpoints import find_manifest
from roadtrain.files import sha256_tree, whole_directory, write_text
from roadtrain.model.checkpoints import CheckpointManifest, present, read_manifest, verify_checkpoint
from roadtrain.paths import Paths
from roadtrain.spec.card import UNFILLED
from roadtrain.spec.deploy import Deploy
from roadtrain.spec.resolved import read_resolved

CARD = "README.md"  # what the hub shows


@dataclass(frozen=True)
class Package:
    """A checkpoint that may be handed on."""

    folder: Path
    files: dict[str, str]  # {relative path: sha256}, as its manifest has them
    card: str
    card_file: Path
    warnings: tuple[str, ...]

    def sizes(self) -> dict[str, int]:
        """{relative path: bytes}, the card first."""
        sizes = {name: (self.folder / name).stat().st_size for name in self.files if name != CARD}
        return {CARD: len(self.card.encode()), **sizes}


def manifest_of_checkpoint(checkpoint: str) -> Path:
    """Of a checkpoint named by its manifest (or best.json), by its folder below weights/, or as RUN/ABLATION[/CHECKPOINT].

    Raises UserError saying what there is.
    """
    path = Path(checkpoint)
    if path.is_file():
        return path
    if path.is_dir() and path.with_name(f"{path.name}.json").is_file():
        return path.with_name(f"{path.name}.json")
    return find_manifest(checkpoint)


def package_of(manifest_file: Path, allow_failed_gate: bool, allow_undecided_gate: bool) -> Package:
    """Raises ValueError, one line, for files that are missing or not those of the manifest, a card that is missing, of
    another state or without licences, and a quantized checkpoint that the gate didn't pass, unless the spec or the
    arguments allow that."""
    manifest = read_manifest(manifest_file)
    folder = present(manifest)
    if len(folder.parts) < 3:
        raise ValueError(f"{manifest_file}: path: {folder}: is in no run: only what a run exported is handed on")
    run, ablation = folder.absolute().parts[-3:-1]
    paths = Paths(run)
    verify_checkpoint(manifest)
    warnings = [*_gate_warnings(manifest, paths, ablation, allow_failed_gate, allow_undecided_gate)]
    if "adapter" in manifest and Path(manifest["base_model"]).is_dir():
        warnings.append(
            f"the adapter names its base model by a folder of this machine, {manifest['base_model']}: who loads it needs the same"
        )
    card_file = Path(paths.card(ablation, manifest["checkpoint"]))
    card = _card(card_file, manifest)
    return Package(folder, manifest["files"], card, card_file, tuple(warnings))


def copy_package(package: Package, folder: Path) -> None:
    """Into a new folder that appears when it is whole. Raises UserError for one that has something in it."""
    check_new(package, folder)
    if folder.is_dir():
        folder.rmdir()
    with whole_directory(folder) as beside:
        for name in package.files:
            (beside / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(package.folder / name, beside / name)
        if (changed := _changed(package.files, sha256_tree(beside))) is not None:
            raise UserError(f"{package.folder / changed}: changed while it was copied: nothing was written")
        write_text(beside / CARD, package.card)


def check_new(package: Package, folder: Path) -> None:
    """Raises UserError for a folder that has something in it, or that lies in the checkpoint's."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: is there already: name a new folder; nothing is replaced")
    if package.folder.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise UserError(f"{folder}: lies in the checkpoint's own folder")


def _changed(files: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    return next((name for name in files if now.get(name) != files[name]), None)


def _gate_warnings(
    manifest: CheckpointManifest, paths: Paths, ablation: str, allow_failed: bool, allow_undecided: bool
) -> list[str]:
    """What is handed on all the same; none of an epoch, which has no gate."""
    if "parent" not in manifest:
        return []
    section: Mapping[str, Any] = read_resolved(paths.spec)["spec"]
    deploy = Deploy.model_validate(section.get("deploy", {}))
    deploy = deploy.model_copy(
        update={
            "allow_failed_gate": deploy.allow_failed_gate or allow_failed,
            "allow_undecided_gate": deploy.allow_undecided_gate or allow_undecided,
        }
    )
    verdict = check_gate(manifest["checkpoint"], paths.gate(ablation), deploy)
    assert verdict is not None  # it raises for a quantized checkpoint that nobody judged
    return [] if verdict["passed"] else [f"the gate: {verdict['in_words']}; that was allowed"]


def _card(file: Path, manifest: CheckpointManifest) -> str:
    if not file.is_file():
        raise ValueError(f"{file}: the checkpoint has no card: make it (snakemake cards)")
    text = file.read_text(encoding="utf-8")
    if manifest["sha256"] not in text:
        raise ValueError(f"{file}: the card of another state of this checkpoint: make it again (snakemake cards)")
    keys = [line.partition(f"{UNFILLED}: ")[2] for line in text.splitlines() if f"{UNFILLED}: " in line]
    if keys:
        raise ValueError(
            f"{file}: licences are not filled in: say {' and '.join(keys)} in the spec, then snakemake cards"
        )
    return text
