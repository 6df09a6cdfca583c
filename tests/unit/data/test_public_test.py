"""The public test's phases: which captions are to be written, about which videos and windows, and that none is lost."""

import json

import pytest

from roadtrain.data.llava import read_questions
from roadtrain.data.sources.base import Malformed
from roadtrain.data.sources.wts_test_captions import submitted_phases
from support.annotations import write
from support.conversion import convert_tree
from support.public_test import DATA, EXTERNAL, NORMAL, SCENARIO, TASKS, phase_file, public_test, window


def convert(root, tasks=TASKS, **data):
    return convert_tree(root, root, splits=("test",), tasks=tasks, **(DATA | data))


def test_every_phase_of_every_video_asks_for_both_captions(tmp_path):
    public_test(tmp_path, real=False)
    _, report = convert(tmp_path)
    captions = [question for question in read_questions(tmp_path / "test.json") if "caption" in question.type]
    assert {(q.scenario, q.phase, q.video.rsplit("/", 1)[-1]) for q in captions} == {
        (name, phase, file)
        for name, files in {
            SCENARIO: [f"{SCENARIO}_{end}.mp4" for end in ("Camera1_0", "Camera2_0", "vehicle_view")],
            NORMAL: [f"{NORMAL}.mp4"],
            EXTERNAL: ["video11.mp4"],
        }.items()
        for phase in ("avoidance", "prerecognition")
        for file in files
    }
    assert len(captions) == len({q.id for q in captions}) == 2 * 2 * 5
    assert {q.group for q in captions} == {"caption of the pedestrian", "caption of the vehicle"}
    assert {(q.phase, q.clip.first.start, q.clip.first.end) for q in captions} == {
        ("avoidance", 0.0, 1.0),
        ("prerecognition", 1.0, 2.0),
    }
    tasks = {task: counts["entries"] for task, counts in report["splits"]["test"]["tasks"].items()}
    assert tasks["caption"] == 16 and tasks["bdd_caption"] == 4


def test_overhead_cameras_stand_before_the_vehicles(tmp_path):
    """Which text is submitted hangs on it."""
    public_test(tmp_path, real=False)
    convert(tmp_path)
    here = [q.video for q in read_questions(tmp_path / "test.json") if q.scenario == SCENARIO and q.type == "caption"]
    assert [video.split("/")[-2] for video in dict.fromkeys(here)] == ["overhead_view", "overhead_view", "vehicle_view"]


def test_no_reference_reaches_the_conversations(tmp_path):
    """A tree with references in the test's place, as teams keep for a split of their own."""
    public_test(tmp_path, real=False)
    secret = {"caption_pedestrian": "SECRET walks.", "caption_vehicle": "SECRET stops."}
    write(phase_file(tmp_path, EXTERNAL), {"video_name": "video11.mp4", "event_phase": [window("0", **secret)]})
    convert(tmp_path)
    assert "SECRET" not in (tmp_path / "test.json").read_text()


@pytest.mark.parametrize("challenge", ["public_challenge", "."])
def test_the_challenges_folder_may_be_missing(tmp_path, challenge):
    public_test(tmp_path, challenge=challenge, real=False)
    expected = dict.fromkeys((SCENARIO, NORMAL, EXTERNAL), ["avoidance", "prerecognition"])
    assert submitted_phases(str(tmp_path), TASKS[1:]) == expected


def test_phases_that_only_one_view_has_count(tmp_path):
    public_test(tmp_path, real=False)
    write(
        phase_file(tmp_path, SCENARIO, "vehicle_view"),
        {"vehicle_view": f"{SCENARIO}_vehicle_view.mp4", "event_phase": [window("2")]},
    )
    assert submitted_phases(str(tmp_path), ("caption",))[SCENARIO] == ["avoidance", "prerecognition", "judgement"]


@pytest.mark.parametrize("value", ["train", "val"])
def test_without_captions_all_the_test_has_questions_only(tmp_path, value):
    public_test(tmp_path, real=False)
    entries, _ = convert(tmp_path, captions=value)
    assert len(entries) == 4 and {entry["type"] for entry in entries} == {"environment"}


def test_a_test_without_phases_is_refused_with_what_helps(tmp_path):
    public_test(tmp_path, real=False)
    for task, name in (("bdd_caption", EXTERNAL), ("caption", SCENARIO)):
        (folder := phase_file(tmp_path, name).parents[0 if task == "bdd_caption" else 2]).rename(
            tmp_path / f"{task}_away"
        )
        with pytest.raises(
            ValueError, match=r"caption/test: no phases|no such folder; the public test's phases belong"
        ):
            convert(tmp_path, tasks=("environment", task))
        assert not folder.exists()


def test_a_scenario_that_is_there_twice_is_refused(tmp_path):
    public_test(tmp_path, real=False)
    twin = (
        phase_file(tmp_path, SCENARIO).parents[2] / f"normal_trimmed/{SCENARIO}/overhead_view/{SCENARIO}_caption.json"
    )
    write(twin, phase_file(tmp_path, SCENARIO).read_text())
    with pytest.raises(ValueError, match=f"{SCENARIO} too; keep one of them"):
        convert(tmp_path)


def test_a_phase_that_is_no_phase_is_named(tmp_path):
    public_test(tmp_path, real=False)
    write(phase_file(tmp_path, EXTERNAL), {"video_name": "video11.mp4", "event_phase": [window("0", 2, 1)]})
    with pytest.raises(
        Malformed, match=r"video11_caption.json: \$.event_phase\[0\]: expected end_time after start_time"
    ):
        convert(tmp_path)
    with pytest.raises(Malformed, match="expected end_time after start_time"):
        submitted_phases(str(tmp_path), TASKS[1:])


def test_a_phase_that_is_there_twice_is_refused(tmp_path):
    """Two windows would count as cameras of one phase, and either's text would be submitted."""
    public_test(tmp_path, real=False)
    twice = [window("4", 0, 1), window("avoidance", 1, 2)]
    write(phase_file(tmp_path, EXTERNAL), {"video_name": "video11.mp4", "event_phase": twice})
    with pytest.raises(
        Malformed, match=r"video11_caption.json: \$.event_phase\[1\]: the phase 'avoidance' is there twice"
    ):
        convert(tmp_path)


def test_a_name_that_two_videos_have_is_refused(tmp_path):
    public_test(tmp_path, real=False)
    write(tmp_path / f"videos/test/elsewhere/{NORMAL}.mp4", b"")
    with pytest.raises(Malformed, match="is the name of two videos"):
        convert(tmp_path)


def test_questions_of_bdds_videos_are_scenarios_of_their_own(tmp_path):
    """They lie in one folder, which once was taken for their scenario."""
    public_test(tmp_path, real=False)
    convert(tmp_path)
    rows = json.loads((tmp_path / "test.json").read_text())
    assert {row["wts_id"] for row in rows if row["video"].startswith("external/")} == {EXTERNAL}
