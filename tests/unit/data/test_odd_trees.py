"""Trees of WTS and BDD_PC_5K in which a file or a folder is not what its name says: named, never passed over."""

import json
import os
import shutil

import pytest

from roadtrain.data.convert import Rules
from roadtrain.data.sources.base import Malformed
from support.annotations import environment, mcq, phase, scenario, write, wts_file
from support.conversion import convert_tree

BDD = "external/BDD_PC_5K/annotations"
TASKS = ("environment", "overhead_view", "bdd_vqa", "bdd_caption")


def tree(root):
    """A file of each kind; returns the environment questions of s1."""
    scenario(root, "train", "s2")
    record = {"id": 7, "overhead_videos": ["s1_Camera1_0.mp4"], "event_phase": [phase()]}
    write(wts_file(root, "train", "s1", "overhead_view"), [record])
    write(root / f"{BDD}/vqa/train/x.json", [{"videos": ["x.mp4"], "environment": [mcq()]}])
    caption = {"video_name": "x.mp4", "event_phase": [phase(caption_pedestrian="It walks.")]}
    write(root / f"{BDD}/train/x_caption.json", caption)
    return write(wts_file(root, "train", "s1"), environment("s1"))


def in_place_of(file, make):
    file.unlink()
    make(file)


def as_a_file(folder):
    shutil.rmtree(folder)
    folder.write_text("x")


CHANGES = {
    "a link to nothing": (
        lambda f: in_place_of(f, lambda p: p.symlink_to("no")),
        "s1.json: a link to 'no', which isn't there",
    ),
    "a link to itself": (
        lambda f: in_place_of(f, lambda p: p.symlink_to(p.name)),
        "s1.json: can't be read: Too many levels of symbolic links",
    ),
    "a folder": (lambda f: in_place_of(f, os.mkdir), "s1.json: expected a file, found a folder"),
    "a pipe": (lambda f: in_place_of(f, os.mkfifo), "s1.json: expected a file, found a pipe"),
    "another name": (
        lambda f: f.rename(f.with_name("other.json")),
        "other.json: expected a file called s1.json here; rename it",
    ),
    "another ending": (
        lambda f: f.rename(f.with_name("s1.JSON")),
        "s1.JSON: expected a file called s1.json here; rename it",
    ),
    "a misspelt folder": (
        lambda f: f.parent.rename(f.parent.with_name("enviroment")),
        "s1/enviroment: expected a folder called environment here; rename it",
    ),
    "a file for a folder": (lambda f: as_a_file(f.parent), "s1.json: can't be read: Not a directory"),
    "a scenario twice": (
        lambda f: write(f.parents[2] / "normal_trimmed/s1/environment/s1.json", environment("s1")),
        "duplicate id s1_Camera1_0_0: the first is at ",
    ),
    "videos of another scenario": (
        lambda f: write(f, environment("s2")),
        "duplicate id s2_Camera1_0_0: the first is at ",
    ),
}
OF_BDD = {
    "a link to nothing": (lambda r: (r / "y.json").symlink_to("no"), "y.json: a link to 'no', which isn't there"),
    "a folder": (lambda r: (r / "y.json").mkdir(), "y.json: expected a file, found a folder"),
    "another name": (
        lambda r: write(r / "z/environment/zz.json", []),
        "zz.json: expected a file called z.json here; rename it",
    ),
    "a video twice": (
        lambda r: write(r / "x_vqa.json", [{"videos": ["x.mp4"], "environment": [mcq()]}]),
        "duplicate id x_0: the first is at ",
    ),
    "a view twice": (
        lambda r: write(r / "x/environment/x.json", [{"videos": ["x.mp4"], "environment": [mcq()]}]),
        "duplicate id x_0: the first is at ",
    ),
}


def test_the_tree_itself_is_read(tmp_path):
    tree(tmp_path)
    assert len(convert_tree(tmp_path, tmp_path / "out", tasks=TASKS)[0]) == 5


@pytest.mark.parametrize("name", CHANGES)
def test_what_stands_in_a_files_place_is_named(name, tmp_path):
    change, says = CHANGES[name]
    change(tree(tmp_path))
    assert says in _line(tmp_path)


@pytest.mark.parametrize("name", OF_BDD)
def test_what_stands_in_a_file_of_bdds_place_is_named(name, tmp_path):
    change, says = OF_BDD[name]
    tree(tmp_path)
    change(tmp_path / f"{BDD}/vqa/train")
    assert says in _line(tmp_path)


def _line(root) -> str:
    """The refusal, and no file. Where bad questions are left out, the audit shows it and the others are read."""
    with pytest.raises(Malformed) as error:
        convert_tree(root, root / "out", tasks=TASKS)
    assert str(error.value).isprintable() and not list(root.glob("out/*"))
    entries, audit = convert_tree(root, root / "skip", tasks=TASKS, rules=Rules(check="none", on_bad_question="skip"))
    assert 3 <= len(entries) <= 5 and error.value.expected[:20] in json.dumps(audit)
    return str(error.value)


def test_a_scenario_without_a_task_is_counted_and_nothing_else(tmp_path):
    file = tree(tmp_path)
    shutil.rmtree(file.parent)
    assert len(convert_tree(tmp_path, tmp_path / "out", tasks=TASKS)[0]) == 4
