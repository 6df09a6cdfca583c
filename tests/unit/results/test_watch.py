"""Watching a run, from its files alone."""

import json

import pytest

from roadtrain.results.progress import stages
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
