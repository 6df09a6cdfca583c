"""Annotations -> LLaVA JSON: the recipe's entries, of every task and both data sets."""

import json
from itertools import pairwise

from dev import annotation_tree, bench_convert
from roadtrain.data.llava import entry_json, multiple_choice, read_questions
from roadtrain.data.sources import catalog
from roadtrain.media import Clip, Medium
from roadtrain.spec.data import Data
from support.annotations import mcq, phase, scenario, write, wts_file
from support.conversion import convert_tree


def test_the_same_entries_as_the_plain_approach(tmp_path):
    """Key for key, byte for byte, before what we add: only the order differs, ours is sorted."""
    annotation_tree.write_tree(tmp_path / "wts", 3000)
    bench_convert.plain(tmp_path / "wts", tmp_path / "plain.json")
    ours, _ = convert_tree(tmp_path / "wts", tmp_path)
    plain = json.loads((tmp_path / "plain.json").read_text())
    assert all(list(entry)[-3:] == ["question", "options", "group"] for entry in ours)
    text = {entry["id"]: json.dumps(dict(list(entry.items())[:-3])) for entry in ours}
    assert text == {entry["id"]: json.dumps(entry) for entry in plain} and len(text) == len(plain) == len(ours)
    assert all(before["video"] <= after["video"] for before, after in pairwise(ours))


def test_a_line_is_what_json_writes(tmp_path):
    """Text with quotes, line breaks, control characters and other alphabets."""
    rows = [mcq('Is "it" wet?\n\t\\ \x00 \x7f 道路 \u2028', ("Yes \x01", "No\r"), "b")]
    scenario(tmp_path, "train", "normal_trimmed/s 1", rows=rows, id=12)
    convert_tree(tmp_path, tmp_path)
    options = {"a": "Yes \x01", "b": "No\r"}
    expected = entry_json(
        id="s 1_Camera1_0_0",
        scenario=12,
        video="normal_trimmed/s 1/overhead_view/s 1_Camera1_0.mp4",
        type="environment",
        phase="full_video",
        human=multiple_choice(rows[0]["question"], options),
        answer="B",
        question=rows[0]["question"].strip(),
        options={letter.upper(): words for letter, words in options.items()},
        group="other",
    )
    lines = (tmp_path / "train.json").read_text().split("\n")
    assert lines[0] == "[" and lines[1] == json.dumps(expected, ensure_ascii=False) and lines[2:] == ["]", ""]


def test_every_camera_gets_the_questions_and_ids_are_unique(tmp_path):
    scenario(tmp_path, "train", "s1", rows=[mcq("One?"), mcq("Two?")], cameras=4)
    entries, report = convert_tree(tmp_path, tmp_path)
    assert [e["id"] for e in entries] == [f"s1_Camera{n + 1}_{n}_{q}" for n in range(4) for q in range(2)]
    assert report["splits"]["train"]["tasks"]["environment"]["videos"] == 4


def test_phase_questions_have_their_window(tmp_path):
    record = {
        "id": 3,
        "overhead_videos": ["c.mp4"],
        "event_phase": [phase("1.5", "4", "0"), phase(4, 6.25, "avoidance")],
    }
    write(wts_file(tmp_path, "train", "s1", "overhead_view"), [record])
    vehicle = {"id": 3, "vehicle_view": "v.mp4", "event_phase": [phase("0", "1", "recognition")]}
    write(wts_file(tmp_path, "train", "s1", "vehicle_view"), [vehicle])
    entries, _ = convert_tree(tmp_path, tmp_path, tasks=("overhead_view", "vehicle_view"))
    assert [(e["video"], e["type"], e["phase"], e["video_start"], e["video_end"]) for e in entries] == [
        ("s1/overhead_view/c.mp4", "overhead_view", "prerecognition", 1.5, 4.0),
        ("s1/overhead_view/c.mp4", "overhead_view", "avoidance", 4.0, 6.25),
        ("s1/vehicle_view/v.mp4", "vehicle_view", "recognition", 0.0, 1.0),
    ]
    read = list(read_questions(tmp_path / "train.json"))
    assert [entry.clip for entry in read][0] == Clip((Medium("s1/overhead_view/c.mp4", 1.5, 4.0),))


def captions(tmp_path, **data):
    """The audit's report of a tree with a caption in each split."""
    for split in ("train", "val"):
        scenario(tmp_path, split, f"{split}1")
        caption = {
            "id": 1,
            "overhead_videos": [f"{split}1_Camera1_0.mp4"],
            "event_phase": [
                {
                    "start_time": "0",
                    "end_time": "1",
                    "labels": ["4"],
                    "caption_pedestrian": "Stands.",
                    "caption_vehicle": "Stops.",
                }
            ],
        }
        write(wts_file(tmp_path, split, f"{split}1", "caption"), caption)
    _, report = convert_tree(tmp_path, tmp_path, splits=("train", "val"), tasks=("environment", "caption"), **data)
    return report


def test_captions_are_for_training_unless_the_spec_says_all(tmp_path):
    report = captions(tmp_path)
    tasks = {split: {t: c["entries"] for t, c in part["tasks"].items()} for split, part in report["splits"].items()}
    assert tasks == {"train": {"environment": 1, "caption": 2}, "val": {"environment": 1}}
    train = list(read_questions(tmp_path / "train.json"))
    assert [(e.answer, e.options, e.phase) for e in train if e.type == "caption"] == [
        ("Stands.", {}, "avoidance"),
        ("Stops.", {}, "avoidance"),
    ]
    assert len({e.id for e in train}) == 3
    tasks = captions(tmp_path, captions="all")["splits"]["val"]["tasks"]
    assert {task: counts["entries"] for task, counts in tasks.items()} == {"environment": 1, "caption": 2}
    val = [entry for entry in read_questions(tmp_path / "val.json") if entry.type == "caption"]
    assert [(e.correct, e.phase, e.group) for e in val] == [
        ("Stands.", "avoidance", "caption of the pedestrian"),
        ("Stops.", "avoidance", "caption of the vehicle"),
    ]


def test_bdd_mixes_with_wts(tmp_path):
    """Both layouts of its annotations; media are then relative to the root."""
    base = tmp_path / "external/BDD_PC_5K/annotations"
    scenario(tmp_path, "train", "s1")
    write(
        base / "vqa/train/video10.json",
        {"video_name": "video10.mp4", "event_phase": [phase("0", "2", "action")]},
    )
    for view, body in (
        ("environment", {"environment": [mcq()]}),
        ("vehicle_view", {"event_phase": [phase("0", "2")]}),
        ("overhead_view", {"event_phase": [phase("0", "2")]}),
    ):
        write(base / f"vqa/train/video1/{view}/video1.json", [{"id": 9, "videos": ["video1.mp4"]} | body])
    write(
        base / "train/video1_caption.json",
        {
            "video_name": "video1",
            "event_phase": [{"start_time": "0", "end_time": "2", "labels": ["0"], "caption_pedestrian": "Walks."}],
        },
    )
    entries, report = convert_tree(tmp_path, tmp_path, tasks=("environment", "bdd_vqa", "bdd_caption"))
    videos = [entry["video"] for entry in entries]
    assert videos == sorted(videos) and len({entry["id"] for entry in entries}) == len(entries) == 6
    assert set(videos) == {
        "external/BDD_PC_5K/videos/train/video1.mp4",
        "external/BDD_PC_5K/videos/train/video10.mp4",
        "videos/train/s1/overhead_view/s1_Camera1_0.mp4",
    }
    assert {t: c["entries"] for t, c in report["splits"]["train"]["tasks"].items()} == {
        "bdd_caption": 1,
        "bdd_vqa": 4,
        "environment": 1,
    }
    data = Data(root=str(tmp_path), tasks=["environment", "bdd_vqa"])
    assert catalog.media_root(data, "train") == str(tmp_path)
    assert len(catalog.input_files(data, "train")) == 5
