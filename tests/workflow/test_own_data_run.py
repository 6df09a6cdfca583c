"""docs/own-data.md's example through the whole chain and through DVC, and LLaVA conversations through training and evaluation."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from roadtrain.data.convert import Rules, SplitJob, convert
from roadtrain.data.llava import read_questions
from roadtrain.data.sources import catalog
from roadtrain.evaluate.predictions import read_predictions
from roadtrain.spec.data import Data
from support.dvc import blocks_of, sh, type_block
from support.programs import run_program, run_python
from support.training import command, render_toml
from support.workflow import ROOT, copy_project, merged, must_run, planned, read, snakemake

HERE, ELSEWHERE, AGAIN = blocks_of("Your own data")
PROMPT = "You are a helpful assistant."


def make_example(out: Path, train: int, val: int) -> None:
    process = run_program("dev/make_example.py", env={"PYTHONPATH": "scripts"}, out=out, train=train, val=val)
    assert process.returncode == 0, process.stderr


@pytest.fixture(scope="module")
def versioned(tmp_path_factory):
    """specs/own-data.yaml with fewer clips and one epoch, run and kept as docs/dvc.md says; and what DVC printed."""
    work = copy_project(tmp_path_factory.mktemp("own") / "project")
    make_example(work / "data/example", 8, 4)
    (work / "cache/frames").mkdir(parents=True)
    (work / "cache/frames/.0123456789abcdef.lock").touch()  # as a run leaves them
    spec = yaml.safe_load((ROOT / "specs/own-data.yaml").read_text())
    spec = merged(spec, {"train": {"epochs": 1}, "deploy": {"allow_undecided_gate": True}})
    (work / "specs/own-data.yaml").write_text(yaml.safe_dump(spec))
    sh(work, "git", "init", "--quiet", "--initial-branch", "main")
    sh(work, "git", "add", "--all")
    assert "data/example" not in sh(work, "git", "ls-files")  # nobody's videos in git
    sh(work, "git", "commit", "--quiet", "--message", "project")
    return work, type_block(work, HERE)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_example_of_the_page_is_trained_and_evaluated(versioned):
    work, _ = versioned
    results = "results/own-data/nframes4"
    accuracy = read(work / results / "accuracy/epoch_1.json")
    assert accuracy["total_questions"] == 8 and accuracy["unanswered"] < 8 and 0.3 < accuracy["chance"] < 0.4
    steps = [json.loads(line) for line in (work / results / "train_log.jsonl").read_text().split("\n") if line]
    assert sum(step["questions"] for step in steps) == 16
    assert "| train | mcq | 8 | 8 | 16 |" in (work / "results/own-data/data/audit.md").read_text()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_own_data_come_back_after_a_lost_disk(versioned):
    """docs/dvc.md's commands as they stand there: everything that was pushed comes back, and there is nothing to do."""
    work, output = versioned
    assert "in sync" in output and sh(work, "git", "status", "--short") == ""
    listed = sh(work, "dvc", "list", ".", "--dvc-only", "--recursive").splitlines()
    assert {"data/example/train.csv", "data/example/clips/train_000.mp4"} <= set(listed)
    assert [name for name in listed if name.rpartition("/")[2].startswith(".")] == []  # no locks, no leftovers
    (work / "data/example/notes.txt").write_text("recorded in May\n")
    assert "Nothing to be done" in type_block(work, AGAIN)
    kept = {name: (work / name).read_bytes() for name in [*listed, "data/example/notes.txt"]}
    sh(work, "git", "clone", "--quiet", "--bare", ".", "../git")
    shutil.rmtree(work)
    assert "Nothing to be done" in type_block(work.parent / "git", ELSEWHERE)
    clone = work.parent / "clone"
    assert [name for name, value in kept.items() if (clone / name).read_bytes() != value] == []


@pytest.mark.slow
def test_results_are_kept_where_the_raw_files_were_not_pulled(tmp_path):
    """As after `dvc pull results .snakemake/metadata`: nothing is planned, and what needs raw files names them."""
    work = copy_project(tmp_path)
    make_example(work / "data/example", 2, 1)
    shutil.copy(ROOT / "specs/own-data.yaml", work / "spec.yaml")
    must_run(work, "data")
    for name in ("data", "cache"):
        shutil.rmtree(work / name)
    assert planned(work, "data") == {}
    (work / "results/own-data/data/val.llava.json").unlink()
    process = snakemake(work, "data")
    assert process.returncode == 1 and "data/example" in process.stdout, process.stdout[-3000:]


@pytest.mark.slow
def test_a_changed_seed_of_the_split_converts_anew_and_nothing_else_does(tmp_path):
    work = copy_project(tmp_path)
    make_example(work / "data/example", 6, 1)
    spec = yaml.safe_load((ROOT / "specs/own-data.yaml").read_text())
    spec["data"] |= {"files": {"train": "train.csv"}, "split": {"val": 0.5}}
    conversations = "results/own-data/data/val.llava.json"

    def plan() -> dict[str, int]:
        (work / "spec.yaml").write_text(yaml.safe_dump(spec))
        return planned(work, conversations)

    assert plan() == {"convert_annotations": 1}
    must_run(work, conversations)
    audit = read(work / "results/own-data/data/audit.json")
    assert [audit["splits"][split]["scenarios"] for split in ("train", "val")] == [3, 3] and not audit["leaks"]["total"]
    spec["train"]["seed"] = 7
    assert plan() == {}
    spec["data"]["split"]["seed"] = 1
    assert plan() == {"convert_annotations": 1}


@pytest.mark.slow
def test_conversations_of_several_turns_are_trained_and_asked(tmp_path):
    """Open answers, the second turn after the first; an open answer is right when it is word for word the expected one."""
    import decode_frames
    from support import tiny

    make_example(tmp_path / "example", 4, 2)
    files = {"train": "train.json", "val": "val.json"}
    data = Data(source="llava", root=str(tmp_path / "example"), media="clips", files=files)
    convert([SplitJob("train", catalog.open_source(data), str(tmp_path / "x.llava.json"))], Rules(), 1)
    vision = json.dumps({"nframes": 4, "min_pixels": 4096, "max_pixels": 8192})
    with pytest.MonkeyPatch.context() as patch:
        argv = ["decode_frames.py", "--llava", tmp_path / "x.llava.json", "--media", tmp_path / "example/clips"]
        argv += ["--vision", vision, "--index", tmp_path / "index.json", "--cache", tmp_path / "cache", "--workers", 0]
        patch.setattr(sys, "argv", [str(arg) for arg in argv])
        decode_frames.main()
    (tmp_path / "base").symlink_to(tiny.BASE)
    # Enough steps to learn eight answers by heart: then the words come out as they are expected.
    toml = render_toml(tmp_path, epochs=12, train_batch_per_replica=8, learning_rate=2e-3, state_every_steps=0)
    process = run_python(*command(tmp_path / "w", toml))
    assert process.returncode == 0, process.stderr
    process = run_program(
        "evaluate_local.py",
        checkpoint=tmp_path / "w/epoch_12.json",
        llava=tmp_path / "x.llava.json",
        frames=tmp_path / "index.json",
        system_prompt=PROMPT,
        threads=1,
        predictions=tmp_path / "p.jsonl",
        source=tmp_path / "s.json",
    )
    assert process.returncode == 0, process.stderr
    entries = {entry.id: entry for entry in read_questions(tmp_path / "x.llava.json")}
    predictions = read_predictions(tmp_path / "p.jsonl")
    assert {p.id for p in predictions} == entries.keys() and len(predictions) == 8
    assert all(p.answer == (p.response or None) for p in predictions)
    assert all(p.is_correct == (p.response == entries[p.id].answer) for p in predictions)
    assert sum(p.is_correct for p in predictions) >= 4


@pytest.mark.slow
def test_pictures_and_several_media_go_through_the_whole_chain(tmp_path):
    """The page's spec with its picture conversations: trained, evaluated, quantized, on the report."""
    work = copy_project(tmp_path)
    make_example(work / "data/example", 2, 2)
    spec = yaml.safe_load((ROOT / "specs/own-data.yaml").read_text())
    files = {"train": "mixed.json", "val": "mixed_val.json"}
    shutil.copy(work / "data/example/mixed.json", work / "data/example/mixed_val.json")  # one file can't be both
    spec["data"] = {"source": "llava", "root": "data/example", "files": files}
    spec["train"] |= {"epochs": 1, "train_batch_per_replica": 4}
    spec["deploy"] |= {"allow_undecided_gate": True}  # three scenarios tell nothing
    (work / "spec.yaml").write_text(yaml.safe_dump(spec))
    results = "results/own-data/nframes4"
    must_run(
        work,
        f"{results}/accuracy/epoch_1.json",
        f"{results}/quantized/fp8.json",
        f"{results}/preflight.json",
        "results/own-data/report.html",
    )
    entries = list(read_questions(work / "results/own-data/data/val.llava.json"))
    rows = [json.loads(line) for line in (work / results / "predictions/epoch_1.jsonl").read_text().split("\n") if line]
    assert [row["id"] for row in rows] == [entry.id for entry in entries] and len(rows) == 6
    assert all(row["response"] is not None for row in rows)
    index = read(next((work / "results/own-data/frames").glob("*/train.json")))
    assert {row["video"] for row in index["clips"]} == {"pictures/0.png", "pictures/1.png", "clips/train_000.mp4"}
    steps = [json.loads(line) for line in (work / results / "train_log.jsonl").read_text().split("\n") if line]
    assert sum(step["questions"] for step in steps) == 6 and all(step["loss"] > 0 for step in steps)
    assert read(work / results / "quantized/fp8.json")["calibration_videos"] == len({entry.clip for entry in entries})
