"""Two runs are compared over the questions that are the same in both, whatever these are called; the rest is counted."""

import json
import re

import pytest

from roadtrain.files import write_json
from roadtrain.results.common_questions import NOT_ASKED_OF_BOTH, NOT_RECORDED
from roadtrain.results.comparisons import compare
from roadtrain.results.reader import Results
from roadtrain.results.run_comparison import compare_runs
from roadtrain.results.run_sides import find_runs, find_sides, pairs_of_runs
from support.fabricate import fabricate
from support.run_pairs import change_media, change_questions, change_rows, copy_run

QUESTIONS = 6 * 2 * 12  # scenarios, cameras, questions of each


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("runs"), scenarios=6, frames=False).parent


@pytest.fixture
def copy(run, tmp_path):
    return copy_run(run, tmp_path / "other")


def compared(*folders, checkpoint="epoch_2", trust_names=False, every=False):
    sides, absences = find_sides(find_runs([str(folder) for folder in folders]), checkpoint)
    return compare_runs(sides, pairs_of_runs(sides, every), absences, 200, trust_names)


def reasons(*folders):
    return compared(*folders)["pairs"][0]["not_common"]


def right(run, ablation, checkpoint):
    results = Results.load(run / "spec.json")
    return {p.id for p in results.ablations[ablation].predictions(checkpoint) if p.is_correct}


# ------------------------------------------------------------------------------------------------ the numbers
def test_the_difference_is_that_of_the_answers(run, copy):
    """Counted by hand, and the same tests as between two ablations of one run."""
    change_rows(copy / "nframes8/predictions/epoch_2.jsonl", lambda row: row.update(response="I cannot tell"))
    pair = compared(run, copy)["pairs"][0]
    count = len(right(run, 0, "epoch_2"))
    assert (pair["questions"], pair["only_a"], pair["only_b"], pair["not_common"]) == (QUESTIONS, count, 0, {})
    assert pair["difference"] == pytest.approx(-count / QUESTIONS)
    assert pair["a"]["accuracy"] == count / QUESTIONS and pair["b"]["accuracy"] == 0
    a, b = (Results.load(folder / "spec.json").ablations[0].predictions("epoch_2") for folder in (run, copy))
    reference = compare({("a", "x"): a, ("b", "x"): b}, 200)["pairs"][0]
    # Six scenarios: p is that of this one pair, before it is corrected for both.
    assert pair["p_scenario"] == reference["p_scenario"] and pair["ci95"] == pytest.approx(reference["ci95"], abs=0.02)
    assert pair["p_holm"] == pytest.approx(2 * reference["p_scenario"])


def test_a_sides_accuracy_and_interval_are_those_of_its_accuracy_file(run, copy):
    runs = find_runs([str(run), str(copy)])
    sides, absences = find_sides(runs, "epoch_2")
    for side in compare_runs(sides, pairs_of_runs(sides), absences, 500, False)["sides"]:
        accuracy = runs[side["run"]].ablations[0].accuracy("epoch_2") if side["ablation"] == "nframes8" else None
        if accuracy:
            assert [side["accuracy"], side["ci95"]] == [accuracy["accuracy"], accuracy["ci95"]]
        assert side["common_accuracy"] == side["accuracy"] and len(side["epochs"]) == 4


def test_scenarios_that_one_run_joins_are_one(run, copy):
    """Resampled apart they would be taken as independent: the p of six scenarios is smaller than that of three."""
    change_rows(copy / "nframes8/predictions/epoch_2.jsonl", lambda row: row.update(response="I cannot tell"))

    def join(value):
        key = "wts_id" if "wts_id" in value else "scenario"
        value[key] = f"pair_{int(value[key][-4:]) // 2}"

    before = compared(run, copy)["pairs"][0]
    change_questions(copy, join, join)
    for folders in ((run, copy), (copy, run)):
        pair = compared(*folders)["pairs"][0]
        assert (pair["scenarios"], before["scenarios"], pair["questions"]) == (3, 6, QUESTIONS)
        assert pair["p_scenario"] > 2 * before["p_scenario"]


# ------------------------------------------------------------------------------------------------ common questions
def test_other_ids_and_file_names_are_the_same_questions(run, copy):
    def rename(value):
        value |= {"id": f"x{value['id']}", "video": f"moved/{value['video']}"}

    change_questions(copy, rename, rename)
    change_media(copy, lambda media: {f"moved/{name}": text for name, text in media.items()})
    pair = compared(run, copy)["pairs"][0]
    assert (pair["questions"], pair["difference"], pair["not_common"]) == (QUESTIONS, 0, {})


def test_a_video_that_was_replaced_is_another(run, copy):
    change_media(copy, lambda media: media | {min(media): "another content"})
    assert reasons(run, copy) == {"another video": 12}
    assert compared(run, copy)["pairs"][0]["questions"] == QUESTIONS - 12


CHANGES = {
    "another window of the video": (lambda value: value.update(video_start=1.0, video_end=2.0), lambda row: None),
    "another wording": (
        lambda value: value.update(question=_text(value) + "?", options=_options(value)),
        lambda row: row.update(question=row["question"] + "?"),
    ),
    "other options": (
        lambda value: value.update(question=_text(value), options=_options(value) | {"E": "None"}),
        lambda row: row["options"].update(E="None"),
    ),
    "another right answer": (
        lambda value: value["conversations"][1].update(value=_other(value["conversations"][1]["value"])),
        lambda row: row.update(correct=_other(row["correct"])),
    ),
}


def _text(value):
    return value["conversations"][0]["value"].split("\n")[1].strip()


def _options(value):
    return dict(re.findall(r"\n ([A-D]): (.*?) (?=\n)", value["conversations"][0]["value"]))


def _other(letter):
    return "B" if letter == "A" else "A"


@pytest.mark.parametrize("reason", CHANGES)
def test_a_question_that_is_another_is_named_by_what_differs(run, copy, reason):
    entry, row = CHANGES[reason]

    def chosen(change):
        return lambda value: change(value) if value["id"].endswith("_0_3") else None

    change_questions(copy, chosen(entry), chosen(row))
    pair = compared(run, copy)["pairs"][0]
    assert pair["not_common"] == {reason: 12} and pair["questions"] == QUESTIONS - 12


def test_what_is_in_one_run_only_and_what_was_not_asked_is_counted(run, copy):
    change_rows(
        copy / "nframes8/predictions/epoch_2.jsonl",
        lambda row: row.update(response=None) if "_0000_Camera1" in row["id"] else None,
    )
    file = copy / "fps1_8k/predictions/epoch_2.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[5:]))
    first, second = compared(run, copy)["pairs"]
    assert first["not_common"] == {NOT_ASKED_OF_BOTH: 12} and first["questions"] == QUESTIONS - 12
    assert second["not_common"] == {"only in made-up/fps1_8k": 5} and second["questions"] == QUESTIONS - 5


def test_the_same_question_under_two_ids_is_compared_once(run, copy):
    """Of 144 questions 12 lose their camera's own video: another 12 are then asked twice in the copy."""
    change_media(
        copy, lambda media: {name: text.replace("0000_Camera2", "0000_Camera1") for name, text in media.items()}
    )
    pair = compared(run, copy)["pairs"][0]
    assert pair["questions"] < QUESTIONS and sum(pair["not_common"].values()) == QUESTIONS - pair["questions"]


def test_content_that_nobody_recorded_is_not_common(run, copy):
    (copy / "data/val.media.json").unlink()
    with pytest.raises(ValueError, match=f"no two runs have a question in common: .*{QUESTIONS} {NOT_RECORDED}"):
        compared(run, copy)
    assert compared(run, copy, trust_names=True)["pairs"][0]["questions"] == QUESTIONS


def test_predictions_of_other_conversations_are_refused(run, copy):
    file = copy / "data/val.llava.json"
    file.write_text(file.read_text().replace("weather", "light"))
    with pytest.raises(ValueError, match=r"source\.json: llava_sha256: .*evaluate the checkpoint again"):
        compared(run, copy)
    for source in copy.glob("*/predictions/*.source.json"):  # of a version that didn't write it down
        source.write_text(json.dumps({k: v for k, v in json.loads(source.read_text()).items() if k != "llava_sha256"}))
    with pytest.raises(ValueError, match=r"other/nframes8 epoch_2: the run's conversations don't have question"):
        compared(run, copy)


# ------------------------------------------------------------------------------------------------ which runs, which pairs
def test_runs_are_found_in_a_folder_of_several_and_told_apart_by_their_paths(run, tmp_path):
    for place in ("a/results/made-up", "b/results/made-up", "b/results/second"):
        copy_run(run, tmp_path / place)
    assert list(find_runs([str(tmp_path / "a/results/made-up"), str(tmp_path / "b/results/second")])) == [
        "made-up",
        "second",
    ]
    names = ["a/results/made-up", "b/results/made-up", "b/results/second"]
    for second in ("b", "b/results"):  # another clone, or its results
        assert list(find_runs([str(tmp_path / "a/results/made-up/spec.json"), str(tmp_path / second)])) == names
    with pytest.raises(ValueError, match="made-up: is named twice"):
        find_runs([str(tmp_path / "a"), str(tmp_path / "a/results/made-up")])
    with pytest.raises(ValueError, match=r"nothing: no spec\.json in it or in a folder of it"):
        find_runs([str(tmp_path / "nothing")])


def test_ablations_of_one_name_are_pairs_and_all_where_there_is_none(run, copy):
    names = [(p["a"]["ablation"], p["b"]["ablation"]) for p in compared(run, copy)["pairs"]]
    assert names == [("made-up/nframes8", "other/nframes8"), ("made-up/fps1_8k", "other/fps1_8k")]
    assert len(compared(run, copy, every=True)["pairs"]) == 4
    spec = json.loads((copy / "spec.json").read_text())
    spec["ablations"] = {"renamed": spec["ablations"].pop("fps1_8k")}
    (copy / "fps1_8k").rename(copy / "renamed")
    (copy / "spec.json").write_text(json.dumps(spec))
    names = [(p["a"]["ablation"], p["b"]["ablation"]) for p in compared(run, copy)["pairs"]]
    assert names == [("made-up/nframes8", "other/renamed"), ("made-up/fps1_8k", "other/renamed")]


def test_a_run_that_is_not_through_is_left_out_by_name(run, copy):
    (copy / "nframes8/best.json").unlink()
    (copy / "fps1_8k/accuracy/epoch_1.json").unlink()
    comparison = compared(run, copy, checkpoint="best")
    assert [a["name"] for a in comparison["left_out"]] == ["other/nframes8"]
    assert "best.json: no such file" in comparison["left_out"][0]["reason"]
    assert [len(side["epochs"]) for side in comparison["sides"]] == [4, 4, 0]
    last = [side["checkpoint"] for side in compared(run, copy, checkpoint="last")["sides"]]
    assert last == ["epoch_3"] * 4


def test_the_specs_differences_are_the_keys_that_differ(run, copy):
    spec = json.loads((copy / "spec.json").read_text())
    for ablation in spec["ablations"].values():
        ablation["train"]["learning_rate"] = 0.125
        del ablation["train"]["seed"]  # a run of a version without that key
    spec["spec"]["data"]["system_prompt"] = "Look closely."
    (copy / "spec.json").write_text(json.dumps(spec))
    sides, _ = find_sides(find_runs([str(run), str(copy)]), "last")
    comparison = compare_runs(sides, pairs_of_runs(sides), [], 200, False)
    assert all(len(values) == 4 for values in comparison["spec_differences"].values())
    # Ablations of one run differ in vision; they are not compared with each other.
    assert {key: list(values.values())[1:3] for key, values in comparison["spec_differences"].items()} == {
        "train.learning_rate": [2e-5, 0.125],
        "train.seed": [0, "(not set)"],
        "data.system_prompt": ["You are a helpful assistant.", "Look closely."],
    }


def test_cost_is_what_manifests_and_notes_say(run, copy):
    """Notes are there for some; what nobody noted is empty, not nothing."""
    note = {"date": "2026-11-29", "commit": "4d7cb13", "hardware": "2 x NVIDIA H200", "gpus": 2, "gpu_hour": 3.0}
    write_json(copy / "nframes8/train.times.json", note)
    write_json(copy / "nframes8/predictions/epoch_2.times.json", note | {"seconds": 50.0, "questions": 500})
    spec = json.loads((copy / "spec.json").read_text())
    spec["ablations"]["nframes8"]["train"]["gpus"] = 2
    (copy / "spec.json").write_text(json.dumps(spec))
    before, _, after, _ = (side["cost"] for side in compared(run, copy)["sides"])
    hours = 3 * 61.5 * 2 / 3600
    assert (after["gpu_hours"], after["price"]) == (pytest.approx(hours), pytest.approx(3 * hours))
    assert (after["seconds_of_1000"], after["commits"], after["hardware"]) == (100, ["4d7cb13"], ["2 x NVIDIA H200"])
    assert before["training_seconds"] == 3 * 61.5 and before["commits"] == []
    assert (before["gpu_hours"], before["price"], before["seconds_of_1000"]) == (None, None, None)
