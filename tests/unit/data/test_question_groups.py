"""The group that accuracy is counted with is the data's: from the source to the entry, the prediction, accuracy by type."""

import json

import pytest

from roadtrain.data.llava import read_questions
from roadtrain.evaluate.accuracy import score
from roadtrain.evaluate.predictions import prediction_row, read_predictions, write_predictions
from roadtrain.evaluate.replies import Reply
from support.annotations import mcq, scenario, write
from support.conversion import convert_tree

TABLE = """video,question,a,b,answer,type
v.mp4,Is the traffic heavy?,Yes,No,A,jams
v.mp4,Is there a queue?,Yes,No,B,jams
v.mp4,How is the weather?,Dry,Wet,A,
"""


def answered(tmp_path, **data):
    """The predictions of a model that always says A."""
    convert_tree(tmp_path, tmp_path / "out", **data)
    rows = [prediction_row(question, Reply("A")) for question in read_questions(tmp_path / "out/train.json")]
    write_predictions(tmp_path / "p.jsonl", rows)
    return read_predictions(tmp_path / "p.jsonl")


def by_type(predictions):
    return {group: part["total_questions"] for group, part in score(predictions, 100)["by_type"].items()}


def test_a_tables_type_is_the_group_and_wtss_words_are_not_asked(tmp_path):
    write(tmp_path / "t.csv", TABLE)
    predictions = answered(tmp_path, source="mcq", files={"train": "t.csv", "val": "t.csv"})
    assert by_type(predictions) == {"jams": 2, "ungrouped": 1}
    assert score(predictions, 100)["by_type"]["jams"]["accuracy"] == 0.5
    _, audit = convert_tree(tmp_path, tmp_path / "out", source="mcq", files={"train": "t.csv", "val": "t.csv"})
    tasks = audit["splits"]["train"]["tasks"]
    assert tasks["jams"]["question_types"] == {"jams": 2} and tasks["mcq"]["question_types"] == {"ungrouped": 1}


def test_wts_has_the_groups_that_its_words_say(tmp_path):
    rows = [mcq("What is the weather?"), mcq("What is the road surface?"), mcq("Is the pedestrian wearing a hat?")]
    scenario(tmp_path, "train", "s1", rows=rows)
    assert by_type(answered(tmp_path)) == {"pedestrian's clothing": 1, "road": 1, "weather and light": 1}
    entries = json.loads((tmp_path / "out/train.json").read_text())
    assert [entry["group"] for entry in entries] == ["weather and light", "road", "pedestrian's clothing"]


@pytest.mark.parametrize(
    ("more", "group"),
    [
        ({"group": "speed"}, "speed"),
        ({"type": "speed"}, "speed"),
        ({"group": "a", "type": "b"}, "a"),
        ({}, "ungrouped"),
    ],
)
def test_an_entry_of_llava_says_its_group_or_there_is_one(more, group, tmp_path):
    turns = [{"from": "human", "value": "Wet road?\nA: Yes\nB: No"}, {"from": "gpt", "value": "A"}]
    write(tmp_path / "t.json", [{"video": "v.mp4", "conversations": turns + turns, **more}])
    predictions = answered(tmp_path, source="llava", files={"train": "t.json", "val": "t.json"})
    assert by_type(predictions) == {group: 2}


def test_what_is_written_is_read_again_as_input(tmp_path):
    write(tmp_path / "t.csv", TABLE)
    first = answered(tmp_path, source="mcq", files={"train": "t.csv", "val": "t.csv"})
    write(tmp_path / "again.json", (tmp_path / "out/train.json").read_text())
    second = answered(tmp_path, source="llava", files={"train": "again.json", "val": "again.json"})
    assert [(p.group, p.options, p.correct) for p in second if p.group != "mcq"] == [
        (p.group, p.options, p.correct) for p in first if p.group != "ungrouped"
    ]


def test_predictions_of_before_have_no_group(tmp_path):
    write(tmp_path / "t.csv", TABLE)
    answered(tmp_path, source="mcq", files={"train": "t.csv", "val": "t.csv"})
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    write(tmp_path / "p.jsonl", "".join(json.dumps({k: v for k, v in r.items() if k != "group"}) + "\n" for r in rows))
    assert by_type(read_predictions(tmp_path / "p.jsonl")) == {"ungrouped": 3}
