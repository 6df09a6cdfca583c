"""The note of when and where a run was trained: of the training itself, whoever publishes it later."""

import pytest

from roadtrain.files import read_json, write_json, write_text
from roadtrain.train.run_folder import keep_or_start_over, noting_times, publish


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
