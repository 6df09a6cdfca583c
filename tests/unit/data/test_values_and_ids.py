"""Values of annotations that could mean two things are refused with both places: times, options, ids; and all outputs of a
conversion appear, or none."""

import json
import re

import pytest

from roadtrain.data.convert import Rules
from support.annotations import environment, mcq, phase, scenario, write
from support.conversion import convert_tree
from support.programs import run_program
from support.refusals import SKIP, TURNS, entry, llava, public_test, refused, wts


# ------------------------------------------------------------------------------------------------ values
@pytest.mark.parametrize("seconds", ["1_0", "٣", "0x10", "1:30", "True", " ", "1e9", 1_700_000_000, True, "1e400", "5 s", [1]])  # fmt: skip
def test_what_is_no_time_is_refused(seconds, tmp_path):
    if str(seconds).strip():  # an empty one says nothing
        assert refused(llava, tmp_path, [entry(video_end=seconds)]).startswith("[0].video_end: expected seconds")
    record = {"id": 1, "overhead_videos": ["c.mp4"], "event_phase": [phase(0, seconds)]}
    assert refused(wts, tmp_path, [record], "overhead_view").startswith("[0].event_phase[0].end_time: expected seconds")


@pytest.mark.parametrize(("seconds", "value"), [("1.5", 1.5), (2, 2.0), (".5", 0.5), ("1e1", 10.0), (" 7. ", 7.0)])
def test_what_is_a_time_is_read(seconds, value, tmp_path):
    ((read,), _) = llava(tmp_path, [entry(video_end=seconds)])
    assert read["video_end"] == value


@pytest.mark.parametrize("label", [True, None, 1.5, ["x"]])
def test_a_label_is_a_word_or_a_number(label, tmp_path):
    record = {"id": 1, "overhead_videos": ["c.mp4"], "event_phase": [phase(labels=[label])]}
    assert ".labels: expected a list of one label" in refused(wts, tmp_path, [record], "overhead_view")


@pytest.mark.parametrize("options", [("us", "US"), ("Yes", "Yes"), ("Yes", "Yes "), ("two  lanes", "Two lanes"), ("1", 1), ("Ａ1", "A1")])  # fmt: skip
def test_options_that_say_the_same_are_named_both(options, tmp_path):
    line = refused(wts, tmp_path, environment("s1", rows=[mcq(options=options)]))
    assert line.startswith("[0].environment[0]: the options a (") and ") and b (" in line and "say the same" in line


def test_a_decimal_number_as_an_option_is_refused(tmp_path):
    """1.10 would be shown as 1.1."""
    assert "[0].environment[0].b: expected the option's text, found 1.1" in refused(
        wts, tmp_path, environment("s1", rows=[mcq(options=("x", 1.10))])
    )
    assert wts(tmp_path, environment("s1", rows=[mcq(options=("x", 10**30))]))[0][0]["options"]["B"] == "1" + "0" * 30


def test_bdd_that_names_two_videos_is_refused(tmp_path):
    file = tmp_path / "external/BDD_PC_5K/annotations/vqa/train/x.json"
    write(file, [{"video_name": "x.mp4", "videos": ["y.mp4"], "environment": [mcq()]}])
    line = refused(convert_tree, tmp_path, tmp_path / "out", tasks=("bdd_vqa",))
    assert line == "[0].videos: says other videos than 'video_name'; keep one of the two"


def test_a_scenario_that_is_said_twice_is_refused(tmp_path):
    assert "[0].wts_id: says another scenario" in refused(llava, tmp_path, [entry(scenario="a", wts_id="b")])


# ------------------------------------------------------------------------------------------------ ids
@pytest.mark.parametrize(
    ("first", "second", "id"),
    [
        (entry(id="x"), entry(id="x"), "x"),
        (entry(id=1), entry(id="1"), "1"),
        (entry(id="x", conversations=TURNS + TURNS), entry(id="x#2"), "x#2"),
        (entry(id="x#2"), entry(id="x", conversations=TURNS + TURNS), "x#2"),
        (entry(id="v_1"), {"video": "v.mp4", "conversations": TURNS}, "v_1"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 2048])
def test_ids_that_collide_are_named_with_both_places(first, second, id, chunk, tmp_path, monkeypatch):
    """Also where turns are numbered, and in chunks of their own."""
    from roadtrain.data import convert as module

    monkeypatch.setattr(module, "ROWS_A_CHUNK", chunk)
    assert refused(llava, tmp_path, [first, second]) == f"[1]: duplicate id {id}: the first is at [0]"
    lines = "\n\n".join(map(json.dumps, (first, entry(id="between"), second)))
    number = "5"
    if "id" not in second:  # its number is part of the id
        return
    assert refused(llava, tmp_path, lines, "t.jsonl") == f"line {number}: duplicate id {id}: the first is at line 1"
    entries, report = llava(tmp_path, [first, second], rules=SKIP)
    assert len(entries) == 1 and report["splits"]["train"]["left_out"]["total"] == 1


def test_ids_of_the_public_test_are_unique_whatever_their_type_and_cameras(tmp_path):
    question = {key: value for key, value in mcq().items() if key != "correct"}

    def record(id, *videos):
        return {"videos": list(videos), "conversations": [question | {"id": id}]}

    line = refused(public_test, tmp_path, [record(1, "a.mp4"), record("1", "b.mp4")])
    assert line == "[1].conversations: duplicate id 1: the first is at [0].conversations"
    assert "duplicate id 1: the first" in refused(
        public_test, tmp_path, [record(1, "a.mp4", "c.mp4"), record("1", "b.mp4")]
    )
    assert "duplicate id 1: the first" in refused(
        public_test, tmp_path, [record(1, "b.mp4"), record("1", "a.mp4", "c.mp4")]
    )
    entries, _ = public_test(tmp_path, [record(1, "a.mp4", "c.mp4"), record(2, "a.mp4", "c.mp4")])
    assert [e["id"] for e in entries] == ["1@a", "1@c", "2@a", "2@c"]


def test_a_name_that_two_test_videos_have_is_refused(tmp_path):
    question = {key: value for key, value in mcq(id="q").items() if key != "correct"}
    for place in ("s1", "s2"):
        write(tmp_path / f"videos/test/{place}/v.mp4", b"x")
    line = refused(public_test, tmp_path, [{"videos": ["v.mp4"], "conversations": [question]}])
    assert line == "[0]: 'v.mp4' is the name of two videos: videos/test/s1/v.mp4 and videos/test/s2/v.mp4"


# ------------------------------------------------------------------------------------------------ outputs
def test_all_outputs_appear_or_none(tmp_path):
    """A table that can't be written, and outputs with one name: nothing appears, and nothing is overwritten."""
    scenario(tmp_path / "wts", "train", "s1")
    scenario(tmp_path / "wts", "val", "v1")
    out = tmp_path / "out"
    (out / "folder.md").mkdir(parents=True)
    before = write(out / "audit.json", "yesterday's")
    arguments = ["--root", tmp_path / "wts", "--check-videos", "none", "--train", out / "t.json", "--audit", before]
    for more, says in (
        (["--table", out / "folder.md"], "there is a folder of that name"),
        (["--val", out / "t.json"], "two outputs with one name"),
        (["--table", before], "two outputs with one name"),
        (["--table", before / "x.md"], "File exists"),
    ):
        process = run_program("convert_annotations.py", *arguments, *more)
        assert process.returncode == 1 and says in process.stderr, process.stderr
        assert len(process.stderr.splitlines()) == 1
        assert sorted(path.name for path in out.iterdir()) == ["audit.json", "folder.md"]
        assert before.read_text() == "yesterday's"
    assert run_program("convert_annotations.py", *arguments, "--table", out / "a.md").returncode == 0
    assert {path.name for path in out.iterdir()} == {"audit.json", "a.md", "folder.md", "t.json"}


def test_a_page_that_fails_leaves_nothing(tmp_path):
    from roadtrain.data.convert import SplitJob, convert
    from roadtrain.data.sources.wts import Wts

    scenario(tmp_path, "train", "s1")

    def pages(audit):
        if not audit.splits:
            return []
        return [(str(tmp_path / "a.json"), "good"), (str(tmp_path / "b.json"), "\ud800")]

    with pytest.raises(UnicodeEncodeError):
        convert([SplitJob("train", Wts(str(tmp_path)), str(tmp_path / "o.json"))], Rules(check="none"), 1, pages=pages)
    assert not [path for path in tmp_path.iterdir() if re.search("json|part", path.name)]
