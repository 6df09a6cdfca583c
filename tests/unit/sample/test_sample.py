"""The sample: what scripts/make_sample.py promises."""

import json
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import pytest

import make_sample
from roadtrain.files import sha256_tree
from roadtrain.sample.annotations import ACTION, MOVE, PHASES, PLACE, framed_x
from roadtrain.sample.render import number_of_frames
from roadtrain.sample.scenes import STEP, scenes
from roadtrain.sample.tree import QUESTIONS_FILE, SampleSpec, sample_scenarios, tree_files
from roadtrain.sample.video import encode

SCRIPTS = Path(make_sample.__file__).parent
SMALL = SampleSpec(seed=3, train=12, val=4)
DEFAULT = SampleSpec()


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("sample")
    make_sample.make_sample(SMALL, root, workers=2)
    return root


# --- names


def test_the_list_is_what_is_written(tree):
    assert sorted(sha256_tree(tree)) == tree_files(SMALL)


def test_the_list_needs_neither_numpy_nor_rendering():
    code = "import make_sample, sys; make_sample.main(['--list']); assert not {'numpy', 'av', 'PIL'} & set(sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, capture_output=True, text=True, check=True)
    assert process.stdout.split() == tree_files(DEFAULT)


def test_default_counts():
    videos = Counter(
        (path.split("/")[1], Path(path).parent.name) for path in tree_files(DEFAULT) if path.endswith(".mp4")
    )
    assert 360 <= videos["train", "overhead_view"] <= 420
    assert 65 <= videos["val", "overhead_view"] <= 80
    assert 0 < videos["train", "vehicle_view"] <= 30


@pytest.mark.parametrize("seed", [0, 1000])
def test_the_layout_has_all_that_wts_has(seed):
    scenarios = sample_scenarios(SampleSpec(seed=seed))
    assert len({s.name for s in scenarios}) == len({s.id for s in scenarios}) == len(scenarios)
    for split in ("train", "val"):
        here = [s for s in scenarios if s.split == split]
        assert {len(s.overhead) for s in here} == {1, 2, 3, 4}
        assert {s.normal for s in here} == {s.environment for s in here} == {True, False}
        assert any(s.vehicle for s in here)


def test_another_seed_gives_other_scenarios():
    a, b = ({s.name for s in sample_scenarios(SampleSpec(seed=seed))} for seed in (0, 1000))
    assert len(a & b) < 0.01 * len(a)


def test_empty_splits_are_allowed_and_negative_ones_are_not():
    assert tree_files(SampleSpec(train=0, val=0)) == []
    with pytest.raises(ValueError, match="train: -1"):
        SampleSpec(train=-1)


# --- determinism


def test_same_bytes_whatever_the_workers(tree, tmp_path):
    make_sample.make_sample(SMALL, tmp_path, workers=1)
    assert sha256_tree(tmp_path) == sha256_tree(tree)


# --- what is already there


def test_files_of_an_earlier_sample_are_removed(tmp_path):
    for spec in (SampleSpec(seed=1, train=1, val=1), SampleSpec(seed=2, train=1, val=0)):
        make_sample.make_sample(spec, tmp_path)
        assert sorted(sha256_tree(tmp_path)) == tree_files(spec)
    assert [p.name for p in (tmp_path / "videos").iterdir()] == ["train"]


def test_somebody_elses_data_are_left_alone(tmp_path, capsys):
    theirs = tmp_path / "videos" / "train" / "x.mp4"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"precious")
    assert make_sample.main(["--out", str(tmp_path), "--train", "1", "--val", "0"]) == 1
    assert "videos/train/x.mp4" in capsys.readouterr().err
    assert sorted(sha256_tree(tmp_path)) == ["videos/train/x.mp4"]


# --- annotations


def test_every_annotation_names_videos_that_exist(tree):
    count = 0
    for s in sample_scenarios(SMALL):
        kinds = s.views + ["environment"] * s.environment
        for kind in kinds:
            for record in json.loads((tree / s.vqa_path(kind)).read_text()):
                count += check_videos(tree, s, record)
        for view in s.views:
            count += check_videos(tree, s, json.loads((tree / s.caption_path(view)).read_text()))
    assert count > 40


def check_videos(root, scenario, record):
    names = record.get("overhead_videos") or [record["vehicle_view"]]
    view = "overhead_view" if "overhead_videos" in record else "vehicle_view"
    assert all((root / scenario.video_path(view, name)).is_file() for name in names)
    return len(names)


def test_environment_files(tree):
    for s, scene in zip(sample_scenarios(SMALL), scenes(SMALL), strict=False):
        path = tree / s.vqa_path("environment")
        assert path.is_file() == s.environment
        if s.environment:
            [record] = json.loads(path.read_text())
            assert list(record) == ["id", "overhead_videos", "environment"]
            assert record == {"id": s.id, "overhead_videos": list(s.overhead), "environment": scene.mcqs()}


def test_phases_are_true_of_what_is_drawn(tree):
    for s, scene in zip(sample_scenarios(SMALL), scenes(SMALL), strict=False):
        for view in s.views:
            [record] = json.loads((tree / s.vqa_path(view)).read_text())
            assert [phase["labels"] for phase in record["event_phase"]] == [[label] for label in PHASES]
            end = "0.000"
            for phase in record["event_phase"]:
                assert phase["start_time"] == end
                end = phase["end_time"]
                assert float(end) > float(phase["start_time"])
                for mcq in phase["conversations"]:
                    assert mcq[mcq["correct"]] in truths(s, scene, view, mcq["question"], float(end))
            assert float(end) == scene.seconds


def truths(scenario, scene, view, question, end):
    direction = scene.answers["direction"]
    if question == ACTION.text:
        return {"Walking" if STEP[direction] else "Standing"}
    if question == MOVE.text:
        return {direction}
    assert question == PLACE.text
    names = [name for v, name in scenario.videos if v == view]
    places = [framed_x(scene.pedestrian_at(end), scene.camera(name)) for name in names]
    thirds = {PLACE.answers[min(max(int(3 * place), 0), 2)] for place in places}
    assert len(thirds) == 1
    return thirds


def test_captions(tree):
    for s in sample_scenarios(SMALL):
        for view in s.views:
            record = json.loads((tree / s.caption_path(view)).read_text())
            assert [phase["labels"] for phase in record["event_phase"]] == [[str(i)] for i in range(5)]
            keys = ["labels", "caption_pedestrian", "caption_vehicle", "start_time", "end_time"]
            assert all(list(phase) == keys for phase in record["event_phase"])


# --- videos


def test_videos_decode_and_are_what_the_cameras_say(tree):
    rates, sizes = set(), set()
    for s, scene in zip(sample_scenarios(SMALL), scenes(SMALL), strict=False):
        for view, name in s.videos:
            camera = scene.camera(name)
            with av.open(str(tree / s.video_path(view, name))) as file:
                video = file.streams.video[0]
                assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
                assert (video.width, video.height) == camera.size
                assert video.average_rate == camera.fps
                assert sum(1 for _ in file.decode(video=0)) == number_of_frames(scene, camera)
            rates.add(camera.fps)
            sizes.add(camera.size)
    assert rates == {Fraction(8), Fraction(10), Fraction(25, 2), Fraction(15)}
    assert len(sizes) == 3
    assert all(width % 2 == height % 2 == 0 for width, height in sizes)


def test_encoding_nothing_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        encode([], Fraction(10))


# --- the program


@pytest.mark.parametrize("arguments", [["--train", "-1"], ["--workers", "0"], ["--val", "many"]])
def test_bad_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        make_sample.main(arguments)
    assert stop.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_mark_that_is_not_ours_is_one_line(tmp_path, capsys):
    (tmp_path / ".sample.json").write_text('{"no": 1}')
    assert make_sample.main(["--out", str(tmp_path)]) == 1
    assert "not the mark of a sample" in capsys.readouterr().err


# --- the public test


def test_a_public_test_has_phases_and_questions_without_answers(tmp_path):
    spec = SampleSpec(seed=3, train=1, val=1, test=4)
    make_sample.make_sample(spec, tmp_path)
    assert sorted(sha256_tree(tmp_path)) == tree_files(spec)
    records = json.loads((tmp_path / QUESTIONS_FILE).read_text())
    here = {s.name: s for s in sample_scenarios(spec) if s.split == "test"}
    ids = []
    for record in records:
        rows = [row for part in record.get("event_phase", [record]) for row in part["conversations"]]
        assert all("correct" not in row and {"id", "question", "a", "b"} <= row.keys() for row in rows)
        ids += [row["id"] for row in rows]
    assert len(ids) == len(set(ids)) and {id.split("-")[0] for id in ids} == here.keys()
    for scenario in here.values():
        assert scenario.video_path("overhead_view", scenario.overhead[0]).startswith("videos/test/public/")
        for view in scenario.views:
            record = json.loads((tmp_path / scenario.caption_path(view)).read_text())
            assert check_videos(tmp_path, scenario, record)
            keys = [list(phase) for phase in record["event_phase"]]
            assert keys == [["labels", "start_time", "end_time"]] * 5
    assert {s.normal for s in here.values()} == {True, False}


def test_a_public_test_changes_nothing_else():
    """The sample of a seed is the same with it and without."""
    alone, beside = (
        [s for s in sample_scenarios(SampleSpec(seed=0, train=20, val=6, test=n)) if s.split != "test"] for n in (0, 5)
    )
    assert alone == beside
