"""Scenarios -> files, each of them whole or absent, and nothing else in the tree."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from roadtrain.files import read_json, whole_file, write_json, write_text
from roadtrain.sample.annotations import annotation_files, public_questions
from roadtrain.sample.reasoning import tar_documents
from roadtrain.sample.render import frames
from roadtrain.sample.scenes import Scene
from roadtrain.sample.tree import MARK, QUESTIONS_FILE, SampleSpec, Scenario, tree_files
from roadtrain.sample.video import encode


def make_room(root: Path, spec: SampleSpec) -> None:
    """Makes room for a sample: deletes the files of an earlier one that `spec` doesn't have.

    Raises FileExistsError, before anything is deleted, when there are videos or annotations that no sample
    has written: somebody's data are neither deleted nor mixed with ours.
    """
    mark, new = root / MARK, set(tree_files(spec))
    old = set(tree_files(_marked(mark))) if mark.exists() else set()
    here = {p for top in ("videos", "annotations") for p in (root / top).rglob("*") if p.is_file()}
    names = {p.relative_to(root).as_posix() for p in here if not p.name.startswith(".")}
    if foreign := sorted(names - new - old):
        raise FileExistsError(f"{root} holds files of another data set, such as {foreign[0]}; choose another --out")
    for name in sorted(old - new):
        path = root / name
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == root or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()
    write_json(mark, {key: value for key, value in asdict(spec).items() if key != "tar" or value})


def write_collected(root: Path, spec: SampleSpec, scenarios: Sequence[tuple[Scenario, Scene]]) -> int:
    """Writes the files that are about several scenarios: the questions of the public test, and those with reasoning, where there
    are any. Returns the number of files."""
    of_test = [item for item in scenarios if item[0].split == "test"]
    texts = {QUESTIONS_FILE: public_questions(of_test)} if of_test else {}
    if spec.tar:
        texts |= dict(tar_documents(spec, scenarios))
    for path, text in texts.items():
        write_text(root / path, text)
    return len(texts)


def _marked(mark: Path) -> SampleSpec:
    try:
        return SampleSpec(**read_json(mark))
    except TypeError:
        raise ValueError(f"{mark}: not the mark of a sample; delete it or choose another --out") from None


def write_scenario(root: Path, scenario: Scenario, scene: Scene) -> int:
    """Writes the videos and the annotations of a scenario below `root`. Returns the number of its files."""
    for view, name in scenario.videos:
        camera = scene.camera(name)
        with whole_file(root / scenario.video_path(view, name), "wb") as file:
            file.write(encode(frames(scene, camera), camera.fps))
    for path, text in annotation_files(scenario, scene):
        write_text(root / path, text)
    return len(scenario.files())
