"""Copies of a training log for TensorBoard and W&B: every step, no secret, one clear line when it can't be."""

import importlib.util
import json

import pytest

from support.fabricate import fabricate
from support.programs import run_program


@pytest.fixture
def log(tmp_path):
    return fabricate(tmp_path, scenarios=4, frames=False).parent / "nframes8/train_log.jsonl"


@pytest.mark.parametrize("text", ["", "not json\n", '{"loss": 1}\n', "[1]\n"])
def test_a_broken_log_is_one_clear_line(tmp_path, text):
    (tmp_path / "train_log.jsonl").write_text(text)
    process = run_program("export_logs.py", "train_log.jsonl", tensorboard="tb", cwd=tmp_path)
    assert process.returncode == 1 and "train_log.jsonl" in process.stderr and process.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "package, options", [("tensorboard", {"tensorboard": "tb"}), ("wandb", {"wandb": "p", "offline": True})]
)
def test_a_missing_package_is_named(log, tmp_path, package, options):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")
    process = run_program("export_logs.py", log, cwd=tmp_path, **options)
    assert process.returncode == 1 and f"pip install {package}" in process.stderr


def test_tensorboard_gets_every_step(log, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    for _ in range(2):  # a second export replaces the first
        process = run_program("export_logs.py", log, tensorboard="tb", cwd=tmp_path)
        assert process.returncode == 0, process.stderr
    events = EventAccumulator(str(tmp_path / "tb"), size_guidance={"tensors": 0}).Reload()  # 0: keep all
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    points = events.Tensors("train/loss")
    assert [p.step for p in points] == [line["step"] for line in lines]
    assert [make_ndarray(p.tensor_proto).item() for p in points] == pytest.approx([line["loss"] for line in lines])
    assert events.SummaryMetadata("train/loss").plugin_data.plugin_name == "scalars"  # drawn as curves


def test_wandb_offline_keeps_the_run_here_and_no_secret(log, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
    for _ in range(2):  # a second export of the same log is the same run
        process = run_program(
            "export_logs.py", log, wandb="p", offline=True, wandb_dir="w", summary="s.json", cwd=tmp_path
        )
        assert process.returncode == 0, process.stderr
    summary = json.loads((tmp_path / "s.json").read_text())
    assert summary["wandb"] | {"project": "p", "mode": "offline"} == summary["wandb"] and summary["steps"] == 60
    (kept,) = (tmp_path / "w/wandb").glob(f"offline-run-*-{summary['wandb']['id']}/run-*.wandb")
    assert b"train/loss" in kept.read_bytes()
    for file in (tmp_path / "w").rglob("*"):
        assert not file.is_file() or b"0123456789" * 4 not in file.read_bytes(), file


def test_wandb_online_without_a_key_is_one_clear_line(log, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # no key of this machine's user
    process = run_program("export_logs.py", log, wandb="p", summary="s.json", cwd=tmp_path)
    assert process.returncode == 1 and "WANDB_API_KEY" in process.stderr and process.stderr.count("\n") == 1
    assert not (tmp_path / "s.json").exists()
