"""scripts/convert_annotations.py: a user's mistake is one line; memory is flat; progress is shown."""

import re
import shutil
import tracemalloc
from functools import partial
from itertools import count

import pytest

from dev import annotation_tree, bench_convert
from roadtrain.data import chunks
from roadtrain.data.compact import hash64
from roadtrain.data.convert import Rules, SplitJob, convert
from roadtrain.data.sources.mcq import Mcq
from roadtrain.data.sources.wts import Wts
from roadtrain.frames.probe import Video
from support.annotations import environment, scenario, write, wts_file
from support.conversion import convert_tree
from support.programs import run_program


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda root: shutil.rmtree(root), "no WTS here"),
        (lambda root: shutil.rmtree(root / "annotations/vqa/val"), "annotations/vqa/val: no such folder"),
        (lambda root: shutil.rmtree(root / "annotations/vqa/val/v1"), "val: no questions: no annotation file"),
        (lambda root: write(wts_file(root, "val", "v1"), []), "v1.json: holds no questions"),
        (lambda root: wts_file(root, "val", "v1").write_text("{"), "v1.json: not valid JSON"),
        (lambda root: write(wts_file(root, "val", "v1"), environment("../v1")), "refused"),
    ],
)
def test_a_users_mistake_is_one_line(prepare, says, tmp_path):
    root = tmp_path / "wts"
    scenario(root, "train", "t1")
    scenario(root, "val", "v1")
    prepare(root)
    process = run_program(
        "convert_annotations.py",
        "--root",
        root,
        f"--train={tmp_path}/t.json",
        f"--val={tmp_path}/v.json",
        "--audit",
        tmp_path / "a.json",
        "--check-videos",
        "none",
    )
    assert process.returncode == 1 and says in process.stderr, process.stderr
    assert len(process.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--task", "weather"], "data.tasks.0"),
        (["--task", "caption"], "captions have no accuracy to choose an epoch by"),
        (["--max-bad-fraction", "2"], "--max-bad-fraction: '2': Input should be less"),
        (["--test", "x.json"], "data.files.test says where"),
        (["--data", '{"source": "mcq"}'], "files.train is missing"),
        (["--data", '{"roots": 1}'], "data.roots"),
    ],
)
def test_wrong_arguments_speak_the_specs_language(args, says, tmp_path):
    process = run_program(
        "convert_annotations.py",
        "--root",
        tmp_path,
        "--train",
        tmp_path / "t.json",
        "--audit",
        tmp_path / "a.json",
        *args,
    )
    assert process.returncode == 1 and says in process.stderr and "Traceback" not in process.stderr


def test_memory_is_flat(tmp_path):
    """Ten times the questions, hardly more memory: the list of 80,000 entries alone would take 100 MiB."""
    peaks = []
    for size in (8_000, 80_000):
        root = tmp_path / str(size)
        annotation_tree.write_tree(root, size)
        peaks.append(bench_convert.peak_mib("ours", root, tmp_path / f"out{size}", 1))
    assert peaks[1] < peaks[0] + 25, peaks


@pytest.mark.parametrize("source", ["wts", "mcq"])
def test_a_probed_video_takes_little_memory(source, tmp_path, monkeypatch):
    """60,000 videos: about 60 MB, whatever their number of questions."""

    def probed(looking, root, name, kind):
        return None, Video(1920, 1080, 75, 30.0, "h264", False, hash64(name))

    for look in ("look_at", "look_at_once"):  # one for each kind of source
        monkeypatch.setattr(chunks, look, probed)
    monkeypatch.setattr("roadtrain.data.convert.ROWS_A_CHUNK", 128)  # a chunk's own memory has a limit
    peaks = []
    for size in (300, 3000):
        root = tmp_path / str(size)
        if source == "wts":
            annotation_tree.write_tree(root, 16 * size)
        else:
            write(
                root / "t.csv",
                "video,question,options,answer\n"
                + "".join(f"folder/v{n}.mp4,Is it wet?,Yes|No,A\n" for n in range(size)),
            )
        read = Wts(str(root)) if source == "wts" else Mcq({"train": str(root / "t.csv")}, str(root))
        tracemalloc.start()
        audit = convert([SplitJob("train", read, str(root / "out.json"))], Rules(), 1)
        peaks.append((audit.splits["train"].videos.good, tracemalloc.get_traced_memory()[1]))
        tracemalloc.stop()
    (few, least), (many, most) = peaks
    assert many >= 9 * few and most - least < 1500 * (many - few)


def test_a_progress_bar_appears_after_two_seconds(tmp_path, monkeypatch, capsys):
    annotation_tree.write_tree(tmp_path / "wts", 3000)
    for step, pattern in ((0, None), (3, r"train: 100%.* 126/126 ")):
        clock = count(step=step)
        monkeypatch.setattr("roadtrain.data.convert.time.monotonic", partial(next, clock))
        convert_tree(tmp_path / "wts", tmp_path)
        bar = capsys.readouterr().err
        assert re.search(pattern, bar) if pattern else not bar
