"""Captions among a checkpoint's predictions: apart from its answers, scored by phase, resampled by scenario."""

import json

import pytest

from roadtrain.data.sources.records import CAPTION_GROUPS, CAPTIONS
from roadtrain.evaluate.caption_metrics import caption_points, caption_scores
from roadtrain.evaluate.caption_predictions import read_captions, score_captions
from roadtrain.evaluate.captions import read_caption_submission, read_references, score_challenge
from roadtrain.evaluate.predictions import read_predictions
from roadtrain.evaluate.submitted_captions import Texts, make_captions
from support.annotations import write
from support.captions import phase, reference_file
from support.programs import run_program

REFERENCE = "The pedestrian walks slowly to the left in front of the car."
PHASE_OF = {"0": "prerecognition", "4": "avoidance"}


def caption(scenario, label, subject, response, view="overhead_view", camera=1, **more) -> dict:
    key = f"caption_{subject}"
    folder = f"{scenario}/{view}/{scenario}_Camera{camera}_0.mp4"
    video = f"external/BDD_PC_5K/videos/val/{scenario}.mp4" if scenario.startswith("video") else folder
    return {
        "id": f"{video}_{label}_{subject}",
        "video": video,
        "scenario": scenario,
        "question": CAPTIONS[key],
        "options": {},
        "prompt": CAPTIONS[key],
        "response": response,
        "answer": None,
        "correct": REFERENCE,
        "is_correct": False,
        "probabilities": None,
        "group": CAPTION_GROUPS[key],
        "phase": PHASE_OF[label],
    } | more


def question(scenario, number, response="A") -> dict:
    return caption(scenario, "0", "vehicle", response) | {
        "id": f"q{scenario}{number}",
        "options": {"A": "Dry", "B": "Wet"},
        "correct": "A",
        "group": "road",
    }


def predictions(tmp_path, rows) -> str:
    return str(write(tmp_path / "epoch_1.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))


def both(scenario, label, response, **more) -> list[dict]:
    return [caption(scenario, label, subject, response, **more) for subject in ("pedestrian", "vehicle")]


def score(path):
    return score_captions(read_captions(path), read_predictions(path), 500)


def run_score(tmp_path, rows):
    """(process of score.py, the accuracy JSON)."""
    source = {key: "x" for key in ("model", "checkpoint", "checkpoint_sha256", "vision", "software")}
    files = {"predictions": predictions(tmp_path, rows), "source": write(tmp_path / "s.json", source)}
    process = run_program(
        "score.py", **files, spec_hash="cafe", evaluate='{"bootstrap_samples": 500}', accuracy=tmp_path / "a.json"
    )
    return process, json.loads((tmp_path / "a.json").read_text()) if (tmp_path / "a.json").exists() else None


def test_answers_and_captions_are_read_apart(tmp_path):
    """An accuracy that counted captions as unanswered questions would be a wrong number."""
    path = predictions(tmp_path, [*both("s1", "0", "A."), question("s1", 1), question("s1", 2, "B")])
    assert [p.id for p in read_predictions(path)] == ["qs11", "qs12"]
    assert [(c.label, c.subject) for c in read_captions(path)] == [("0", "pedestrian"), ("0", "vehicle")]


def test_an_open_question_of_somebody_else_stays_a_question(tmp_path):
    path = predictions(tmp_path, [caption("s1", "0", "vehicle", "A.", group="ungrouped"), question("s1", 1)])
    assert read_captions(path) == [] and len(read_predictions(path)) == 2


def test_the_score_is_the_mean_over_phases_whatever_the_cameras(tmp_path):
    """Three cameras of one phase count as one; the other phase of one camera counts as much."""
    perfect = caption_points(caption_scores(REFERENCE, REFERENCE))
    nothing = caption_points(caption_scores("Snow", REFERENCE))
    rows = [row for camera in (1, 2, 3) for row in both("s1", "0", REFERENCE, camera=camera)]
    rows += both("s1", "4", "Snow") + [question("s1", 1), question("s1", 2, "B")]
    result = score(predictions(tmp_path, rows))
    assert result["score"] == pytest.approx((perfect + nothing) / 2)
    assert result["s2"] == pytest.approx((result["score"] + 50) / 2)
    part = result["sets"]["internal"]
    assert (part["scenarios"], part["phases"], part["captions"]) == (1, 2, 8)
    assert part["pedestrian"] == part["vehicle"] == part["mean"]


def test_both_sets_weigh_the_same(tmp_path):
    rows = [row for n in range(3) for row in both(f"s{n}", "0", REFERENCE)] + both("video1", "0", "Snow")
    result = score(predictions(tmp_path, [*rows, question("s1", 1)]))
    assert result["score"] == pytest.approx(sum(part["score"] for part in result["sets"].values()) / 2)
    assert result["sets"]["external"]["score"] < 5 < 95 < result["sets"]["internal"]["score"]


def test_the_interval_is_over_scenarios(tmp_path):
    """Scenarios that are alike inside and differ among each other: more phases of the same don't narrow it."""
    rows, more = [], []
    for n in range(20):
        text = REFERENCE if n % 2 else "Snow"
        rows += [*both(f"s{n}", "0", text), question(f"s{n}", 1)]
        more += both(f"s{n}", "4", text)
    few, many = score(predictions(tmp_path, rows)), score(predictions(tmp_path, rows + more))
    assert few["ci95"] == pytest.approx(many["ci95"]) and few["ci95"][0] < few["score"] - 10
    assert few["s2_ci95"][0] < few["s2"] < few["s2_ci95"][1]
    assert score(predictions(tmp_path, rows[::-1])) == few


def test_one_scenario_says_little(tmp_path):
    result = score(predictions(tmp_path, [*both("s1", "0", REFERENCE), question("s1", 1)]))
    assert result["ci95"][0] < 20 < result["score"] and result["sets"]["internal"]["ci95"] == result["ci95"]


def test_captions_of_unreadable_videos_are_left_out_and_counted(tmp_path):
    rows = both("s1", "0", REFERENCE) + both("s1", "4", None) + [question("s1", 1)]
    result = score(predictions(tmp_path, rows))
    assert result["not_asked"] == 2 and result["sets"]["internal"]["phases"] == 1 and result["score"] > 95


def test_where_not_one_caption_was_asked_the_answers_keep_their_accuracy(tmp_path):
    """Captions of unreadable videos beside answers about others: the work is done, the score is 0, and nobody can miss why."""
    rows = both("s1", "0", None) + both("video1", "0", None) + [question("s2", 1), question("s2", 2, "B")]
    process, accuracy = run_score(tmp_path, rows)
    assert process.returncode == 0, process.stderr
    captions = accuracy["captions"]
    assert accuracy["accuracy"] == 0.5 and captions["s2"] == 25
    assert captions["score"] == captions["ci95"][0] == 0 and captions["not_asked"] == 4
    for part in captions["sets"].values():
        assert part["captions"] == part["phases"] == part["score"] == 0 and set(part["mean"].values()) == {0}
    warning = "warning: {}: not one of 4 captions was asked: their videos can't be read, and all count 0"
    assert warning.format(tmp_path / "epoch_1.jsonl") in process.stdout
    process, accuracy = run_score(tmp_path, [*both("s3", "0", "The car."), *rows])
    assert accuracy["captions"]["score"] > 0 and accuracy["captions"]["not_asked"] == 4
    assert "was asked" not in process.stdout


def test_a_caption_without_its_phase_is_refused(tmp_path):
    row = caption("s1", "0", "vehicle", "A.")
    del row["phase"]
    with pytest.raises(ValueError, match="a caption without its phase; evaluate the checkpoint again"):
        read_captions(predictions(tmp_path, [row]))


def test_the_score_of_one_camera_is_the_challenges(tmp_path):
    """The texts as a submission, against reference files: the same number."""
    rows = both("20230707_1_SN1_T1", "0", "A pedestrian walks.") + both("20230707_1_SN1_T1", "4", "The car.")
    rows += both("video1", "0", "It rains in front of the car.")
    for scenario, labels in (("20230707_1_SN1_T1", "04"), ("video1", "0")):
        reference_file(tmp_path, scenario, [phase(label, REFERENCE, REFERENCE) for label in labels])
    path = predictions(tmp_path, [*rows, question("20230707_1_SN1_T1", 1)])
    texts = {(c.scenario, c.label, c.subject): Texts([c.video], [c.response]) for c in read_captions(path)}
    phases = {name: [label for s, label, subject in texts if s == name and subject == "vehicle"] for name, *_ in texts}
    submission = make_captions(texts, phases, "first")
    file = write(tmp_path / "captions.json", submission)
    challenge = score_challenge(read_caption_submission(str(file)), read_references(tmp_path))
    assert score(path)["score"] == pytest.approx(challenge["captions"], abs=1e-9)


def test_score_py_writes_them_beside_the_accuracy(tmp_path):
    process, accuracy = run_score(tmp_path, [*both("s1", "0", "A."), question("s1", 1), question("s1", 2, "B")])
    assert process.returncode == 0, process.stderr
    path = tmp_path / "epoch_1.jsonl"
    assert accuracy["total_questions"] == 2 and accuracy["accuracy"] == 0.5 and accuracy["unanswered"] == 0
    assert accuracy["captions"] == score_captions(read_captions(path), read_predictions(path), 500)
    assert "captions: " in process.stdout and "S2: " in process.stdout
