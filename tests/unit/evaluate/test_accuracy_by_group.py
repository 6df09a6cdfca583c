"""A table's `type` is the group of its questions from the table to the accuracy JSON."""

import json

import pytest

from roadtrain.data.llava import read_questions
from roadtrain.evaluate.accuracy import score
from roadtrain.evaluate.predictions import Reply, prediction_row, read_predictions, write_predictions
from support.annotations import mcq, write, wts_file
from support.conversion import convert_tree
from support.tables import lines, row, table

HEAD = "video,type,question,a,b,answer\n"
SIGNS = "v.mp4,signs,Which sign?,Stop,Yield,A\nw.mp4,signs,Which sign?,Stop,Yield,B\n"


def by_type(folder, response="A") -> dict[str, tuple[int, int]]:
    """{group: (questions, right ones)} where every question of the split is answered so."""
    questions = list(read_questions(folder / "out/train.json"))
    file = folder / "predictions.jsonl"
    write_predictions(file, [prediction_row(question, Reply(response)) for question in questions])
    assert [json.loads(line)["group"] for line in file.read_text().splitlines()] == [q.group for q in questions]
    groups = score(read_predictions(file), 100)["by_type"]
    return {name: (group["total_questions"], group["total_correct"]) for name, group in groups.items()}


def test_accuracy_is_counted_by_the_tables_type(tmp_path):
    table(tmp_path, HEAD + SIGNS + "v.mp4,Wetter,Is it a pedestrian?,No,Yes,A\nw.mp4,,Is there traffic?,No,Yes,B\n")
    assert by_type(tmp_path) == {"signs": (2, 1), "Wetter": (1, 1), "ungrouped": (1, 0)}


def test_accuracy_is_counted_by_the_type_of_json_lines(tmp_path):
    lines(tmp_path, row(type="signs"), row(type=7, question="Where?"), row(question="Why?"))
    assert by_type(tmp_path, "B") == {"signs": (1, 1), "7": (1, 1), "ungrouped": (1, 1)}


@pytest.mark.parametrize("question", ["Is the pedestrian crossing?", "How is the weather?", "What?"])
def test_without_a_type_there_is_one_group(tmp_path, question):
    """Words that WTS's kinds of questions are told by say nothing about other people's."""
    text = f"video,question,a,b,answer\nv.mp4,{question},No,Yes,A\nv.mp4,What is the traffic like?,Dense,Light,A\n"
    table(tmp_path, text)
    assert by_type(tmp_path) == {"ungrouped": (2, 2)}


def test_wts_keeps_its_groups(tmp_path):
    questions = [mcq("How is the weather?"), mcq("Is the pedestrian crossing the road?"), mcq("Is there an obstacle?")]
    record = {"id": 1, "overhead_videos": ["s1_Camera1_0.mp4"], "environment": questions}
    write(wts_file(tmp_path, "train", "s1"), [record])
    convert_tree(tmp_path, tmp_path / "out")
    assert set(by_type(tmp_path)) == {"weather and light", "pedestrian's movement", "obstacle"}


def test_predictions_of_before_groups_have_one(tmp_path):
    table(tmp_path, HEAD + SIGNS)
    rows = [prediction_row(question, Reply("A")) for question in read_questions(tmp_path / "out/train.json")]
    for line in rows:
        del line["group"]
    write_predictions(tmp_path / "old.jsonl", rows)
    assert list(score(read_predictions(tmp_path / "old.jsonl"), 100)["by_type"]) == ["ungrouped"]
