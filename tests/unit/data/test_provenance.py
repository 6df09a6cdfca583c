"""Which data sets a split comes from, as conversion counts it: what says that a checkpoint has seen synthetic data alone."""

import shutil

import pytest

from roadtrain.data.convert import Rules
from roadtrain.data.provenance import SYNTHETIC
from roadtrain.sample.tree import MARK
from support.annotations import environment, mcq, scenario, video, write
from support.conversion import convert_tree
from support.tar_tree import write_tar

TABLE = "video,question,options,answer\na.mp4,Which?,Red|Green,A\n"
NAME = "20230707_12_SN17_T1"  # SynWTS calls its scenarios as WTS does


def sets(root, split="train", **data):
    _, audit = convert_tree(root, root.parent, splits=(split,), **data)
    return audit["splits"][split]["sets"]


@pytest.fixture
def wts(tmp_path):
    root = tmp_path / "data"
    scenario(root, "train", NAME, cameras=2)
    return root


def test_wts_and_its_synthetic_twin_are_told_apart(wts):
    assert sets(wts) == {"WTS": {"synthetic": False, "questions": 2, "media": 2, "content": None}}
    assert sets(wts, source="synwts") == {"SynWTS": {"synthetic": True, "questions": 2, "media": 2, "content": None}}


def test_synwts_is_read_as_wts_is(tmp_path):
    """Its card: {split}/{scenario}/{view}/ below data/; the vehicle's video is called <scenario>_vehicle_view.mp4."""
    root = tmp_path / "synwts/data"
    scenario(root, "train", NAME)
    phases = [{"start_time": "0.0", "end_time": "1.0", "labels": ["judgement"], "conversations": [mcq("Where?")]}]
    record = [{"id": 7, "vehicle_view": f"{NAME}_vehicle_view.mp4", "event_phase": phases}]
    write(root / f"annotations/vqa/train/{NAME}/vehicle_view/{NAME}.json", record)
    tasks = ("environment", "vehicle_view")
    entries, audit = convert_tree(root, tmp_path, source="synwts", tasks=tasks)
    assert [entry["video"] for entry in entries] == [
        f"{NAME}/overhead_view/{NAME}_Camera1_0.mp4",
        f"{NAME}/vehicle_view/{NAME}_vehicle_view.mp4",
    ]
    assert list(audit["splits"]["train"]["sets"]) == ["SynWTS"]
    plain, _ = convert_tree(root, tmp_path, source="wts", tasks=tasks)
    assert plain == entries


def test_the_bundled_sample_is_no_wts(wts):
    write(wts / MARK, {})
    assert list(sets(wts)) == ["bundled sample"] and SYNTHETIC["bundled sample"] is True


@pytest.mark.parametrize("mark", [False, True])
def test_the_public_test_is_a_set_of_its_own_and_the_samples_is_none(mark, tmp_path):
    root = tmp_path / "data"
    row = {key: value for key, value in mcq(id="q-1").items() if key != "correct"}
    write(root / "test.json", [{"videos": [f"{NAME}_Camera1_0.mp4"], "conversations": [row]}])
    if mark:
        write(root / MARK, {})
    expected = "bundled sample" if mark else "WTS public test"
    assert list(sets(root, "test", files={"test": "test.json"})) == [expected]


def test_bdd_beside_wts_is_a_set_of_its_own(wts):
    folder = wts / "external/BDD_PC_5K/annotations/vqa/train"
    write(folder / "video1.json", [{"id": 1, "videos": ["video1.mp4"], "environment": [mcq()]}])
    counts = sets(wts, tasks=("environment", "bdd_vqa"))
    assert {name: part["questions"] for name, part in counts.items()} == {"BDD_PC_5K": 1, "WTS": 2}


def test_tars_parts_are_counted_apart(tmp_path):
    root = write_tar(tmp_path / "tar", 4, ("bcq", "open_qa"))
    counts = sets(root, source="tar", tasks=("bcq", "open_qa"))
    assert {name: (part["questions"], part["media"]) for name, part in counts.items()} == {
        "TAR: Set0": (4, 2),
        "TAR: Set1": (4, 2),
    }


def test_own_data_are_of_no_known_set(tmp_path):
    write(tmp_path / "d/t.csv", TABLE)
    counts = sets(tmp_path / "d", source="mcq", files={"train": "t.csv", "val": "t.csv"})
    assert counts == {"own data": {"synthetic": None, "questions": 1, "media": 1, "content": None}}


def test_the_content_is_that_of_the_good_media(tmp_path):
    """Named and placed otherwise the same files are the same; another file is another, and a broken one counts for nothing."""
    root, rules = tmp_path / "one", Rules(max_bad_fraction=1)
    write(root / f"annotations/vqa/train/{NAME}/environment/{NAME}.json", environment(NAME, cameras=2))
    clip = video(root / f"videos/train/{NAME}/overhead_view/{NAME}_Camera1_0.mp4")
    bad = write(root / f"videos/train/{NAME}/overhead_view/{NAME}_Camera2_1.mp4", b"broken")
    first = sets(root, rules=rules)["WTS"]
    assert (first["questions"], first["media"], len(first["content"])) == (1, 1, 16)
    other = tmp_path / "other"
    write(other / "annotations/vqa/train/b/environment/b.json", environment("b"))
    (other / "videos/train/b/overhead_view").mkdir(parents=True)
    shutil.copy(clip, other / "videos/train/b/overhead_view/b_Camera1_0.mp4")
    assert sets(other, rules=rules)["WTS"]["content"] == first["content"]
    shutil.copy(video(tmp_path / "x.mp4", shade=90), bad)
    assert sets(root, rules=rules)["WTS"]["content"] != first["content"]


def test_the_counts_do_not_depend_on_processes(wts):
    for n in range(70):  # more than a chunk
        scenario(wts, "train", f"s{n}")
    one, two = (convert_tree(wts, wts.parent, workers=workers)[1]["splits"]["train"]["sets"] for workers in (1, 2))
    assert one == two and one["WTS"]["questions"] == 72
