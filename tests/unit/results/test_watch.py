"""Watching a run and exporting its log, both from files alone."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from roadtrain.results.progress import stages
from roadtrain.results.run import Results
from support.fabricate import fabricate

SCRIPTS = Path(__file__).parents[3] / "scripts"


def run(program, *args, cwd):
    env = os.environ | {"COLUMNS": "160", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, SCRIPTS / program, *map(str, args)],
        cwd=cwd,
        env=env,
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def spec(tmp_path):
    return fabricate(tmp_path, scenarios=4, frames=False)


def stage(spec, name, ablation="nframes8", now=None):
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
    found = stages(Results.load(spec))
    assert {s.state for s in found if s.name not in ("paper", "report")} == {"done"}
    assert stage(spec, "paper", "").state == stage(spec, "report", "").state == "waiting"
    accuracy = json.loads((spec.parent / "nframes8/accuracy/epoch_3.json").read_text())["accuracy"]
    assert f"{accuracy:.2%}" in stage(spec, "evaluate epoch 3").detail


def test_a_running_training_has_step_loss_and_time_left(spec):
    at = start_training(spec)
    found = stage(spec, "train", now=at + 3)
    assert (found.done, found.total, found.state) == (30, 60, "running")
    assert found.eta == pytest.approx(30 * 2.0) and found.detail.startswith("epoch 2, loss 0.")


def test_a_line_that_is_being_written_is_passed_over(spec):
    at = start_training(spec, cut=True)
    assert stage(spec, "train", now=at).done == 30


def test_a_training_that_fell_silent_is_seen(spec):
    at = start_training(spec)
    found = stage(spec, "train", now=at + 3600)
    assert found.state == "started" and found.age == pytest.approx(3600)
    done = run("watch.py", "--once", cwd=spec.parents[2])
    assert done.returncode == 0 and "30/60" in done.stdout


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
    found = stage(spec, "evaluate epoch 2")
    assert (found.done, found.total) == (3, 96)


def test_a_run_that_has_just_begun(tmp_path):
    spec = fabricate(tmp_path / "old", scenarios=4, frames=False)
    new = tmp_path / "results/made-up"
    new.mkdir(parents=True)
    (new / "spec.json").write_text(spec.read_text())
    done = run("watch.py", "--once", cwd=tmp_path)
    assert done.returncode == 0 and "done" not in done.stdout and "waiting" in done.stdout


def test_no_run_is_one_clear_line(tmp_path):
    for args in ((), ("nobody",)):
        done = run("watch.py", "--once", *args, cwd=tmp_path)
        assert done.returncode == 1 and "results/" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["", "not json\n", '{"loss": 1}\n', "[1]\n"])
def test_a_broken_log_is_one_clear_line(tmp_path, text):
    (tmp_path / "train_log.jsonl").write_text(text)
    done = run("export_logs.py", "train_log.jsonl", "--tensorboard", "tb", cwd=tmp_path)
    assert done.returncode == 1 and "train_log.jsonl" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "package, option", [("tensorboard", ["--tensorboard", "tb"]), ("wandb", ["--wandb", "p", "--offline"])]
)
def test_a_missing_package_is_named(spec, package, option):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")
    done = run("export_logs.py", spec.parent / "nframes8/train_log.jsonl", *option, cwd=spec.parents[2])
    assert done.returncode == 1 and f"pip install {package}" in done.stderr


def test_tensorboard_gets_every_step(spec, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    for _ in range(2):  # a second export replaces the first
        done = run("export_logs.py", spec.parent / "nframes8/train_log.jsonl", "--tensorboard", "tb", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    events = EventAccumulator(str(tmp_path / "tb"), size_guidance={"tensors": 0}).Reload()  # 0: keep all
    log = [json.loads(line) for line in (spec.parent / "nframes8/train_log.jsonl").read_text().splitlines()]
    points = events.Tensors("train/loss")
    assert [p.step for p in points] == [line["step"] for line in log]
    assert [make_ndarray(p.tensor_proto).item() for p in points] == pytest.approx([line["loss"] for line in log])
    assert events.SummaryMetadata("train/loss").plugin_data.plugin_name == "scalars"  # drawn as curves


def test_wandb_offline_keeps_the_run_here_and_no_secret(spec, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    log = spec.parent / "nframes8/train_log.jsonl"
    for _ in range(2):  # a second export of the same log is the same run
        done = run(
            "export_logs.py", log, "--wandb", "p", "--offline", "--wandb-dir", "w", "--summary", "s.json", cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "s.json").read_text())
    assert summary["wandb"] | {"project": "p", "mode": "offline"} == summary["wandb"] and summary["steps"] == 60
    (kept,) = (tmp_path / "w/wandb").glob(f"offline-run-*-{summary['wandb']['id']}/run-*.wandb")
    assert b"train/loss" in kept.read_bytes()
    for file in (tmp_path / "w").rglob("*"):
        assert not file.is_file() or b"0123456789" * 4 not in file.read_bytes(), file


def test_wandb_online_without_a_key_is_one_clear_line(spec, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # no key of this machine's user
    done = run(
        "export_logs.py", spec.parent / "nframes8/train_log.jsonl", "--wandb", "p", "--summary", "s.json", cwd=tmp_path
    )
    assert done.returncode == 1 and "WANDB_API_KEY" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "s.json").exists()
