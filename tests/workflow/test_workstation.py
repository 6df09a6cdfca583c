"""profiles/workstation on eight GPUs: Snakemake's slots and the rules' own commands keep jobs apart. The GPUs are numbers here, and what
would compute on them says which it got; a run is there up to its training."""

import shutil

import pytest
import yaml

from roadtrain.files import write_text
from support.fabricate import SPEC, fabricate
from support.workflow import copy_project, read, snakemake

# Takes the place of a program that computes: notes its GPUs when it begins and ends, and leaves what its rule declares.
PROGRAM = """
import argparse, os, pathlib, sys, time
arguments = sys.argv[1:]
options = {name: value for name, value in zip(arguments, arguments[1:]) if name.startswith("--")}
events = os.open("events", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def say(what): os.write(events, f"{what} {os.environ['CUDA_VISIBLE_DEVICES']} {pathlib.Path(sys.argv[0]).stem}\\n".encode())
say("begin")
time.sleep(8 if "fps1" in options.get("--weights", "") else 1)
if "--manifests" in options:
    outputs = [options["--log"], *(f"{options['--manifests']}/epoch_{n}.json" for n in (1, 2, 3))]
else:
    outputs = [options["--predictions"], options["--source"]]
for output in outputs:
    pathlib.Path(output).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(output).write_text("{}\\n")
say("end")
"""


@pytest.fixture
def events(tmp_path, monkeypatch):
    """[(begin or end, GPUs, program)] of two ablations that train on four GPUs each, and of the evaluation of their epochs on one; one trains longer."""
    for name in ("SLURM_JOB_ID", "SLURMD_NODENAME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "locks").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "locks"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5,6,7")
    work = copy_project(tmp_path / "work")
    fabricate(work, scenarios=2)
    for index in work.glob("results/made-up/frames/*/train.json"):
        for clip in read(index)["clips"]:
            write_text(work / clip["file"], "frames")
    gpus = {"train": {"engine": "local", "gpus": 4, "dtype": "bfloat16"}, "evaluate": {"engine": "local", "gpus": 1}}
    (work / "spec.yaml").write_text(yaml.safe_dump(SPEC | gpus))
    names = [*SPEC["ablations"]]
    for name in names:
        folder = work / "results/made-up" / name
        shutil.rmtree(folder / "predictions")
        (folder / "preflight.json").touch()  # newer than the TOML that it is of
        for file in (*folder.glob("checkpoints/epoch_*.json"), folder / "train_log.jsonl"):
            file.unlink()
    for program in ("train_local.py", "evaluate_local.py"):
        (work / "scripts" / program).write_text(PROGRAM)
    wanted = [f"results/made-up/{n}/predictions/{of}.jsonl" for n in names for of in ("epoch_1", "epoch_2", "epoch_3")]
    profile = ["--rerun-triggers", "mtime", "--profile", "profiles/workstation", "--cores", "16"]
    process = snakemake(work, *profile, *wanted, timeout=300)
    assert process.returncode == 0, process.stdout[-5000:]
    lines = [line.split() for line in (work / "events").read_text().splitlines()]
    return [(what, set(names.split(",")), program) for what, names, program in lines], process.stdout


@pytest.mark.slow
def test_eight_gpus_train_two_ablations_at_once_and_no_gpu_has_two_jobs(events):
    events, output = events
    running: list[tuple[str, set[str]]] = []
    most, beside = 0, 0
    for what, gpus, program in events:
        used = set().union(*(others for _, others in running))
        if what == "begin":
            assert not used & gpus, f"{program} got {used & gpus}, which another job has"
            running.append((program, gpus))
        else:
            running.remove((program, gpus))
        programs = {name for name, _ in running}
        most, beside = max(most, sum(len(others) for _, others in running)), beside + (len(programs) == 2)
    begun = [(program, len(gpus)) for what, gpus, program in events if what == "begin"]
    assert sorted(begun) == [("evaluate_local", 1)] * 6 + [("train_local", 4)] * 2
    assert most == 8 and not running
    assert beside, "no evaluation ran beside the longer training"
    assert "waiting for" not in output  # Snakemake's slots were enough: nobody had to wait for a lock
