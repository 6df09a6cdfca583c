"""Both files of Track 2 from what a checkpoint said about the test: whole, by a rule, and read by the official scorers."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from roadtrain.cli import UserError
from roadtrain.data.llava import read_questions
from roadtrain.evaluate.caption_metrics import caption_points, caption_scores
from roadtrain.evaluate.captions import read_caption_submission
from roadtrain.evaluate.submitted_captions import Texts, make_captions
from support.annotations import write
from support.conversion import convert_tree
from support.programs import run_program
from support.public_test import DATA, EXTERNAL, NORMAL, SCENARIO, TASKS, phase_file, public_test, window

REPOSITORY = os.environ.get("ROADTRAIN_WTS_REPOSITORY")
ALIKE = "The pedestrian walks slowly to the left in front of the car."
OTHER = "Snow falls on nobody."
PHASES = ("4", "0")


@pytest.fixture
def tree(tmp_path):
    public_test(tmp_path, PHASES, real=False)
    convert_tree(tmp_path, tmp_path, splits=("test",), tasks=TASKS, **DATA)
    return tmp_path


def predictions(
    tree: Path, text_of=lambda question: f"About {question.video} {question.phase} {question.group}."
) -> Path:
    rows = []
    for question in read_questions(tree / "test.json"):
        is_text = not question.options
        response = text_of(question) if is_text else "A"
        shares = None if is_text else {"A": 0.75, "B": 0.25}
        row = {"id": question.id, "answer": None if is_text else "A", "response": response, "probabilities": shares}
        rows.append(json.dumps(row))
    return write(tree / "p.jsonl", "\n".join(rows) + "\n")


def submit(tree: Path, **options):
    data = {"root": str(tree), "tasks": TASKS, **DATA}
    files = {"output": tree / "answers.json", "captions": tree / "captions.json", "merged": tree / "merged.csv"}
    return run_program(
        "make_submission.py",
        llava=tree / "test.json",
        predictions=tree / "p.jsonl",
        data=json.dumps(data),
        **(files | options),
    )


def test_every_scenario_and_phase_is_there(tree):
    predictions(tree)
    process = submit(tree)
    assert process.returncode == 0, process.stderr
    captions = read_caption_submission(str(tree / "captions.json"))
    assert {name: [label for label, _ in rows] for name, rows in captions.items()} == dict.fromkeys(
        (SCENARIO, NORMAL, EXTERNAL), list(PHASES)
    )
    first = f"videos/test/public/{SCENARIO}/overhead_view/{SCENARIO}_Camera1_0.mp4"
    assert captions[SCENARIO][0][1] == {
        subject: f"About {first} avoidance caption of the {subject}." for subject in ("pedestrian", "vehicle")
    }
    value = json.loads((tree / "captions.json").read_text())
    assert [list(row) for row in value[EXTERNAL]] == [["labels", "caption_pedestrian", "caption_vehicle"]] * 2
    assert {item["id"] for item in json.loads((tree / "answers.json").read_text())} == {
        f"q{name}" for name in (SCENARIO, NORMAL, EXTERNAL)
    }
    assert "12 texts of 3 scenarios; 4 were chosen among several cameras', which differed on 4" in process.stdout


def test_the_table_says_what_was_merged(tree):
    predictions(tree)
    assert submit(tree, caption_cameras="consensus").returncode == 0
    rows = list(csv.DictReader((tree / "merged.csv").open()))
    question = next(row for row in rows if row["name"] == f"q{SCENARIO}")
    assert (question["cameras"], question["answers"], question["submitted"], question["weight"]) == (
        "2",
        "A A",
        "A",
        "1.0000",
    )
    captions = [row for row in rows if row["kind"] == "caption"]
    assert len(captions) == 12 and {row["cameras"] for row in captions if row["name"] == SCENARIO} == {"3"}
    assert {row["different"] for row in captions if row["name"] == SCENARIO} == {"yes"}
    assert all((row["weight"] != "") == (row["name"] == SCENARIO) for row in captions)


def test_a_phase_that_was_not_converted_is_named_and_refused(tree):
    """Its video was bad, or its file appeared later: the annotations say what must be there, not the conversations."""
    predictions(tree)
    late = [window(label, n, n + 1) for n, label in enumerate(("4", "0", "2"))]
    write(phase_file(tree, EXTERNAL), {"video_name": f"{EXTERNAL}.mp4", "event_phase": late})
    process = submit(tree)
    assert process.returncode == 1 and process.stderr.count("\n") == 1
    assert (
        f"2 of 14 captions are missing: {EXTERNAL} 2 pedestrian, {EXTERNAL} 2 vehicle; audit.json says"
        in process.stderr
    )
    assert not (tree / "captions.json").exists() and not (tree / "answers.json").exists()
    process = submit(tree, missing="empty")
    assert (
        process.returncode == 0
        and json.loads((tree / "captions.json").read_text())[EXTERNAL][2]["caption_vehicle"] == ""
    )


def test_a_question_whose_videos_cannot_be_read_is_counted_and_may_be_guessed(tree):
    """It is in no conversation: the test's file says that it is there, in its place."""
    entries = [e for e in json.loads((tree / "test.json").read_text()) if e["id"] != f"q{EXTERNAL}"]
    write(tree / "test.json", entries)
    predictions(tree)
    process = submit(tree)
    assert "2 of 3 questions; 1 without an answer;" in process.stdout, process.stderr
    assert "; 1 have no video that can be read" in process.stdout
    assert submit(tree, unanswered="first").returncode == 0
    answers = json.loads((tree / "answers.json").read_text())
    assert [item["id"] for item in answers] == [f"q{name}" for name in (SCENARIO, NORMAL, EXTERNAL)]
    (row,) = [row for row in csv.DictReader((tree / "merged.csv").open()) if row["name"] == f"q{EXTERNAL}"]
    assert (row["cameras"], row["with_answer"], row["submitted"]) == ("0", "0", "")


def test_a_question_that_the_test_no_longer_has_is_refused(tree):
    predictions(tree)
    file = tree / DATA["files"]["test"]
    write(file, file.read_text().replace(f"q{EXTERNAL}", "another"))
    process = submit(tree)
    assert process.returncode == 1 and f"q{EXTERNAL} is no question of the test's file" in process.stderr
    assert not (tree / "answers.json").exists()


@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_a_text_without_words_is_missing_and_another_camera_has_one(nothing, tree):
    predictions(tree, lambda question: nothing if "Camera1" in question.video else "A car.")
    assert submit(tree).returncode == 0
    predictions(tree, lambda question: nothing if question.scenario == NORMAL else "A car.")
    process = submit(tree)
    assert process.returncode == 1 and f"4 of 12 captions are missing: {NORMAL} 4 pedestrian" in process.stderr


def test_captions_without_annotations_to_check_against_are_refused(tree):
    predictions(tree)
    process = run_program(
        "make_submission.py", llava=tree / "test.json", predictions=tree / "p.jsonl", output=tree / "answers.json"
    )
    assert process.returncode == 1 and "the test's captions are those of its `tasks`" in process.stderr
    process = run_program(
        "make_submission.py",
        llava=tree / "test.json",
        predictions=tree / "p.jsonl",
        output=tree / "answers.json",
        data=json.dumps({"root": str(tree), "tasks": TASKS, **DATA}),
    )
    assert process.returncode == 1 and "--captions is missing" in process.stderr


def test_a_phase_that_the_annotations_do_not_have_is_refused():
    texts = {("s1", "4", subject): Texts(["v"], ["A car."]) for subject in ("pedestrian", "vehicle")}
    with pytest.raises(UserError, match="s1: phase 4: no such phase in the test's annotations"):
        make_captions(texts, {"s1": ["prerecognition"]}, "first")
    assert make_captions(texts, {"s1": ["avoidance"]}, "first") == {
        "s1": [{"labels": ["4"], "caption_pedestrian": "A car.", "caption_vehicle": "A car."}]
    }


# ------------------------------------------------------------------------------------------ the rules
def test_consensus_takes_the_text_that_the_others_are_most_like():
    texts = Texts(list("abcd"), [OTHER, ALIKE, ALIKE.replace("slowly ", ""), None])
    assert texts.choose("first") == 0 and texts.choose("consensus") in (1, 2)
    likeness = {n: texts.likeness(n) for n in (0, 1, 2)}
    best = max(likeness, key=lambda n: (likeness[n], -n))
    assert texts.choose("consensus") == best
    by_hand = [caption_points(caption_scores(texts.texts[best], texts.texts[n])) for n in (0, 1, 2) if n != best]
    assert likeness[best] == pytest.approx(sum(by_hand) / 2)


@pytest.mark.parametrize("texts", [[ALIKE, ALIKE, ALIKE], [OTHER, ALIKE], [None, OTHER, ALIKE], [ALIKE]])
def test_without_a_majority_the_first_text_is_taken(texts):
    here = Texts(list("abc")[: len(texts)], texts)
    assert here.choose("consensus") == here.choose("first") == next(n for n, text in enumerate(texts) if text)


def test_two_alike_go_to_the_first():
    assert Texts(list("abc"), [OTHER, ALIKE, ALIKE]).choose("consensus") == 1


# ------------------------------------------------------------------------------------------ the official readers
@pytest.mark.skipif(not REPOSITORY, reason="no ROADTRAIN_WTS_REPOSITORY: the official scorers aren't here")
def test_the_official_readers_find_every_phase_and_question(tree):
    """Their own code reads both files, and finds nothing missing, against references of every phase of the test."""
    predictions(tree)
    assert submit(tree).returncode == 0
    references = tree / "references"
    for name in (SCENARIO, NORMAL, EXTERNAL):
        file = phase_file(references, name)
        value = json.loads(phase_file(tree, name).read_text())
        for phase in value["event_phase"]:
            phase |= {"caption_pedestrian": "A man.", "caption_vehicle": "A car."}
        write(file, value)
    code = """
import json, runpy, sys
class Utils:  # the scores themselves are compared elsewhere
    @staticmethod
    def convert_to_dict(segments):
        return {row["labels"][0]: {key: row[key] for key in ("caption_pedestrian", "caption_vehicle")} for row in segments}
    @staticmethod
    def compute_metrics_single(text, reference):
        assert text, "an empty text"
        return dict.fromkeys(("bleu", "meteor", "rouge-l", "cider"), 1.0)
sys.modules["utils"] = Utils
program = runpy.run_path("metrics_all.py")
for folder, internal in (("annotations", True), ("external/BDD_PC_5K/annotations", False)):
    print(program["evaluate_one_dataset"](sys.argv[1], f"{sys.argv[2]}/{folder}", internal)[0])
"""
    process = subprocess.run(
        [sys.executable, "-c", code, str(tree / "captions.json"), str(references)],
        cwd=Path(REPOSITORY) / "evaluation/eval-metrics-AIC-Track2",
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0 and "missing" not in process.stdout and "zero score" not in process.stdout
    assert process.stdout.count("'bleu': 1.0") == 2, process.stdout + process.stderr
    truth = write(tree / "truth.json", [{"id": f"q{name}", "correct": "a"} for name in (SCENARIO, NORMAL, EXTERNAL)])
    process = subprocess.run(
        [sys.executable, "traffic_qa_evaluation_script.py", "--gt", str(truth), "--user", str(tree / "answers.json")],
        cwd=Path(REPOSITORY) / "evaluation/eval-metrics-AIC-Track2_VQA",
        capture_output=True,
        text=True,
    )
    assert "Correct: 3  |  Wrong: 0  |  Missing: 0" in process.stdout, process.stdout + process.stderr
