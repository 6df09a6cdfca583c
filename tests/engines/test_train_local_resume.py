"""The local engine survives a kill with the same weights, repeats nothing, and starts over when something changed."""

import signal
import subprocess
import time

import pytest

from roadtrain.files import read_json
from support.training import hashes, must_train, read_log, render_toml, start, train


@pytest.mark.parametrize("after", [1, 3, 5], ids=lambda n: f"step {n}")
def test_sigkill_then_rerun_gives_the_same_weights_and_log(training_root, undisturbed, tmp_path, after):
    toml = render_toml(training_root)
    process = start(tmp_path, toml, stderr=subprocess.DEVNULL)
    log, deadline = tmp_path / "train_log.jsonl", time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) >= after:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    process.wait()
    must_train(tmp_path, toml)
    assert hashes(tmp_path) == hashes(undisturbed)
    assert (tmp_path / "log.jsonl").read_bytes() == (undisturbed / "log.jsonl").read_bytes()


def test_sigterm_stops_after_a_step_and_a_rerun_goes_on(training_root, undisturbed, tmp_path):
    toml = render_toml(training_root)
    assert "stopped by signal 15 after step" in stopped(tmp_path, toml)
    must_train(tmp_path, toml)
    assert hashes(tmp_path) == hashes(undisturbed)


def test_sigterm_after_an_epochs_last_step_saves_the_state(training_root, tmp_path):
    """With one step an epoch, every step is its epoch's last."""
    settings = {"train_batch_per_replica": 1000, "epochs": 50, "state_every_steps": 0}
    message = stopped(tmp_path, render_toml(training_root, "one_step.toml", **settings))
    step = read_json(tmp_path / "state/progress.json")["step"]
    assert f"stopped by signal 15 after step {step};" in message and step == len(read_log(tmp_path / "train_log.jsonl"))


def stopped(weights, toml) -> str:
    """What a run says that gets SIGTERM when its log begins."""
    process = start(weights, toml)
    while process.poll() is None and not (weights / "train_log.jsonl").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    error = process.communicate()[1]
    assert process.returncode == 1
    return error


def test_a_finished_run_trains_nothing(training_root, undisturbed):
    before = {p: p.stat().st_mtime_ns for p in undisturbed.glob("epoch_*/*")}
    manifests = [(undisturbed / f"manifests/epoch_{n}.json").read_bytes() for n in (1, 2)]
    must_train(undisturbed, render_toml(training_root))
    assert before == {p: p.stat().st_mtime_ns for p in undisturbed.glob("epoch_*/*")}
    assert manifests == [(undisturbed / f"manifests/epoch_{n}.json").read_bytes() for n in (1, 2)]


def test_a_lost_manifest_is_written_again_from_the_finished_epoch(training_root, undisturbed):
    manifest = undisturbed / "manifests/epoch_1.json"
    before = manifest.read_bytes()
    manifest.unlink()
    must_train(undisturbed, render_toml(training_root))
    assert manifest.read_bytes() == before


def test_a_changed_run_starts_over_and_says_why(training_root, tmp_path):
    must_train(tmp_path, render_toml(training_root, "changed.toml", epochs=1))
    first = read_json(tmp_path / "manifests/epoch_1.json")["sha256"]
    result = train(tmp_path, render_toml(training_root, "changed.toml", epochs=1, learning_rate=3e-3))
    assert result.returncode == 0 and "changed.toml changed since it was trained: starting over" in result.stderr
    assert read_json(tmp_path / "manifests/epoch_1.json")["sha256"] != first


def test_an_orphan_that_still_trains_is_waited_for(training_root, undisturbed, tmp_path):
    """A killed Snakemake leaves its trainer running: two at once would spoil the weights."""
    toml = render_toml(training_root)
    processes = [start(tmp_path, toml) for _ in range(2)]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert any("is training here; waiting for it" in error for error in errors)
    assert hashes(tmp_path) == hashes(undisturbed)
