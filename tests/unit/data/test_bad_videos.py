"""Videos that can't be used, and windows without frames: left out with a reason, or the run stops."""

import json
import random
from pathlib import Path

import pytest

from roadtrain.cli import UserError
from roadtrain.data.audit_table import audit_table
from roadtrain.data.convert import NotGoodEnough, Rules
from roadtrain.frames.probe import Video
from support.annotations import mcq, phase, video, write, wts_file
from support.conversion import convert_tree
from support.programs import run_program


@pytest.fixture
def videos(tmp_path):
    """Two splits with real clips; validation has one of every kind of bad ones."""
    root = tmp_path / "wts"
    cameras = ["good", "missing", "empty", "garbage", "cut", "short", "narrow", "folder", "audio", "variable"]
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
    video(clips / "val_narrow.mp4", size=(404, 2))
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
    entries, report = convert_tree(videos, tmp_path, splits=("train", "val"), rules=rules)
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
        "narrow": "too-narrow",
        "folder": "unreadable",
        "audio": "unreadable",
    }
    file = str(videos / "annotations/vqa/val/val1/environment/val1.json")
    assert all((item["file"], item["path"]) == (file, "[0].environment") for item in part["left_out"]["listed"])
    assert part["left_out"]["total"] == 16 and part["questions"] == 4
    assert [item["video"] for item in part["variable_frame_rate"]["listed"]] == ["val1/overhead_view/val_variable.mp4"]
    assert part["videos"]["resolutions"] == {"64x48": 1, "96x64": 1} and part["videos"]["bad"] == 8
    assert r"val\_empty.mp4: zero bytes" in audit_table(report)
    assert "404x2: sides may differ by a factor of 200 at most" in json.dumps(report)


def test_on_bad_video_fail_names_the_first(videos, tmp_path):
    with pytest.raises(UserError, match=r"val_audio|val_cut|val_missing") as caught:
        convert_tree(videos, tmp_path, splits=("val",), rules=Rules(on_bad_video="fail"))
    assert "val1.json [0].environment" in str(caught.value)
    assert not (tmp_path / "val.json").exists()


def test_too_many_bad_videos_stop_and_leave_the_audit(videos, tmp_path):
    out = [f"--{split}={tmp_path}/{split}.json" for split in ("train", "val")]
    process = run_program(
        "convert_annotations.py",
        "--root",
        videos,
        *out,
        "--audit",
        tmp_path / "audit.json",
        "--table",
        tmp_path / "audit.md",
    )
    assert (
        process.returncode == 1
        and "8 of 10 videos are bad (80.0%)" in process.stderr
        and "Traceback" not in process.stderr
    )
    failed = json.loads((tmp_path / "audit.failed.json").read_text())
    assert failed["splits"]["val"]["bad_videos"]["total"] == 8
    assert r"val\_empty.mp4: zero bytes" in (tmp_path / "audit.failed.md").read_text()
    assert not (tmp_path / "audit.md").exists()
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["audit.failed.json"]
    more = ["--max-bad-fraction", "0.9", "--audit", tmp_path / "audit.json", "--table", tmp_path / "audit.md"]
    assert run_program("convert_annotations.py", "--root", videos, *out, *more).returncode == 0
    assert not list(tmp_path.glob("audit.failed.*")), "an earlier try's audit would be read as today's"


def test_max_bad_fraction_is_the_largest_share_that_passes(videos, tmp_path):
    convert_tree(videos, tmp_path / "a", splits=("val",), rules=Rules(max_bad_fraction=0.8))
    with pytest.raises(NotGoodEnough, match=r"8 of 10 videos are bad \(80\.0%\), more than max_bad_fraction 0\.79"):
        convert_tree(videos, tmp_path / "b", splits=("val",), rules=Rules(max_bad_fraction=0.79))


def test_exists_only_looks_for_the_file(videos, tmp_path):
    _, report = convert_tree(videos, tmp_path, splits=("val",), rules=Rules(check="exists", max_bad_fraction=1))
    assert report["splits"]["val"]["bad_videos"]["kinds"] == {"empty": 1, "missing": 1, "unreadable": 1}


def test_a_window_without_two_frames_is_left_out(tmp_path):
    """qwen-vl-utils refuses such a window; what reaches beyond the end is cut there, as it does."""
    video(tmp_path / "videos/train/s1/overhead_view/c.mp4", frames=20, fps=10)
    windows = [phase("0", "1"), phase("1.95", "3"), phase("5", "6"), phase("1", "9"), phase("0.51", "0.62")]
    record = {"id": 3, "overhead_videos": ["c.mp4"], "event_phase": windows}
    write(wts_file(tmp_path, "train", "s1", "overhead_view"), [record])
    entries, report = convert_tree(tmp_path, tmp_path, tasks=("overhead_view",), rules=Rules())
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

    from roadtrain.frames.probe import window_fault

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
