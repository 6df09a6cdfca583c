"""Predictions to accuracy JSON, the best epoch, and bad input."""

import json
import re

import pytest

from roadtrain.data.question_types import TYPES, question_type
from roadtrain.evaluate.predictions import KEYS, read_predictions
from support.programs import run_program

SOURCE = {
    "model": "m",
    "checkpoint": "epoch_1",
    "checkpoint_sha256": "0" * 64,
    "vision": {"nframes": 8},
    "software": {},
}


def line(number, response, correct="A", scenario="s0", camera=1, question="What is the weather in the scene?"):
    options = {"A": "Clear", "B": "Rainy"}
    return dict(
        zip(
            KEYS,
            (
                f"q{number:03}",
                f"{scenario}/overhead_view/{scenario}_Camera{camera}_0.mp4",
                scenario,
                question,
                options,
                "prompt",
                response,
                "?",
                correct,
                False,
            ),
            strict=False,
        )
    )


def write(path, lines):
    path.write_text("".join(json.dumps(value) + "\n" for value in lines))
    return path


def score(tmp_path, lines, source=SOURCE):
    """(process, the accuracy JSON or None)"""
    (tmp_path / "source.json").write_text(json.dumps(source))
    accuracy = tmp_path / "accuracy.json"
    process = run_program(
        "score.py",
        predictions=write(tmp_path / "epoch_1.jsonl", lines),
        source=tmp_path / "source.json",
        spec_hash="cafe",
        evaluate='{"bootstrap_samples": 500}',
        accuracy=accuracy,
    )
    return process, json.loads(accuracy.read_text()) if accuracy.exists() else None


LINES = [
    line(0, "A"),
    line(1, "The answer is A", scenario="s1") | {"group": "light"},  # the recipe's parse reads T
    line(2, "B", scenario="s1", camera=2) | {"group": "light"},
    line(3, "Clear or Rainy", scenario="s2"),
    line(4, None, scenario="s2", question="How many lanes does the road have?"),
]


def test_accuracy_json_has_the_contracts_keys_and_counts(tmp_path):
    process, accuracy = score(tmp_path, LINES)
    assert process.returncode == 0, process.stderr
    assert (accuracy["total_questions"], accuracy["total_correct"], accuracy["unanswered"]) == (4, 2, 1)
    assert accuracy["not_asked"] == 1  # its video can't be read: no wrong answer
    assert accuracy["accuracy"] == 2 / 4
    assert accuracy["accuracy_first_capital"] == 1 / 4  # q000 alone: "The answer is A" reads T
    assert accuracy["ci95"][0] <= 0.5 <= accuracy["ci95"][1]
    assert accuracy["by_question"]["What is the weather in the scene?"]["total_questions"] == 4
    assert accuracy["by_question"].keys() == {"What is the weather in the scene?"}
    assert {group: part["total_questions"] for group, part in accuracy["by_type"].items()} == {
        "light": 2,
        "ungrouped": 2,
    }
    assert accuracy["by_camera"]["Camera2"]["accuracy"] == 0
    assert accuracy["computed_from"] == SOURCE | {"spec_hash": "cafe"}


def test_every_group_adds_up_to_the_whole(tmp_path):
    _, accuracy = score(tmp_path, LINES)
    for key in ("by_question", "by_type", "by_camera"):
        assert sum(row["total_questions"] for row in accuracy[key].values()) == accuracy["total_questions"]
        assert sum(row["total_correct"] for row in accuracy[key].values()) == accuracy["total_correct"]


def test_scoring_twice_gives_the_same_bytes_whatever_the_order(tmp_path):
    score(tmp_path, LINES)
    first = (tmp_path / "accuracy.json").read_bytes()
    score(tmp_path, LINES[::-1])
    assert (tmp_path / "accuracy.json").read_bytes() == first


@pytest.mark.parametrize(
    "lines, words",
    [
        ([], "no predictions"),
        ([LINES[0], LINES[0]], "line 2: question q000 is answered twice"),
        ([{k: v for k, v in LINES[0].items() if k != "response"}], "line 1: key response is missing"),
        (["text"], "expected an object"),
    ],
)
def test_bad_predictions_are_one_clear_line(tmp_path, lines, words):
    process, accuracy = score(tmp_path, lines)
    assert process.returncode == 1 and accuracy is None
    assert words in process.stderr and "epoch_1.jsonl" in process.stderr and process.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"correct": None, "response": "?"},
            "correct: expected text, found None",
        ),  # none was right: it counted as right
        ({"correct": "C"}, "correct: expected one of A, B, found 'C'"),
        ({"options": ["Clear", "Rainy"]}, "options: expected {letter: text}"),
        ({"options": {"A": 1, "B": 2}}, "options: expected {letter: text}"),
        ({"response": 1}, "response: expected text or null, found 1"),
        ({"id": 7}, "id: expected text, found 7"),
        ({"scenario": None}, "scenario: expected text"),
        ({"group": None}, "group: expected text"),
        ({"probabilities": {"A": float("nan")}}, "NaN is not JSON; write null or a number"),
        ({"probabilities": {"C": 0.5}}, "probabilities: expected"),
    ],
)
def test_a_value_of_another_kind_is_one_line_and_no_number(change, words, tmp_path):
    with pytest.raises(ValueError, match=re.escape(f"line 2: {words}")):
        read_predictions(write(tmp_path / "p.jsonl", [line(0, "A"), line(1, "A") | change]))


def test_a_reference_is_read_as_a_response_is(tmp_path):
    path = write(tmp_path / "p.jsonl", [line(n, "B", correct) for n, correct in enumerate(["b", "B: Rainy", "Rainy"])])
    assert all(prediction.is_correct for prediction in read_predictions(path))


def test_a_cut_off_predictions_file_is_named(tmp_path):
    path = tmp_path / "epoch_1.jsonl"
    path.write_text(json.dumps(LINES[0]) + '\n{"id": "q1", "vid')
    with pytest.raises(ValueError, match="line 2: not valid JSON"):
        read_predictions(path)


def test_a_source_without_its_hash_is_refused(tmp_path):
    process, accuracy = score(tmp_path, LINES, {k: v for k, v in SOURCE.items() if k != "checkpoint_sha256"})
    assert process.returncode == 1 and accuracy is None and "key checkpoint_sha256 is missing" in process.stderr


@pytest.mark.parametrize(
    "video, camera",
    [
        ("x/overhead_view/20230707_8_SN46_T1_Camera2_3.mp4", "Camera2"),
        ("normal_trimmed/x/vehicle_view/x_vehicle.mp4", "vehicle_view"),
        ("mine/clip.mp4", "unknown"),
    ],
)
def test_camera_is_read_from_the_files_name(tmp_path, video, camera):
    (prediction,) = read_predictions(write(tmp_path / "p.jsonl", [line(0, "A") | {"video": video}]))
    assert prediction.camera == camera


@pytest.mark.parametrize(
    "question, kind",
    [
        ("What is the weather in the video?", "weather and light"),
        ("What is the brightness level?", "weather and light"),
        ("Are there street lights?", "roadside"),
        ("What is the color of the pedestrian's upper body clothing?", "pedestrian's clothing"),
        ("Is the pedestrian wearing a hat?", "pedestrian's clothing"),
        ("What is the age group of the pedestrian?", "pedestrian's person"),
        ("In which direction does the pedestrian move?", "pedestrian's movement"),
        ("What is the road surface condition?", "road"),
        ("What is the traffic volume?", "traffic"),
        ("What is the height of the obstacle?", "obstacle"),
        ("Is there a guardrail?", "roadside"),
        ("What is the recipe for bread?", "other"),
    ],
)
def test_question_types_of_wts(question, kind):
    assert question_type(question) == kind and kind in TYPES


def epochs(tmp_path, *accuracy):
    for n, value in enumerate(accuracy, start=1):
        for folder, content in (
            ("accuracy", {"accuracy": value}),
            (
                "checkpoints",
                {"checkpoint": f"epoch_{n}", "epoch": n, "path": f"w/epoch_{n}", "sha256": "", "files": {}},
            ),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"epoch_{n}.json").write_text(json.dumps(content))
    names = [f"epoch_{n}.json" for n in range(1, len(accuracy) + 1)]
    return [[tmp_path / folder / name for name in names] for folder in ("accuracy", "checkpoints")]


@pytest.mark.parametrize("accuracy, best", [((0.5, 0.9, 0.8), 2), ((0.9, 0.9), 1), (tuple([0.1] * 10 + [0.2]), 11)])
def test_the_best_epoch_is_the_highest_and_the_earlier_of_two(tmp_path, accuracy, best):
    scores, manifests = epochs(tmp_path, *accuracy)
    out = tmp_path / "best.json"
    process = run_program("select_best.py", accuracy=scores[::-1], checkpoints=manifests, output=out)
    assert process.returncode == 0, process.stderr
    chosen = json.loads(out.read_text())
    assert chosen["checkpoint"] == f"epoch_{best}" and chosen["epoch"] == best
    assert chosen["manifest"] == str(manifests[best - 1]) and chosen["path"] == f"w/epoch_{best}"


def test_an_epoch_without_a_manifest_is_refused(tmp_path):
    scores, manifests = epochs(tmp_path, 0.5, 0.6)
    process = run_program("select_best.py", accuracy=scores, checkpoints=manifests[0], output=tmp_path / "best.json")
    assert process.returncode == 1 and "epoch_2: has no manifest" in process.stderr
