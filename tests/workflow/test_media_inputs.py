"""Media are compared through links, whatever else lies in their folder: the plan after each change."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from support.programs import run_program
from support.workflow import ROOT, copy_project, must_run, planned, read, snakemake

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
DATA = "results/own-data/data"
ANEW = {"convert_annotations": 1, "decode_frames": 2}


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """The example of docs/own-data.md with its clips behind a linked folder, one of them missing; converted and decoded."""
    work = copy_project(tmp_path_factory.mktemp("media"))
    process = run_program(
        "dev/make_example.py", env={"PYTHONPATH": "scripts"}, out=work / "data/example", train=4, val=2
    )
    assert process.returncode == 0, process.stderr
    (work / "data/example/clips").rename(work / "disk")
    (work / "data/example/clips").mkdir()
    (work / "data/example/clips/day:1").symlink_to("../../../disk")
    for split in ("train", "val"):
        table = work / f"data/example/{split}.csv"
        table.write_text(table.read_text().replace(f"{split}_0", f"day:1/{split}_0"))
    (work / "disk/train_003.mp4").rename(work / "later.mp4")
    spec = yaml.safe_load((ROOT / "specs/own-data.yaml").read_text())
    spec["data"] |= {"max_bad_fraction": 0.5, "media_links": "follow"}
    (work / "spec.yaml").write_text(yaml.safe_dump(spec))
    must_run(work, "data")
    return work


def entries(work: Path) -> set[str]:
    return {entry["video"] for entry in read(work / DATA / "train.llava.json")}


def test_what_no_question_names_may_be_anything(work):
    clips = work / "data/example/clips"
    os.mkfifo(clips / "pipe.mp4")
    (clips / "dangling.mp4").symlink_to("nothing")
    (clips / "{split}.mp4").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(clips) + b"/\xe9t\xe9.mp4")).write_bytes(b"x")
    (clips / "locked.mp4").write_bytes(b"x")
    (clips / "locked.mp4").chmod(0)
    (clips / "loop").symlink_to(".")
    assert planned(work, "data") == {}


def test_a_touched_clip_is_the_same_and_a_replaced_one_is_not(work):
    clip = work / "disk/train_001.mp4"
    index = next((work / "results/own-data/frames").glob("*/train.json"))
    before, clip_before = index.read_bytes(), clip.read_bytes()
    clip.touch()
    assert planned(work, "data") == {}
    shutil.copy(work / "disk/train_000.mp4", clip)
    assert planned(work, "data") == ANEW
    out = must_run(work, "data", "--dry-run")
    assert "Media of train: 1 changed, the first: day:1/train_001.mp4" in out
    clip.write_bytes(clip_before)
    assert planned(work, "data") == {}
    shutil.copy(work / "disk/train_000.mp4", clip)
    must_run(work, "data")
    assert index.read_bytes() != before and planned(work, "data") == {}


def test_a_clip_that_was_missing_is_used_when_it_comes(work):
    name = "day:1/train_003.mp4"
    audit = read(work / DATA / "audit.json")["splits"]["train"]
    assert name not in entries(work) and name in json.dumps(audit["bad_videos"])
    (work / "later.mp4").rename(work / "disk/train_003.mp4")
    assert planned(work, "data") == ANEW
    must_run(work, "data")
    assert name in entries(work) and planned(work, "data") == {}


def test_a_named_clip_that_goes_is_left_out_or_stops_as_the_spec_says(work):
    (work / "disk/train_003.mp4").unlink()
    process = snakemake(work, "data", "--config", 'data={"on_bad_video": "fail"}')
    assert process.returncode == 1 and "day:1/train_003.mp4: no such file" in process.stdout, process.stdout[-3000:]
    must_run(work, "data")
    assert "day:1/train_003.mp4" not in entries(work) and planned(work, "data") == {}
