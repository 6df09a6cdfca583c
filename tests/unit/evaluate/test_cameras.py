"""Cameras of a question merged: a vote each, or their probabilities; what was asked once stays what it is."""

import json

import pytest

from roadtrain.data.chunks import block_lines
from roadtrain.data.llava import read_questions
from roadtrain.data.sources.records import RecordPlace, record_blocks
from roadtrain.evaluate.accuracy import kinds_in_words, score
from roadtrain.evaluate.cameras import merge_cameras
from roadtrain.evaluate.predictions import prediction_row, read_predictions
from roadtrain.evaluate.replies import Reply
from support.annotations import write

OPTIONS = {"A": "Clear", "B": "Rainy"}


def row(
    scenario, camera, response, *, question="Weather?", correct="A", number=0, view="overhead_view", **more
) -> dict:
    """As conversion writes it: the number in an id is that of the question in its file."""
    name = f"{scenario}_Camera{camera}_0"
    return {
        "id": f"{name}_{number}",
        "video": f"{scenario}/{view}/{name}.mp4",
        "scenario": scenario,
        "question": question,
        "options": OPTIONS,
        "prompt": question,
        "response": response,
        "answer": response,
        "correct": correct,
        "is_correct": response == correct,
        "probabilities": None,
        "group": "weather",
        "phase": "full_video",
        **more,
    }


def read(tmp_path, *rows):
    return read_predictions(write(tmp_path / "p.jsonl", "".join(json.dumps(r) + "\n" for r in rows)))


def test_most_cameras_decide(tmp_path):
    """Of three cameras two are right: two thirds of the answers, and all of the questions."""
    predictions = read(
        tmp_path, *(row("s", n, letter) for n, letter in ((1, "A"), (2, "B"), (3, "A"))), row("t", 1, "B")
    )
    merged = merge_cameras(predictions, 100)
    assert (merged["questions"], merged["of_several_cameras"]) == (2, 1)
    assert merged["votes"]["total_correct"] == 1 and "probabilities" not in merged
    scores = score(predictions, 100)
    assert scores["accuracy"] == 0.5 and scores["merged_cameras"] == merged
    assert kinds_in_words(scores) == ["cameras merged by votes: 0.5000 of 2 questions"]


def test_a_sure_camera_outweighs_two_that_are_not(tmp_path):
    shares = [("A", {"A": 0.95, "B": 0.05}), ("B", {"A": 0.45, "B": 0.55}), ("B", {"A": 0.45, "B": 0.55})]
    rows = [row("s", n, letter, probabilities=share) for n, (letter, share) in enumerate(shares, start=1)]
    merged = merge_cameras(read(tmp_path, *rows), 100)
    assert (merged["votes"]["accuracy"], merged["probabilities"]["accuracy"]) == (0, 1)


def test_cameras_that_say_nothing_have_no_vote(tmp_path):
    merged = merge_cameras(read(tmp_path, row("s", 1, "hm"), row("s", 2, "A"), row("s", 3, None)), 100)
    assert (merged["votes"]["total_correct"], merged["of_several_cameras"]) == (1, 1)
    assert merge_cameras(read(tmp_path, row("s", 1, "hm"), row("s", 2, "?")), 100)["votes"]["total_correct"] == 0


@pytest.mark.parametrize(
    "other",
    [
        {"phase": "action"},
        {"number": 1},
        {"view": "vehicle_view"},
        {"video": "s/clips/s_Camera2_0.mp4"},
        {"id": "row 2"},
        {"question": "Is it raining?"},
        {"options": {"A": "Rainy", "B": "Clear"}},
    ],
)
def test_only_what_one_annotation_asks_is_merged(other, tmp_path):
    """Another phase, another question of the file, the vehicle's own annotation, videos and ids of somebody's table: each of
    these with the same words, options and right answer. And what another annotation of the view asks under the same number."""
    assert merge_cameras(read(tmp_path, row("s", 1, "A"), row("s", 2, "A", **other)), 100) is None
    more = [row("s", 3, "B"), row("s", 4, "B")]
    merged = merge_cameras(read(tmp_path, row("s", 1, "A"), row("s", 2, "A", **other), *more), 100)
    assert (merged["questions"], merged["votes"]["total_correct"]) == (2, 1)


def test_cameras_are_merged_as_conversion_writes_them(tmp_path):
    """A scenario of two overhead cameras and the vehicle's, which ask the same of the same phase: a team submits two answers."""
    question = {"question": "Where is the pedestrian?", "a": "left", "b": "right", "correct": "a"}
    phase = {"labels": ["3"], "start_time": 0, "end_time": 1, "conversations": [question]}
    blocks = []
    for view, videos in (
        ("overhead_view", ["s_Camera1_0.mp4", "s_Camera2_0.mp4"]),
        ("vehicle_view", ["s_vehicle.mp4"]),
    ):
        place = RecordPlace("f.json", "$", "s", view, [f"s/{view}/{name}" for name in videos])
        blocks += [(block, block.media) for block in record_blocks({"id": 1, "event_phase": [phase]}, place)]
    lines = [line for block, media in blocks for line in block_lines(block, [[medium] for medium in media])]
    path = write(tmp_path / "val.llava.json", "[\n" + ",\n".join(lines) + "\n]\n")
    replies = ["A", "A", "B"]
    rows = [
        prediction_row(question, Reply(reply)) for question, reply in zip(read_questions(path), replies, strict=True)
    ]
    merged = merge_cameras(read(tmp_path, *rows), 100)
    assert (merged["questions"], merged["of_several_cameras"], merged["votes"]["accuracy"]) == (2, 1, 0.5)


def test_what_was_asked_about_all_together_is_one_question(tmp_path):
    first = row("s", 1, "A")
    predictions = read(tmp_path, first | {"videos": [first["video"], "other.mp4"]})
    assert predictions[0].camera == "several" and merge_cameras(predictions, 100) is None


def test_videos_are_names(tmp_path):
    with pytest.raises(ValueError, match="line 1: videos: expected names of files"):
        read(tmp_path, row("s", 1, "A", videos=[1]))
