"""Cameras of a question merged: a vote each, or their probabilities; what was asked once stays what it is."""

import json

import pytest

from roadtrain.evaluate.accuracy import kinds_in_words, score
from roadtrain.evaluate.cameras import merge_cameras
from roadtrain.evaluate.predictions import read_predictions
from support.annotations import write

OPTIONS = {"A": "Clear", "B": "Rainy"}


def row(scenario, camera, response, *, question="Weather?", correct="A", **more) -> dict:
    video = f"{scenario}/overhead_view/{scenario}_Camera{camera}_0.mp4"
    return {
        "id": f"{video}_{question}_{more.get('phase', '')}",
        "video": video,
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
        {"question": "Light?"},
        {"options": {"A": "Rainy", "B": "Clear"}},
    ],
)
def test_only_the_same_question_is_merged(other, tmp_path):
    """Another phase, other words, another order of options: another question."""
    assert merge_cameras(read(tmp_path, row("s", 1, "A"), row("s", 2, "A", **other)), 100) is None


def test_a_question_that_is_there_twice_about_a_video_is_two(tmp_path):
    rows = [row("s", camera, letter) for camera, letter in ((1, "A"), (2, "B"))]
    again = [r | {"id": f"again {r['id']}", "response": "A"} for r in rows]
    merged = merge_cameras(read(tmp_path, *rows, *again), 100)
    assert (merged["questions"], merged["of_several_cameras"]) == (2, 2)


def test_what_was_asked_about_all_together_is_one_question(tmp_path):
    first = row("s", 1, "A")
    predictions = read(tmp_path, first | {"videos": [first["video"], "other.mp4"]})
    assert predictions[0].camera == "several" and merge_cameras(predictions, 100) is None


def test_videos_are_names(tmp_path):
    with pytest.raises(ValueError, match="line 1: videos: expected names of files"):
        read(tmp_path, row("s", 1, "A", videos=[1]))
