"""Watching a run, from its files alone."""

import json
import os
import re
from pathlib import Path

import pytest

from roadtrain.locks import hold_snakemake
from roadtrain.results.gpu_use import gpu_use
from roadtrain.results.jobs import running_jobs, slurm_jobs
from roadtrain.results.progress import stages
from roadtrain.results.progress_table import sparkline
from roadtrain.results.reader import Results
from support.fabricate import fabricate
from support.programs import run_program


def watch(*arguments, cwd):
    """The picture, in letters."""
    return run_program("watch.py", "--once", *arguments, cwd=cwd, env={"COLUMNS": "160", "NO_COLOR": "1"})


@pytest.fixture
def spec(tmp_path):
    return fabricate(tmp_path, scenarios=4, frames=False)


def stage(spec, name, ablation="nframes8", now=None):
    """The first stage of this name."""
    return next(s for s in stages(Results.load(spec), now) if s.name == name and s.ablation == ablation)


def start_training(spec, steps=30, cut=False):
    """What a trainer leaves after some steps of 2 s: no manifest yet."""
    for manifest in (spec.parent / "nframes8/checkpoints").glob("epoch_*.json"):
        manifest.unlink()
    weights = spec.parents[2] / "weights/made-up/nframes8"
    weights.mkdir(parents=True)
    lines = (spec.parent / "nframes8/train_log.jsonl").read_text().splitlines()[:steps]
    (weights / "train_log.jsonl").write_text("\n".join(lines) + "\n" + ('{"step": 31, "lo' if cut else ""))
    (weights / "train_times.jsonl").write_text(
        "".join(json.dumps({"step": n + 1, "seconds": 2.0}) + "\n" for n in range(steps))
    )
    return (weights / "train_log.jsonl").stat().st_mtime


def test_a_finished_run_is_done(spec):
    states = {s.name: s.state for s in stages(Results.load(spec))}
    assert {state for name, state in states.items() if name not in ("paper", "report")} == {"done"}
    assert stage(spec, "paper", "").state == stage(spec, "report", "").state == "waiting"
    accuracy = json.loads((spec.parent / "nframes8/accuracy/epoch_3.json").read_text())["accuracy"]
    assert f"{accuracy:.2%}" in stage(spec, "evaluate epoch 3").detail


@pytest.mark.parametrize(("columns", "name"), [(80, "nframes8"), (80, "nframes8-quarter-seed11"), (60, "nframes8")])
def test_a_narrow_window_shows_every_accuracy_whole(tmp_path, columns, name):
    spec = fabricate(tmp_path, scenarios=4, frames=False, ablations={name: {"vision": {"nframes": 8}}})
    env = {"COLUMNS": str(columns), "NO_COLOR": "1"}
    shown = run_program("watch.py", "--once", cwd=spec.parents[2], env=env).stdout
    accuracies = [json.loads(path.read_text()) for path in (spec.parent / name / "accuracy").glob("*.json")]
    assert len(accuracies) > 3
    assert [a for a in accuracies if f"{a['accuracy']:.2%}" not in shown.split()] == []
    assert all(len(line) <= columns for line in shown.splitlines())


def test_a_running_training_has_step_loss_and_time_left(spec):
    at = start_training(spec)
    train = stage(spec, "train", now=at + 3)
    assert (train.finished, train.total, train.state) == (30, 60, "running")
    assert train.seconds_left == pytest.approx(30 * 2.0) and train.detail.startswith("epoch 2, loss 0.")


def test_a_line_that_is_being_written_is_passed_over(spec):
    at = start_training(spec, cut=True)
    assert stage(spec, "train", now=at).finished == 30


def test_a_training_that_fell_silent_is_seen(spec):
    at = start_training(spec)
    train = stage(spec, "train", now=at + 3600)
    assert train.state == "started" and train.age == pytest.approx(3600)
    process = watch(cwd=spec.parents[2])
    assert process.returncode == 0 and "30/60" in process.stdout


def test_all_steps_without_the_checkpoint_is_not_done(spec):
    at = start_training(spec, steps=60)
    assert stage(spec, "train", now=at).state == "running"


def test_an_evaluation_in_hand_counts_its_answers(spec):
    accuracy, predictions = (
        spec.parent / "nframes8" / p for p in ("accuracy/epoch_2.json", "predictions/epoch_2.jsonl")
    )
    accuracy.unlink()
    lines = ["key-of-this-evaluation", json.dumps({"a": "A", "b": "B"}), json.dumps({"c": "A"}), '{"d": "']
    (predictions.parent / ".epoch_2.jsonl.finished").write_text("\n".join(lines))
    evaluation = stage(spec, "evaluate epoch 2")
    assert (evaluation.finished, evaluation.total) == (3, 96)


def test_a_run_that_has_just_begun(tmp_path):
    spec = fabricate(tmp_path / "old", scenarios=4, frames=False)
    new = tmp_path / "results/made-up"
    new.mkdir(parents=True)
    (new / "spec.json").write_text(spec.read_text())
    process = watch(cwd=tmp_path)
    assert process.returncode == 0 and "done" not in process.stdout and "waiting" in process.stdout


def test_no_run_is_one_clear_line(tmp_path):
    for arguments in ((), ("nobody",)):
        process = watch(*arguments, cwd=tmp_path)
        assert process.returncode == 1 and "results/" in process.stderr and process.stderr.count("\n") == 1
        assert "runs here" not in process.stderr
    (tmp_path / "results/somebody").mkdir(parents=True)
    (tmp_path / "results/somebody/spec.json").write_text("{}")
    assert watch("nobody", cwd=tmp_path).stderr.endswith("; runs here: somebody\n")


# ------------------------------------------------------------------------------------------------------ jobs at work
def mark(folder, output, record=None):
    """What Snakemake leaves of a job that it has begun: written where its own code would write it."""
    from snakemake.persistence.file import FilePersistence

    incomplete = folder / ".snakemake/incomplete"
    incomplete.mkdir(parents=True, exist_ok=True)
    snakemakes = FilePersistence.__new__(FilePersistence)
    snakemakes._max_len = None
    path = Path(snakemakes._record_path(str(incomplete), output))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"external_jobid": record}))
    return path


def test_jobs_that_snakemake_has_begun_are_named_once_each(tmp_path):
    outputs = {
        "results/r/data/train.llava.json": "convert annotations",
        "results/r/data/audit.json": "convert annotations",
        "results/r/frames/nframes8/val.json": "decode val for nframes8",
        "results/r/a/checkpoints/zero_shot.json": "look up the base of a",
        "results/r/a/checkpoints/epoch_1.json": "train a",
        "results/r/a/train_log.jsonl": "train a",
        f"results/r/a/predictions/{'x' * 300}.jsonl": f"evaluate {'x' * 300} of a",
        "results/r/a/accuracy/fp8.json": "score fp8 of a",
        "results/r/a/quantized/fp8.json": "quantize a to fp8",
        "results/r/a/gate.json": "make a/gate.json",
        "results/other/a/gate.json": None,
        "data/sample/videos/x.mp4": "make data/sample",
    }
    for number, output in enumerate(outputs):
        os.utime(mark(tmp_path, output), (number, number))
    jobs = running_jobs(tmp_path, "r")
    assert [job.name for job in jobs] == list(dict.fromkeys(name for name in outputs.values() if name))
    assert jobs[0].since == 0
    assert running_jobs(tmp_path / "elsewhere", "r") == []


def test_marks_that_are_no_marks_are_passed_over(tmp_path):
    whole = mark(tmp_path, "results/r/a/gate.json")
    (whole.parent / "not base64!").write_text("{}")
    mark(tmp_path, "results/r/b/gate.json").write_text('{"external')
    assert [job.name for job in running_jobs(tmp_path, "r")] == ["make a/gate.json"]


def test_a_snakemake_that_is_alive_is_told_from_a_killed_one(spec):
    root = spec.parents[2]
    mark(root, "results/made-up/nframes8/train_log.jsonl")
    killed = watch(cwd=root).stdout
    assert "train nframes8, since" in killed and "no Snakemake is seen on this machine" in killed
    held = hold_snakemake(root / ".snakemake")
    try:
        alive = watch(cwd=root).stdout
    finally:
        os.close(held)
    assert "train nframes8, since" in alive and "no Snakemake" not in alive


def program(folder, name, text):
    """A program of this name that prints a text and notes what it was asked."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\necho \"$@\" > {folder}/{name}.asked\ncat <<'END'\n{text}\nEND\n")
    path.chmod(0o755)
    return {"PATH": f"{path.parent}{os.pathsep}{os.environ['PATH']}"}


def watch_with(programs, cwd):
    environment = {"COLUMNS": "160", "NO_COLOR": "1", **programs}
    process = run_program("watch.py", "--once", cwd=cwd, env=environment)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_slurms_queue_is_shown_for_this_folders_jobs(spec):
    root = spec.parents[2]
    queue = [
        f"812|RUNNING|3:20|node1|rule_train_2_epochs_wildcards_nframes8|{root.resolve()}",
        f"813|PENDING|0:00|(Resources)|rule_decode_frames_wildcards_nframes8_val|{root.resolve()}",
        "814|RUNNING|9:99|node2|rule_x|/somebody/elses/project",
        "815|PENDING|0:00|(Priority)|rule_y|/mounted/otherwise",
    ]
    mark(root, "results/made-up/nframes8/gate.json", "815")
    shown = watch_with(program(root, "squeue", "\n".join(queue)), root)
    assert "812 RUNNING 3:20 node1 train_2_epochs of nframes8" in shown
    assert "813 PENDING 0:00 (Resources) decode_frames of nframes8_val" in shown
    assert "815 PENDING" in shown and "make nframes8/gate.json" in shown and "submitted as 815" in shown
    assert "814" not in shown and "--me" in (root / "squeue.asked").read_text()


def test_gpus_are_shown_where_nvidia_smi_is(spec):
    root = spec.parents[2]
    rows = "0, 97, 61440, 81920\n1, [N/A], [N/A], 81920"
    assert "GPUs  0: 97%, 60 of 80 GiB; 1: ?" in watch_with(program(root, "nvidia-smi", rows), root)


@pytest.mark.parametrize("name", ["squeue", "nvidia-smi"])
def test_a_program_that_fails_or_hangs_holds_nothing_up(spec, name, monkeypatch):
    root = spec.parents[2]
    path = program(root, name, "")["PATH"]
    monkeypatch.setenv("PATH", path)
    ask = {"squeue": lambda: slurm_jobs(root), "nvidia-smi": gpu_use}[name]
    for body in ("exit 1", "exec sleep 60"):
        (root / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        monkeypatch.setattr("roadtrain.results.tool_output.PATIENCE", 0.3)
        assert ask() == []


# ------------------------------------------------------------------------------------------------------ the curve
def test_the_curve_goes_from_high_to_low(spec):
    assert sparkline([8, 7, 6, 5, 4, 3, 2, 1]) == "█▇▆▅▄▃▂▁"
    assert sparkline([1.0, 1.0]) == "▁▁" and sparkline([1.0]) == "" and sparkline([1.0, float("nan")]) == ""
    assert len(sparkline(list(range(1000)))) == 24 and len(sparkline(list(range(25)))) == 24
    start_training(spec)
    shown = watch(cwd=spec.parents[2]).stdout
    assert re.search("[▁▂▃▄▅▆▇█]{24}", shown)


def test_a_terminal_without_unicode_gets_a_curve_of_ascii(spec):
    start_training(spec)
    process = run_program(
        "watch.py", "--once", cwd=spec.parents[2], env={"COLUMNS": "160", "PYTHONIOENCODING": "ascii"}
    )
    assert process.returncode == 0, process.stderr
    assert re.search(r"[_.\-=+*#@]{24}", process.stdout)


def test_without_a_terminal_it_looks_once(spec):
    process = run_program("watch.py", cwd=spec.parents[2], env={"COLUMNS": "160"})
    assert process.returncode == 0 and "evaluate epoch 1" in process.stdout
