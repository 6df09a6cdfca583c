"""What stays in a run's folder when it is started again, and the note of when and where it was trained."""

import pytest

from roadtrain.files import read_json, sha256_file, write_json, write_text
from roadtrain.train.run_folder import keep_or_start_over, noting_times, publish
from support.run_toml import render_settings


@pytest.fixture
def folder(tmp_path):
    keep_or_start_over(tmp_path / "weights", {"x.toml": "1"})
    return tmp_path / "weights"


def train(folder, epochs=2):
    """Leaves what a training run leaves."""
    with noting_times(2, folder, 0):
        for n in range(1, epochs + 1):
            write_json(folder / f"epoch_{n}.json", {"checkpoint": f"epoch_{n}", "path": "", "sha256": "", "files": {}})
        write_text(folder / "train_log.jsonl", "{}\n")


def test_the_note_is_there_when_the_last_epoch_is(folder):
    train(folder, epochs=1)
    assert not (folder / "times.json").exists()
    train(folder)
    assert read_json(folder / "times.json")["gpus"] == 0


def test_a_run_that_trains_nothing_keeps_the_day_of_the_training(folder, tmp_path):
    train(folder)
    write_json(folder / "times.json", read_json(folder / "times.json") | {"date": "2020-01-02"})
    train(folder)
    publish(2, folder, tmp_path / "manifests", tmp_path / "results/train_log.jsonl")
    assert read_json(tmp_path / "results/train.times.json")["date"] == "2020-01-02"


def test_weights_of_an_earlier_version_get_no_date_of_today(folder, tmp_path):
    train(folder)
    (folder / "times.json").unlink()
    train(folder)
    publish(2, folder, tmp_path / "manifests", tmp_path / "results/train_log.jsonl")
    assert not (tmp_path / "results/train.times.json").exists()


def test_a_run_that_starts_over_forgets_when_the_other_was_trained(folder):
    train(folder)
    keep_or_start_over(folder, {"x.toml": "2"})
    assert not (folder / "times.json").exists()


BATCH = {"gpus": 2, "train_batch_per_replica": 6, "mini_batch": 1, "model_max_length": 2048}


def start_with(tmp_path, **train):
    """A folder whose run began with BATCH is started with other settings: what is left of the state in it."""
    folder, toml = tmp_path / "weights", tmp_path / "sft.toml"
    for settings in (BATCH, BATCH | train):
        write_text(toml, render_settings(settings))
        keep_or_start_over(folder, {"sft.toml": sha256_file(toml), "base": "1"}, toml)
        if settings == BATCH:
            write_text(folder / "state/progress.json", "{}")
    assert read_json(folder / "fingerprint.json")["sft.toml"] == sha256_file(toml)
    return [path.name for path in folder.glob("state/*")]


@pytest.mark.parametrize(
    "train",
    [
        {"gpus": 1, "train_batch_per_replica": 12},
        {"gpus": 4, "train_batch_per_replica": 3},
        {"mini_batch": 2, "gradient_checkpointing": "on", "state_every_steps": 5},
    ],
    ids=["fewer GPUs", "more GPUs", "other passes"],
)
def test_the_same_training_on_other_gpus_goes_on(tmp_path, capsys, train):
    assert start_with(tmp_path, **train) == ["progress.json"]
    assert "the same training" in capsys.readouterr().err


@pytest.mark.parametrize(
    "train",
    [{"gpus": 1}, {"learning_rate": 1e-3}, {"gpus": 1, "train_batch_per_replica": 12, "seed": 9}],
    ids=["fewer questions a step", "rate", "GPUs and seed"],
)
def test_another_training_starts_over(tmp_path, capsys, train):
    assert start_with(tmp_path, **train) == []
    assert "sft.toml changed since it was trained: starting over" in capsys.readouterr().err


def test_an_engine_that_cannot_resume_on_other_gpus_starts_over(tmp_path):
    """cosmos-rl's states are of so many ranks: it hands no TOML over."""
    keep_or_start_over(tmp_path, {"sft.toml": "1"})
    write_text(tmp_path / "state/progress.json", "{}")
    keep_or_start_over(tmp_path, {"sft.toml": "2"})
    assert not (tmp_path / "state").exists()


def test_dropout_of_an_adapter_is_drawn_by_each_rank(tmp_path):
    lora = {"rank": 4, "dropout": 0.1}
    assert start_with(tmp_path, lora=lora, gpus=1, train_batch_per_replica=12) == []
