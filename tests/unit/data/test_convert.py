"""Annotations -> LLaVA JSON and audit: what scripts/convert_annotations.py promises."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import tracemalloc
from itertools import count, pairwise
from pathlib import Path

import pytest

from dev import bench_convert
from roadtrain.cli import UserError
from roadtrain.data import chunks
from roadtrain.data.audit_table import audit_table
from roadtrain.data.compact import hash64
from roadtrain.data.convert import NotGoodEnough, Rules, SplitJob, convert
from roadtrain.data.llava import entry_json, multiple_choice, read_questions
from roadtrain.data.sources import catalog
from roadtrain.data.sources.mcq import Mcq
from roadtrain.data.sources.wts import Wts
from roadtrain.frames.probe import Video
from roadtrain.media import Clip, Medium
from roadtrain.spec.data import Data
from support.annotations import environment, mcq, phase, scenario, video, write, wts_file

PROGRAM = Path(bench_convert.__file__).parents[1] / "convert_annotations.py"
NO_VIDEOS = Rules(check="none")


def run(root: Path, out: Path, *, splits=("train",), rules=NO_VIDEOS, workers=1, tasks=("environment",), **data):
    """(entries of the last split, audit report)."""
    section = Data(root=str(root), tasks=list(tasks), **data) if "source" not in data else Data(root=str(root), **data)
    jobs = [SplitJob(split, catalog.open_source(section, split), str(out / f"{split}.json")) for split in splits]
    audit = convert(jobs, rules, workers)
    return json.loads((out / f"{splits[-1]}.json").read_text()), audit.report()


def program(*args) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, PROGRAM, *map(str, args)], capture_output=True, text=True)


# ------------------------------------------------------------------------------------------ the recipe's bytes
def test_the_same_entries_as_the_plain_approach(tmp_path):
    """Key for key, byte for byte, before what we add: only the order differs, ours is sorted."""
    bench_convert.write_tree(tmp_path / "wts", 3000)
    bench_convert.plain(tmp_path / "wts", tmp_path / "plain.json")
    ours, _ = run(tmp_path / "wts", tmp_path)
    plain = json.loads((tmp_path / "plain.json").read_text())
    assert all(list(entry)[-2:] == ["question", "options"] for entry in ours)
    text = {entry["id"]: json.dumps(dict(list(entry.items())[:-2])) for entry in ours}
    assert text == {entry["id"]: json.dumps(entry) for entry in plain} and len(text) == len(plain) == len(ours)
    assert all(one["video"] <= other["video"] for one, other in pairwise(ours))


def test_a_line_is_what_json_writes(tmp_path):
    """Text with quotes, line breaks, control characters and other alphabets."""
    rows = [mcq('Is "it" wet?\n\t\\ \x00 \x7f 道路 \u2028', ("Yes \x01", "No\r"), "b")]
    scenario(tmp_path, "train", "normal_trimmed/s 1", rows=rows, id=12)
    run(tmp_path, tmp_path)
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
    )
    lines = (tmp_path / "train.json").read_text().split("\n")
    assert lines[0] == "[" and lines[1] == json.dumps(expected, ensure_ascii=False) and lines[2:] == ["]", ""]


def test_every_camera_gets_the_questions_and_ids_are_unique(tmp_path):
    scenario(tmp_path, "train", "s1", rows=[mcq("One?"), mcq("Two?")], cameras=4)
    entries, report = run(tmp_path, tmp_path)
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
    entries, _ = run(tmp_path, tmp_path, tasks=("overhead_view", "vehicle_view"))
    assert [(e["video"], e["type"], e["phase"], e["video_start"], e["video_end"]) for e in entries] == [
        ("s1/overhead_view/c.mp4", "overhead_view", "prerecognition", 1.5, 4.0),
        ("s1/overhead_view/c.mp4", "overhead_view", "avoidance", 4.0, 6.25),
        ("s1/vehicle_view/v.mp4", "vehicle_view", "recognition", 0.0, 1.0),
    ]
    read = list(read_questions(tmp_path / "train.json"))
    assert [entry.clip for entry in read][0] == Clip((Medium("s1/overhead_view/c.mp4", 1.5, 4.0),))


def test_captions_are_for_training_only(tmp_path):
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
    _, report = run(tmp_path, tmp_path, splits=("train", "val"), tasks=("environment", "caption"))
    tasks = {split: {t: c["entries"] for t, c in part["tasks"].items()} for split, part in report["splits"].items()}
    assert tasks == {"train": {"environment": 1, "caption": 2}, "val": {"environment": 1}}
    train = list(read_questions(tmp_path / "train.json"))
    assert [(e.answer, e.options, e.phase) for e in train if e.type == "caption"] == [
        ("Stands.", {}, "avoidance"),
        ("Stops.", {}, "avoidance"),
    ]
    assert len({e.id for e in train}) == 3


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
    entries, report = run(tmp_path, tmp_path, tasks=("environment", "bdd_vqa", "bdd_caption"))
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


# ------------------------------------------------------------------------------------------ determinism
def test_same_bytes_whatever_the_workers_and_the_order_on_disk(tmp_path):
    names = [f"s{n}" for n in range(300)] + [f"normal_trimmed/n{n}" for n in range(40)]
    outputs = []
    for number, workers in enumerate((1, 3)):
        root = tmp_path / str(number)
        random.Random(number).shuffle(names)
        for name in names:
            for split in ("train", "val"):
                scenario(
                    root,
                    split,
                    f"{name}{split}",
                    rows=[mcq(f"Is it {name}?"), mcq()],
                    cameras=1 + len(name) % 3,
                )
        os.chdir(root)  # the audit names files as they were given
        run(Path("."), root / "out", splits=("train", "val"), workers=workers)
        args = [
            "--root",
            ".",
            "--check-videos",
            "none",
            "--workers",
            workers,
            "--audit",
            root / "out/audit.json",
        ]
        assert program(*args, "--train", "out/t.json", "--val", "out/v.json", "--table", "out/a.md").returncode == 0
        outputs.append({path.name: path.read_bytes() for path in (root / "out").iterdir()})
    os.chdir(tmp_path)
    assert outputs[0].keys() == {"train.json", "val.json", "audit.json", "t.json", "v.json", "a.md"}
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("source", ["llava", "mcq"])
def test_rows_keep_their_order_and_bytes_whatever_the_workers(source, tmp_path):
    rows = [f"v{n % 50}.mp4,Is it {n}?,yes,no,{'ab'[n % 2]}" for n in range(5000)]
    text = "video,question,a,b,answer\n" + "\n".join(rows) + "\n"
    name = "t.csv"
    if source == "llava":
        name, conversations = (
            "t.jsonl",
            [{"from": "human", "value": "<video>Say"}, {"from": "gpt", "value": "it"}],
        )
        text = "".join(
            json.dumps({"video": f"v{n % 50}.mp4", "conversations": conversations}) + "\n" for n in range(5000)
        )
    write(tmp_path / name, text)
    made = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        entries, report = run(tmp_path, out, workers=workers, source=source, files={"train": name, "val": name})
        made.append(((out / "train.json").read_bytes(), report))
        assert [e["video"] for e in entries] == [f"v{n % 50}.mp4" for n in range(5000)]
    assert made[0] == made[1]
    assert made[0][1]["splits"]["train"]["tasks"][source]["videos"] == 50


def test_a_pretty_printed_list_is_read_piece_by_piece(tmp_path, monkeypatch):
    """Wherever the pieces are cut."""
    from roadtrain.data.sources import rows

    values = [{"a": [1, {"b": "x]},{["}], "n": n} for n in range(40)] + [12345, "ü", None, True]
    file = write(tmp_path / "a.json", "\ufeff \n" + json.dumps(values, indent=4, ensure_ascii=False) + "\n\n")
    for piece in (1, 2, 3, 7, 64, 1 << 20):
        monkeypatch.setattr(rows, "_PIECE", piece)
        assert [value for _, value in rows.read_records(str(file))] == values


# ------------------------------------------------------------------------------------------ videos
@pytest.fixture
def videos(tmp_path):
    """Two splits with real clips; validation has one of every kind of bad ones."""
    root = tmp_path / "wts"
    cameras = ["good", "missing", "empty", "garbage", "cut", "short", "folder", "audio", "variable"]
    for split in ("train", "val"):
        names = [f"{split}_{name}.mp4" for name in (cameras if split == "val" else ["good"])]
        write(
            wts_file(root, split, f"{split}1"),
            [{"id": 1, "overhead_videos": names, "environment": [mcq(), mcq("Two?")]}],
        )
    clips = root / "videos/val/val1/overhead_view"
    video(root / "videos/train/train1/overhead_view/train_good.mp4", shade=3)
    video(clips / "val_good.mp4", size=(96, 64), fps=8)
    video(clips / "val_variable.mp4", step=4)
    video(clips / "val_short.mp4", frames=1)
    write(clips / "val_empty.mp4", b"")
    write(clips / "val_garbage.mp4", b"no video at all" * 100)
    (clips / "val_folder.mp4").mkdir()
    write(clips / "val_cut.mp4", faststart(video(tmp_path / "whole.mp4", frames=200))[:-2000])
    write(clips / "val_audio.mp4", (clips / "val_good.mp4").read_bytes().replace(b"vide", b"soun"))
    return root


def faststart(path: Path) -> bytes:
    """The file with its index in front, so that cutting the end leaves a readable header."""
    import av

    to = path.with_name("fast.mp4")
    with av.open(str(path)) as source, av.open(str(to), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return to.read_bytes()


def test_bad_videos_are_left_out_with_file_place_and_reason(videos, tmp_path):
    rules = Rules(max_bad_fraction=1)
    entries, report = run(videos, tmp_path, splits=("train", "val"), rules=rules)
    assert {entry["video"] for entry in entries} == {
        "val1/overhead_view/val_good.mp4",
        "val1/overhead_view/val_variable.mp4",
    }
    part = report["splits"]["val"]
    kinds = {Path(item["video"]).stem.removeprefix("val_"): item["kind"] for item in part["bad_videos"]["listed"]}
    assert kinds == {
        "missing": "missing",
        "empty": "empty",
        "garbage": "unreadable",
        "cut": "truncated",
        "short": "too-short",
        "folder": "unreadable",
        "audio": "unreadable",
    }
    file = str(videos / "annotations/vqa/val/val1/environment/val1.json")
    assert all((item["file"], item["path"]) == (file, "[0].environment") for item in part["left_out"]["listed"])
    assert part["left_out"]["total"] == 14 and part["questions"] == 4
    assert [item["video"] for item in part["variable_frame_rate"]["listed"]] == ["val1/overhead_view/val_variable.mp4"]
    assert part["videos"]["resolutions"] == {"64x48": 1, "96x64": 1} and part["videos"]["bad"] == 7
    assert "val_empty.mp4: zero bytes" in audit_table(report)


def test_on_bad_video_fail_names_the_first(videos, tmp_path):
    with pytest.raises(UserError, match=r"val_audio|val_cut|val_missing") as caught:
        run(videos, tmp_path, splits=("val",), rules=Rules(on_bad_video="fail"))
    assert "val1.json [0].environment" in str(caught.value)
    assert not (tmp_path / "val.json").exists()


def test_too_many_bad_videos_stop_and_leave_the_audit(videos, tmp_path):
    out = [f"--{split}={tmp_path}/{split}.json" for split in ("train", "val")]
    done = program("--root", videos, *out, "--audit", tmp_path / "audit.json", "--table", tmp_path / "audit.md")
    assert done.returncode == 1 and "7 of 9 videos are bad (77.8%)" in done.stderr and "Traceback" not in done.stderr
    failed = json.loads((tmp_path / "audit.failed.json").read_text())
    assert failed["splits"]["val"]["bad_videos"]["total"] == 7
    assert "val_empty.mp4: zero bytes" in (tmp_path / "audit.failed.md").read_text()
    assert not (tmp_path / "audit.md").exists()
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["audit.failed.json"]


def test_max_bad_fraction_is_the_largest_share_that_passes(videos, tmp_path):
    run(videos, tmp_path / "a", splits=("val",), rules=Rules(max_bad_fraction=0.78))
    with pytest.raises(NotGoodEnough, match=r"7 of 9 videos are bad \(77\.8%\), more than max_bad_fraction 0\.77"):
        run(videos, tmp_path / "b", splits=("val",), rules=Rules(max_bad_fraction=0.77))


def test_exists_only_looks_for_the_file(videos, tmp_path):
    _, report = run(videos, tmp_path, splits=("val",), rules=Rules(check="exists", max_bad_fraction=1))
    assert report["splits"]["val"]["bad_videos"]["kinds"] == {"empty": 1, "missing": 1, "unreadable": 1}


def test_a_window_without_two_frames_is_left_out(tmp_path):
    """qwen-vl-utils refuses such a window; what reaches beyond the end is cut there, as it does."""
    video(tmp_path / "videos/train/s1/overhead_view/c.mp4", frames=20, fps=10)
    windows = [phase("0", "1"), phase("1.95", "3"), phase("5", "6"), phase("1", "9"), phase("0.51", "0.62")]
    record = {"id": 3, "overhead_videos": ["c.mp4"], "event_phase": windows}
    write(wts_file(tmp_path, "train", "s1", "overhead_view"), [record])
    entries, report = run(tmp_path, tmp_path, tasks=("overhead_view",), rules=Rules())
    assert [entry["video_start"] for entry in entries] == [0.0, 1.0]
    left_out = report["splits"]["train"]["left_out"]["listed"]
    assert [item["path"].split(".")[1] for item in left_out] == [
        "event_phase[1]",
        "event_phase[2]",
        "event_phase[4]",
    ]
    assert "less than two frames of 2.00 s" in left_out[0]["reason"]


def test_windows_agree_with_qwen_vl_utils(tmp_path):
    from roadtrain import torchvision_cpu

    torchvision_cpu.ensure()
    from qwen_vl_utils.vision_process import calculate_video_frame_range

    from roadtrain.frames.probe import Video, window_fault

    rng = random.Random(1)
    faults = 0
    for _ in range(500):
        frames, fps = rng.randint(2, 60), rng.choice([8, 12.5, 29.97, 30])
        start, end = sorted(round(rng.uniform(0, 1.2 * frames / fps), 3) for _ in range(2))
        try:
            calculate_video_frame_range({"video_start": start, "video_end": end}, frames, fps)
            fine = True
        except ValueError:
            fine = False
        faults += not fine
        assert (window_fault(Video(8, 8, frames, fps, "h264", False), start, end) is None) == fine, (
            frames,
            fps,
            start,
            end,
        )
    assert 50 < faults < 450


def test_histograms_are_the_same_whatever_the_workers(tmp_path, monkeypatch):
    """Probed in several processes, a scenario a chunk; the audit's bytes are those of one."""
    from roadtrain.data import convert as module

    monkeypatch.setattr(module, "UNITS_A_CHUNK", 1)
    kinds = [(10, 10, (64, 48)), (30, 10, (96, 64)), (16, 8, (64, 48)), (20, 10, (64, 48))]  # frames, a second, size
    for n in range(8):
        frames, fps, size = kinds[n % 4]
        scenario(tmp_path, "train", f"s{n}")
        video(
            tmp_path / f"videos/train/s{n}/overhead_view/s{n}_Camera1_0.mp4", frames=frames, fps=fps, size=size, shade=n
        )
    made = [run(tmp_path, tmp_path / f"out{workers}", rules=Rules(), workers=workers) for workers in (1, 2)]
    assert made[0] == made[1]
    found = made[0][1]["splits"]["train"]["videos"]
    assert found["resolutions"] == {"64x48": 6, "96x64": 2} and found["durations"] == {"1-2 s": 2, "2-5 s": 6}
    assert found["frame_rates"] == {"10.00": 6, "8.00": 2} and found["mean_seconds"] == 2.0 and found["good"] == 8


# ------------------------------------------------------------------------------------------ what needs a look
def test_duplicates_are_left_out_and_counted_nowhere(tmp_path):
    """In one file, and the same video name in two scenarios far apart (another chunk)."""
    write(
        wts_file(tmp_path, "train", "s000"),
        [{"id": 1, "overhead_videos": ["x.mp4", "x.mp4"], "environment": [mcq(), mcq("B?")]}],
    )
    for n in range(1, 300):
        scenario(tmp_path, "train", f"s{n:03}")
    write(
        wts_file(tmp_path, "train", "s300"),
        [{"id": 1, "overhead_videos": ["x.mp4"], "environment": [mcq("C?")]}],
    )
    entries, report = run(tmp_path, tmp_path)
    part = report["splits"]["train"]
    assert len(entries) == part["questions"] == part["tasks"]["environment"]["entries"] == 301
    assert len({entry["id"] for entry in entries}) == 301
    assert [item["reason"] for item in part["left_out"]["listed"]] == ["duplicate id x_0: the first one is kept"] * 2
    assert part["left_out"]["total"] == 3
    assert "C?" not in part["tasks"]["environment"]["by_question"]


def test_contradictions_are_reported_in_words(tmp_path):
    """Letters may differ when the options are in another order; the answer's words may not."""
    same = [mcq("Wet?", ("Yes", "No"), "a"), mcq("Wet?", ("No", "Yes"), "b")]
    scenario(tmp_path, "train", "s1", rows=same)
    scenario(tmp_path, "train", "s2", rows=[*same, mcq("Wet?", ("Yes", "No"), "b")])
    _, report = run(tmp_path, tmp_path)
    listed = report["splits"]["train"]["contradictions"]["listed"]
    assert [(Path(item["file"]).stem, item["path"]) for item in listed] == [("s2", "[0].environment[2]")]
    assert "'Yes' before and is 'No' here" in listed[0]["reason"]


def test_contradictions_of_rows_are_found_wherever_they_stand(tmp_path):
    rows = [f"v{n}.mp4,Is it wet?,yes,no,a" for n in range(3000)] + [
        "v7.mp4,Is it wet?,no,yes,b",
        "v8.mp4,Is it wet?,no,yes,a",
    ]
    write(tmp_path / "t.csv", "video,question,a,b,answer\n" + "\n".join(rows))
    _, report = run(tmp_path, tmp_path, source="mcq", files={"train": "t.csv", "val": "t.csv"}, workers=2)
    listed = report["splits"]["train"]["contradictions"]["listed"]
    assert [item["path"] for item in listed] == ["line 3003"]


def test_scenarios_and_videos_in_two_splits_are_leaks(tmp_path):
    root = tmp_path / "wts"
    for split, names in (("train", ["both", "t"]), ("val", ["both", "normal_trimmed/v"])):
        for name in names:
            scenario(root, split, name)
            stem = name.rsplit("/", 1)[-1]
            shade = {"t": 0, "v": 40}.get(stem, 5 if split == "train" else 90)
            video(root / f"videos/{split}/{name}/overhead_view/{stem}_Camera1_0.mp4", shade=shade)
    folder = (
        root / "videos"
    )  # one recording under two names: x264 writes one clip in 200 with other bytes, even with one thread
    shutil.copy(
        folder / "train/t/overhead_view/t_Camera1_0.mp4", folder / "val/normal_trimmed/v/overhead_view/v_Camera1_0.mp4"
    )
    _, report = run(root, tmp_path, splits=("train", "val"), rules=Rules())
    assert [(item["name"], item["reason"]) for item in report["leaks"]["listed"]] == [
        ("both", "this scenario is in train and val"),
        (
            "t/overhead_view/t_Camera1_0.mp4",
            "this video of train is normal_trimmed/v/overhead_view/v_Camera1_0.mp4 of val",
        ),
    ]
    with pytest.raises(NotGoodEnough, match="both: this scenario is in train and val"):
        run(root, tmp_path / "b", splits=("train", "val"), rules=Rules(on_leak="fail"))
    done = program(
        "--root",
        root,
        f"--train={tmp_path}/t.json",
        f"--val={tmp_path}/v.json",
        "--audit",
        tmp_path / "a.json",
    )
    assert done.returncode == 0 and "validation isn't unseen" in done.stderr


def test_scenarios_without_a_file_are_counted(tmp_path):
    scenario(tmp_path, "train", "s1")
    write(wts_file(tmp_path, "train", "normal_trimmed/s2", "overhead_view"), [])
    write(wts_file(tmp_path, "train", "s3"), [])
    _, report = run(tmp_path, tmp_path)
    assert report["splits"]["train"]["scenarios_without"] == {
        "environment": {"total": 2, "scenarios": ["normal_trimmed/s2", "s3"]}
    }


def test_counts_of_the_audit(tmp_path):
    scenario(tmp_path, "train", "s1", rows=[mcq("A?", "xy", "b"), mcq("B?", "xyz", "c")], cameras=2)
    scenario(tmp_path, "train", "s2", rows=[mcq("A?", "yx", "b")])
    _, report = run(tmp_path, tmp_path)
    counts = report["splits"]["train"]["tasks"]["environment"]
    assert counts == {
        "scenarios": 2,
        "videos": 3,
        "entries": 5,
        "options": {"2": 3, "3": 2},
        "letters": {"B": 3, "C": 2},
        "letters_by_options": {"2": {"B": 3}, "3": {"C": 2}},
        "phases": {"full_video": 5},
        "distinct_questions": 2,
        "by_question": {"A?": 3, "B?": 2},
        "question_types": {"other": 5},
    }


# ------------------------------------------------------------------------------------------ one line
@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda root: shutil.rmtree(root), "no WTS here"),
        (lambda root: shutil.rmtree(root / "annotations/vqa/val"), "annotations/vqa/val: no such folder"),
        (lambda root: shutil.rmtree(root / "annotations/vqa/val/v1"), "val: no questions: no annotation file"),
        (lambda root: write(wts_file(root, "val", "v1"), []), "val: no questions: no annotation file"),
        (lambda root: wts_file(root, "val", "v1").write_text("{"), "v1.json: not valid JSON"),
        (lambda root: write(wts_file(root, "val", "v1"), environment("../v1")), "refused"),
    ],
)
def test_a_users_mistake_is_one_line(prepare, says, tmp_path):
    root = tmp_path / "wts"
    scenario(root, "train", "t1")
    scenario(root, "val", "v1")
    prepare(root)
    done = program(
        "--root",
        root,
        f"--train={tmp_path}/t.json",
        f"--val={tmp_path}/v.json",
        "--audit",
        tmp_path / "a.json",
        "--check-videos",
        "none",
    )
    assert done.returncode == 1 and says in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--task", "weather"], "data.tasks.0"),
        (["--task", "caption"], "captions are for training only"),
        (["--max-bad-fraction", "2"], "data.max_bad_fraction"),
        (["--test", "x.json"], "data.files.test says where"),
        (["--data", '{"source": "mcq"}'], "files.train is missing"),
        (["--data", '{"roots": 1}'], "data.roots"),
    ],
)
def test_wrong_arguments_speak_the_specs_language(args, says, tmp_path):
    done = program("--root", tmp_path, "--train", tmp_path / "t.json", "--audit", tmp_path / "a.json", *args)
    assert done.returncode == 1 and says in done.stderr and "Traceback" not in done.stderr


# ------------------------------------------------------------------------------------------ for the Snakefile
def test_the_samples_files_are_known_before_it_is_rendered(tmp_path):
    data = Data(
        root=str(tmp_path),
        tasks=["environment", "overhead_view", "vehicle_view", "caption"],
        sample={"seed": 4, "train": 12, "val": 1},
    )
    import make_sample
    from roadtrain.sample.tree import SampleSpec

    expected = [catalog.input_files(data), catalog.video_files(data), catalog.input_files(data, "val")]
    make_sample.make_sample(SampleSpec(4, 12, 1), tmp_path, workers=2)
    there = data.model_copy(update={"sample": None})
    assert expected == [
        catalog.input_files(there),
        catalog.video_files(there),
        catalog.input_files(there, "val"),
    ]
    assert set(expected[0]) < set(catalog.sample_files(data)) and expected[2]


def test_planning_is_quick_and_loads_little():
    code = (
        "import sys; sys.path.insert(0, 'scripts'); from roadtrain.data.sources import catalog; from roadtrain.spec.data import Data;"
        "d = Data(sample={}); catalog.input_files(d); catalog.video_files(d);"
        "assert not {'torch', 'av', 'numpy', 'orjson_'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROGRAM.parents[1])


def test_memory_is_flat(tmp_path):
    """Ten times the questions, hardly more memory: the list of 80,000 entries alone would take 100 MiB."""
    peaks = []
    for size in (8_000, 80_000):
        root = tmp_path / str(size)
        bench_convert.write_tree(root, size)
        peaks.append(bench_convert.peak_mib("ours", root, tmp_path / f"out{size}", 1))
    assert peaks[1] < peaks[0] + 25, peaks


@pytest.mark.parametrize("source", ["wts", "mcq"])
def test_a_probed_video_takes_little_memory(source, tmp_path, monkeypatch):
    """60,000 videos: about 60 MB, whatever their number of questions."""
    probed = lambda path, *_: Video(1920, 1080, 75, 30.0, "h264", False, hash64(path))
    monkeypatch.setattr(chunks, "probe", probed)
    monkeypatch.setattr("roadtrain.data.convert.ROWS_A_CHUNK", 128)  # a chunk's own memory has a limit
    found = []
    for size in (300, 3000):
        root = tmp_path / str(size)
        if source == "wts":
            bench_convert.write_tree(root, 16 * size)
        else:
            write(
                root / "t.csv",
                "video,question,options,answer\n"
                + "".join(f"folder/v{n}.mp4,Is it wet?,Yes|No,A\n" for n in range(size)),
            )
        read = Wts(str(root)) if source == "wts" else Mcq({"train": str(root / "t.csv")}, str(root))
        tracemalloc.start()
        audit = convert([SplitJob("train", read, str(root / "out.json"))], Rules(), 1)
        found.append((audit.splits["train"].videos.good, tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()
    (few, least), (many, most) = found
    assert many >= 9 * few and most - least < 1500 * (many - few)


def test_a_progress_bar_appears_after_two_seconds(tmp_path, monkeypatch, capsys):
    bench_convert.write_tree(tmp_path / "wts", 3000)
    for step, said in ((0, None), (3, r"train: 100%.* 126/126 ")):
        clock = count(step=step)
        monkeypatch.setattr("roadtrain.data.convert.time.monotonic", lambda: next(clock))
        run(tmp_path / "wts", tmp_path)
        shown = capsys.readouterr().err
        assert re.search(said, shown) if said else not shown


def test_wts_objects_travel_to_workers():
    import pickle

    source = Wts("root", ("environment", "caption"), from_root=True)
    assert pickle.loads(pickle.dumps(source)) == source


@pytest.mark.parametrize("source", ["wts", "llava"])
def test_same_bytes_whatever_order_the_file_system_gives(source, tmp_path, monkeypatch):
    """Folders are listed in another order each time; also those of BDD_PC_5K, of the test and of media."""
    for n in range(12):
        scenario(tmp_path, "train", f"{'normal_trimmed/' if n % 3 == 0 else ''}s{n}", cameras=2)
        write(
            tmp_path / f"external/BDD_PC_5K/annotations/vqa/train/v{n}.json",
            {"video_name": f"v{n}.mp4", "environment": [mcq()]},
        )
        write(tmp_path / f"videos/test/s{n}/overhead_view/t{n}.mp4", b"x")
    test = [{"videos": [f"t{n}.mp4"], "conversations": [mcq(id=f"q{n}")]} for n in range(12)]
    turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "That."}]
    rows = [{"video": f"videos/test/s{n}/overhead_view/t{n}.mp4", "conversations": turns} for n in range(12)]
    write(tmp_path / "rows.json", rows)
    write(tmp_path / "test.json", test)
    data = {"tasks": ("environment", "bdd_vqa"), "files": {"test": "test.json"}, "splits": ("train", "test")}
    if source == "llava":
        data = {"source": "llava", "files": {"train": "rows.json", "val": "rows.json"}}
    made, listdir, scandir = [], os.listdir, os.scandir
    for seed in range(3):
        rng = random.Random(seed)

        def shuffled(items, rng=rng):
            return rng.sample(items, len(items))

        class Scan:  # os.walk goes by it too
            def __init__(self, path):
                self.items = iter(shuffled(list(scandir(path))))

            def __enter__(self):
                return self

            def __iter__(self):
                return self.items

            def __next__(self):
                return next(self.items)

            def __exit__(self, *_):
                return None

        with monkeypatch.context() as patch:
            patch.setattr(os, "listdir", lambda path: shuffled(listdir(path)))
            patch.setattr(os, "scandir", Scan)
            out = tmp_path.parent / f"{tmp_path.name}-{seed}"
            _, report = run(tmp_path, out, **data)
            section = Data(root=str(tmp_path), **{k: v for k, v in data.items() if k != "splits"})
            files = [catalog.input_files(section), catalog.video_files(section)]
        made.append(({path.name: path.read_bytes() for path in sorted(out.iterdir())}, report, files))
    assert made[0] == made[1] == made[2] and len(made[0][0]) == (2 if source == "wts" else 1)
