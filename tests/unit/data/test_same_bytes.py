"""The same files, the same bytes: whatever the workers, the order on disk and the pieces that are read."""

import json
import os
import random
from pathlib import Path

import pytest

from roadtrain.data.convert import Rules
from roadtrain.data.sources import catalog
from roadtrain.data.sources.wts import Wts
from roadtrain.spec.data import Data
from support.annotations import mcq, scenario, video, write
from support.conversion import convert_tree
from support.programs import run_program


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
        convert_tree(Path("."), root / "out", splits=("train", "val"), workers=workers)
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
        args += ["--train", "out/t.json", "--val", "out/v.json", "--table", "out/a.md"]
        assert run_program("convert_annotations.py", *args, cwd=root).returncode == 0
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
    results = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        entries, report = convert_tree(
            tmp_path, out, workers=workers, source=source, files={"train": name, "val": name}
        )
        results.append(((out / "train.json").read_bytes(), report))
        assert [e["video"] for e in entries] == [f"v{n % 50}.mp4" for n in range(5000)]
    assert results[0] == results[1]
    assert results[0][1]["splits"]["train"]["tasks"][source]["videos"] == 50


def test_a_pretty_printed_list_is_read_piece_by_piece(tmp_path, monkeypatch):
    """Wherever the pieces are cut."""
    from roadtrain.data.sources import rows

    values = [{"a": [1, {"b": "x]},{["}], "n": n} for n in range(40)] + [12345, "ü", None, True]
    file = write(tmp_path / "a.json", "\ufeff \n" + json.dumps(values, indent=4, ensure_ascii=False) + "\n\n")
    for piece in (1, 2, 3, 7, 64, 1 << 20):
        monkeypatch.setattr(rows, "_PIECE", piece)
        assert [value for _, value in rows.read_records(str(file))] == values


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
    results = [convert_tree(tmp_path, tmp_path / f"out{workers}", rules=Rules(), workers=workers) for workers in (1, 2)]
    assert results[0] == results[1]
    counts = results[0][1]["splits"]["train"]["videos"]
    assert counts["resolutions"] == {"64x48": 6, "96x64": 2} and counts["durations"] == {"1-2 s": 2, "2-5 s": 6}
    assert counts["frame_rates"] == {"10.00": 6, "8.00": 2} and counts["mean_seconds"] == 2.0 and counts["good"] == 8


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
    results, listdir, scandir = [], os.listdir, os.scandir
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
            _, report = convert_tree(tmp_path, out, **data)
            section = Data(root=str(tmp_path), **{k: v for k, v in data.items() if k != "splits"})
            files = catalog.input_files(section)
        results.append(({path.name: path.read_bytes() for path in sorted(out.iterdir())}, report, files))
    assert results[0] == results[1] == results[2] and len(results[0][0]) == (2 if source == "wts" else 1)


def test_wts_objects_travel_to_workers():
    import pickle

    source = Wts("root", ("environment", "caption"), from_root=True)
    assert pickle.loads(pickle.dumps(source)) == source
