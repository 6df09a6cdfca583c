"""What a run learns from: questions with frames, and frames of the run's own vision setting."""

from dataclasses import replace
from pathlib import Path

import pytest

from roadtrain.files import write_json
from roadtrain.train.questions import read_frame_index, usable_questions
from roadtrain.train.toml_config import read_train_run

TOML = Path(__file__).parents[2] / "support/golden/fps1_8k.toml"
VISION = {"fps": 1.0, "total_pixels": 8388608}


def run_with(tmp_path, vision: dict):
    """A rendered run, and a frame index of another setting."""
    write_json(tmp_path / "index.json", {"vision": vision, "reader": "decord", "clips": [], "left_out": []})
    return replace(read_train_run(TOML), frames_index=str(tmp_path / "index.json"), llava=str(tmp_path / "x.json"))


def test_the_same_setting_is_taken(tmp_path):
    run = run_with(tmp_path, VISION)
    assert run.vision == VISION == read_frame_index(run).vision


@pytest.mark.parametrize(
    "vision, key, in_toml, in_index",
    [
        ({"fps": 2.0, "total_pixels": 8388608}, "fps", "1.0", "2.0"),
        ({"fps": 1.0}, "total_pixels", "8388608", "missing"),
        (VISION | {"max_frames": 8}, "max_frames", "missing", "8"),
    ],
    ids=["another value", "only in the TOML", "only in the index"],
)
def test_another_setting_is_one_line_with_both_files_and_values(tmp_path, vision, key, in_toml, in_index):
    run = run_with(tmp_path, vision)
    with pytest.raises(ValueError) as error:
        read_frame_index(run)
    line = str(error.value)
    assert f"{TOML}: custom.vision.{key} is {in_toml}" in line and f"{run.frames_index} " in line
    assert f"{key} {in_index}:" in line and "\n" not in line


def test_no_question_with_frames_is_an_error(tmp_path):
    run = run_with(tmp_path, VISION)
    write_json(tmp_path / "x.json", [])
    with pytest.raises(ValueError, match="nothing to train on"):
        usable_questions(run, read_frame_index(run))
