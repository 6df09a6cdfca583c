"""When, by which code, where and at what cost: from what the run's jobs noted, and never from the clock."""

import json

import pytest

from roadtrain.files import write_json
from roadtrain.model.times import hardware, note_times, read_times
from roadtrain.paper.run_facts import costs, facts
from roadtrain.results.reader import Results
from roadtrain.results.record import cost_of_1000, run_record, training_cost
from support.fabricate import fabricate


@pytest.fixture
def results(tmp_path):
    return Results.load(fabricate(tmp_path, scenarios=4, frames=False))


def note(results, path, **values):
    """A job's note. 4 scenarios of 24 questions: 96 in 48 seconds."""
    times = {"date": "2026-11-28", "commit": "4d7cb13", "hardware": "2 x NVIDIA H200", "gpus": 2}
    write_json(results.at(path), times | {"seconds": 48.0, "questions": 96} | values)


def test_cost_is_shared_out_to_1000_questions(results):
    ablation = results.ablations[0]
    note(results, results.paths.predictions_times("nframes8", "epoch_3"), gpu_hour=3.6)
    cost = cost_of_1000(ablation, "epoch_3")
    assert cost.seconds == pytest.approx(500)
    assert cost.gpu_hours == pytest.approx(2 * 500 / 3600) and cost.price == pytest.approx(3.6 * 2 * 500 / 3600)


def test_a_job_that_went_on_after_a_kill_counts_what_it_asked(results):
    note(results, results.paths.predictions_times("nframes8", "epoch_3"), seconds=12.0, questions=24)
    assert cost_of_1000(results.ablations[0], "epoch_3").seconds == pytest.approx(500)


def test_shards_are_summed_and_a_missing_one_makes_no_smaller_number(results):
    results.spec["evaluate"]["shards"] = 2
    paths = results.paths
    note(results, paths.shard("nframes8", "epoch_3", "1", 2, "times.json"), seconds=30.0, questions=48)
    assert cost_of_1000(results.ablations[0], "epoch_3").seconds is None
    note(results, paths.shard("nframes8", "epoch_3", "2", 2, "times.json"), seconds=18.0, questions=48)
    assert cost_of_1000(results.ablations[0], "epoch_3").seconds == pytest.approx(500)


def test_a_cpu_has_no_gpu_hours_and_no_price(results):
    note(results, results.paths.predictions_times("nframes8", "fp8"), gpus=0, gpu_hour=3.6)
    cost = cost_of_1000(results.ablations[0], "fp8")
    assert cost.seconds == pytest.approx(500) and cost.gpu_hours is None and cost.price is None
    assert ("GPU-hours of training", "none, on a CPU") in facts(results)


def test_training_on_gpus_has_hours_and_a_price(results):
    ablation = results.ablations[0]
    ablation.settings["train"]["gpus"] = 8
    note(results, results.paths.train_times("nframes8"), gpus=8, gpu_hour=2.0)
    cost = training_cost(ablation)
    assert cost.gpu_hours == pytest.approx(ablation.training_seconds * 8 / 3600)
    assert cost.price == pytest.approx(2 * cost.gpu_hours)


def test_dates_commits_and_hardware_are_of_all_jobs(results):
    note(results, results.paths.train_times("nframes8"))
    note(
        results, results.paths.predictions_times("fps1_8k", "fp8"), date="2026-11-30", commit="9e0f1aa+", hardware="CPU"
    )
    record = run_record(results)
    assert (record.first_date, record.last_date) == ("2026-11-28", "2026-11-30")
    assert record.commits == ["4d7cb13", "9e0f1aa+"] and record.hardware == ["2 x NVIDIA H200", "CPU"]
    assert dict(facts(results))["date"] == "2026-11-28 to 2026-11-30"


def test_a_run_of_an_earlier_version_says_that_nothing_is_recorded(results):
    values = dict(facts(results))
    assert values["date"] == values["commit"] == values["hardware"] == "not recorded"
    assert {tuple(row[1:]) for row in costs(results)["rows"] if "1,000" in row[0]} == {("–", "–", "–")}


# ------------------------------------------------------------------------------------------------ the notes
def test_a_note_has_a_day_a_commit_and_the_hardware(tmp_path, monkeypatch):
    monkeypatch.setenv("ROADTRAIN_GPU_HOUR", "2.5")
    note_times(tmp_path / "times.json", 0, seconds=1.5, questions=3)
    times = read_times(tmp_path / "times.json")
    assert times["seconds"] == 1.5 and times["questions"] == 3 and times["gpu_hour"] == 2.5
    assert len(times["date"]) == 10 and "cores" in times["hardware"] and times["hardware"] == hardware(0)
    assert hardware(3).startswith("3 x ")


def test_a_price_that_is_no_number_loses_no_finished_job(tmp_path, monkeypatch):
    monkeypatch.setenv("ROADTRAIN_GPU_HOUR", "two")
    note_times(tmp_path / "times.json", 0)
    assert "gpu_hour" not in read_times(tmp_path / "times.json")


def test_code_outside_of_a_clone_has_no_commit(tmp_path, monkeypatch):
    from roadtrain.model import times

    monkeypatch.setattr(times, "_CODE", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert times.commit() is None


def test_a_broken_note_is_named(tmp_path):
    (tmp_path / "times.json").write_text(json.dumps({"seconds": 3}))
    with pytest.raises(ValueError, match=r"times\.json: expected date, commit, hardware and gpus"):
        read_times(tmp_path / "times.json")
    assert read_times(tmp_path / "none.json") is None
