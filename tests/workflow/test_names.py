"""Names and texts with braces, angle brackets and dashes: no wildcard, no variable, no option is made of them."""

import json
import tomllib
from pathlib import Path

import pytest
import yaml

from support.programs import run_python
from support.workflow import ROOT, copy_project, must_run, planned, read, snakemake, write_spec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
FOLDER = "data/my {clips} <of> --x"
PROMPT = "--brief, {x} and {wildcards.ablation}; 'quoted'"
INDEX = "results/own-data/frames/nframes4_min4096_max17408/train.json"


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """The example of docs/own-data.md below such a folder, with such a clip and such a table; converted and decoded."""
    work = copy_project(tmp_path_factory.mktemp("names"))
    example = ["scripts/dev/make_example.py", "--train", "4", "--val", "2", "--out", FOLDER]
    run_python(*example, cwd=work, env={"PYTHONPATH": "scripts"}).check_returncode()
    folder = work / FOLDER
    (folder / "clips/train_002.mp4").rename(folder / "clips/t_{02}.mp4")
    (folder / "clips/train_003.mp4").rename(folder / "clips/t_<logs>.mp4")
    table = (folder / "train.csv").read_text().replace("train_002.mp4", "t_{02}.mp4")
    (folder / "{train}.csv").write_text(table.replace("train_003.mp4", "t_<logs>.mp4"))
    spec = yaml.safe_load((ROOT / "specs/own-data.yaml").read_text())
    spec["data"] |= {"root": FOLDER, "system_prompt": PROMPT, "files": {"train": "{train}.csv", "val": "val.csv"}}
    spec["open_questions"] = {"questions": ["--What is {x}?"]}
    spec["logs"] = {"to": ["wandb"], "wandb_project": "--roads {x}"}
    spec["deploy"] = {"served_name": "{name}"}
    (work / "spec.yaml").write_text(yaml.safe_dump(spec))
    must_run(work, "data", "results/own-data/nframes4/sft.toml")
    return work


def test_everything_is_converted_and_decoded(work):
    entries = read(work / "results/own-data/data/train.llava.json")
    assert {entry["video"] for entry in entries} >= {"t_{02}.mp4", "t_<logs>.mp4"}
    assert {row["video"] for row in read(work / INDEX)["clips"]} == {entry["video"] for entry in entries}
    assert planned(work, "data") == {}


def test_the_prompt_arrives_as_it_is(work):
    toml = tomllib.loads((work / "results/own-data/nframes4/sft.toml").read_text())
    assert toml["custom"]["dataset"]["system_prompt"] == PROMPT
    assert toml["custom"]["dataset"]["media_path"] == f"{FOLDER}/clips"


def test_every_program_gets_texts_as_one_word_and_nothing_is_filled_in(work):
    out = must_run(work, "--dry-run", "--printshellcmds", "all", "results/own-data/nframes4/open_questions.json")
    quoted = PROMPT.replace("'", "'\"'\"'")
    for program in ("evaluate_local", "quantize", "answer_open_questions"):
        (line, *_) = [line for line in out.splitlines() if f"python scripts/{program}.py" in line]
        assert f"--system-prompt='{quoted}'" in line, line
    assert "'--wandb=--roads {x}'" in out and '"--What is {x}?"' in out and '"served_name":"{name}"' in out


def test_such_a_files_content_decides_not_its_time(work):
    clip = work / FOLDER / "clips/t_{02}.mp4"
    clip.touch()
    assert planned(work, "data") == {}
    before = clip.read_bytes()
    clip.write_bytes((work / FOLDER / "clips/train_000.mp4").read_bytes())
    assert planned(work, "data") == {"convert_annotations": 1, "decode_frames": 2}
    clip.write_bytes(before)
    assert planned(work, "data") == {}


def test_the_sample_is_not_rendered_below_such_a_folder(tmp_path):
    for name in ("Snakefile", "rules", "scripts", "specs"):
        (tmp_path / name).symlink_to(ROOT / name)
    write_spec(tmp_path, {"data": {"root": "data/{x}"}})
    result = snakemake(tmp_path, "--dry-run")
    assert result.returncode == 1 and "data: root: data/{x}: the bundled sample" in result.stdout, result.stdout


def test_names_of_the_spec_itself_have_no_braces():
    """They become folders and wildcards: the spec refuses them."""
    from roadtrain.spec.mistakes import SpecError
    from roadtrain.spec.reading import read_spec

    for values in ({"run": "a{x}"}, {"ablations": {"a{x}": {"vision": {"nframes": 8}}}}):
        with pytest.raises(SpecError, match="characters allowed"):
            read_spec(json.loads(json.dumps({"ablations": {"a": {"vision": {"nframes": 8}}}} | values)), "s")
