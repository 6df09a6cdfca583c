"""Annotations that say two things, or that something else than a reader of UTF-8 would read, are refused with both places."""

import json
import os
import re

import pytest

from roadtrain.data.convert import Rules
from roadtrain.data.sources.base import Malformed
from support.annotations import environment, mcq, phase, scenario, write, wts_file
from support.conversion import convert_tree
from support.programs import run_program

SKIP = Rules(check="none", on_bad_question="skip")
TURNS = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "This."}]


def entry(**more) -> dict:
    return {"id": "a", "video": "v.mp4", "conversations": TURNS} | more


def llava(folder, value, name="t.json", **more):
    write(folder / name, value)
    return convert_tree(folder, folder / "out", source="llava", files={"train": name, "val": name}, **more)


def wts(folder, value, task="environment", **more):
    write(wts_file(folder, "train", "s1", task), value)
    return convert_tree(folder, folder / "out", tasks=(task,), **more)


def test_of(folder, value, **more):
    write(folder / "test.json", value)
    return convert_tree(folder, folder / "out", splits=("test",), files={"test": "test.json"}, **more)


test_of.__test__ = False  # a helper: of the public test


def refused(call, *args, **more) -> str:
    with pytest.raises(Malformed) as caught:
        call(*args, **more)
    line = str(caught.value)
    assert line.isprintable() and not list(args[0].glob("out/*")), "one line, and no file"
    return line.removeprefix(caught.value.file + ": ")


# ------------------------------------------------------------------------------------------------ JSON
TEXT = json.dumps([entry()])
ENVIRONMENT = json.dumps(environment("s1"))
NINES = "9" * 400


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"id": "a"', '"id": "a", "id": "b"', "[0].id: the key is there twice, as 'a' and as 'b'; write it once"),
        ('"value": "This."', '"value": "This.", "value": "That."', "[0].conversations[1].value: the key is there twice"),
        ('"video": "v.mp4"', '"video": "v.mp4", "videos": {"x": 1, "x": 2}', "[0].videos.x: the key is there twice, as 1"),
        ("This.", "\\ud800", "[0].conversations[1].value: '\\ud800' holds half of a surrogate pair"),
        ('"id": "a"', '"id": NaN', "[0].id: NaN is not JSON"),
        ('"id": "a"', '"video_start": -Infinity', "[0].video_start: -Infinity is not JSON"),
        ('"id": "a"', f'"id": {NINES}', "[0].id: a number of 400 digits"),
        ('"id": "a"', '"video_end": 1e999', "[0].video_end: the number '1e999' is too large"),
        ('"id": "a"', f'"x": {"[" * 200}{"]" * 200}', "[0]: not valid JSON: nested over 100 levels"),
    ],
)  # fmt: skip
def test_json_that_says_two_things_is_refused_with_path_and_key(old, new, place, tmp_path):
    """In a list, in lines, and left out with on_bad_question: skip."""
    assert old in TEXT
    bad, good = TEXT.replace(old, new, 1), json.dumps([entry(id="good")])
    assert refused(llava, tmp_path, bad).startswith(place)
    line = refused(llava, tmp_path, f"{good[1:-1]}\n{bad[1:-1]}\n", "t.jsonl")
    assert line.startswith(place.replace("[0]", "line 2", 1))
    for name, text in (("t.json", f"[{bad[1:-1]}, {good[1:-1]}]"), ("t.jsonl", f"{bad[1:-1]}\n{good[1:-1]}")):
        entries, report = llava(tmp_path, text, name, rules=SKIP)
        assert [e["id"] for e in entries] == ["good"] and report["splits"]["train"]["left_out"]["total"] == 1


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"id": 7', '"id": 7, "id": 8', "[0].id: the key is there twice, as 7 and as 8"),
        ('"b": "Rainy"', '"b": "Rainy", "b": "Snow"', "[0].environment[0].b: the key is there twice, as 'Rainy'"),
        ("Rainy", "\\udfff", "[0].environment[0].b: '\\udfff' holds half"),
        ('"Rainy"', NINES, "[0].environment[0].b: a number of 400 digits"),
    ],
)
def test_the_same_of_wts(old, new, place, tmp_path):
    assert old in ENVIRONMENT
    assert refused(wts, tmp_path, ENVIRONMENT.replace(old, new, 1)).startswith(place)


@pytest.mark.parametrize("depth", [101, 5000, 200_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_nesting_bombs_are_one_line(depth, brackets, tmp_path):
    opening = "[" if brackets == "[]" else '{"a":'
    bomb = opening * depth + "1" + brackets[1] * depth
    assert "nested over 100 levels" in refused(llava, tmp_path, f"[{bomb}]")
    assert "line 2: not valid JSON: nested over" in refused(llava, tmp_path, f"{TEXT[1:-1]}\n{bomb}", "t.jsonl")
    assert "nested over 100 levels" in refused(wts, tmp_path, bomb)


def test_a_broken_line_is_left_out_where_the_spec_says_so(tmp_path):
    good = [json.dumps(entry(id=id)) for id in "ab"]
    text = "\n".join([good[0], good[1][:-9], good[1]]).encode() + b'\n{"id": "\xe4"}\n'
    assert refused(llava, tmp_path, text, "t.jsonl").startswith("line 2: not valid JSON")
    entries, report = llava(tmp_path, text, "t.jsonl", rules=SKIP)
    left_out = report["splits"]["train"]["left_out"]
    assert [e["id"] for e in entries] == ["a", "b"] and left_out["total"] == 2
    assert [item["path"] for item in left_out["listed"]] == ["line 2", "line 4"]


# ------------------------------------------------------------------------------------------------ files
def test_a_byte_order_mark_is_read_over(tmp_path):
    marked = b"\xef\xbb\xbf"
    assert len(llava(tmp_path, marked + TEXT.encode())[0]) == 1
    assert len(llava(tmp_path, marked + TEXT[1:-1].encode(), "t.jsonl")[0]) == 1
    assert len(wts(tmp_path, marked + ENVIRONMENT.encode())[0]) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_other_encodings_are_one_line(encoding, tmp_path):
    data = TEXT.replace("This", "Straße").replace("\\u00df", "ß").encode(encoding)
    line = refused(llava, tmp_path, data)
    assert "not UTF-8 text" in line and len(line) < 200
    assert "save it as UTF-8" in refused(wts, tmp_path, ENVIRONMENT.replace("Rainy", "ß").encode("utf-16"))


def test_what_is_no_file_is_not_read(tmp_path):
    """A pipe would be waited for, /dev/zero be read for ever; through links, too."""
    out = {"source": "llava", "files": {"train": "t.json", "val": "t.json"}}
    file = tmp_path / "t.json"
    os.mkfifo(file)
    assert refused(convert_tree, tmp_path, tmp_path / "out", **out) == "expected a file, found a pipe"
    for target, kind in (("/dev/zero", "a device"), (tmp_path, "a folder")):
        file.unlink()
        file.symlink_to(target)
        assert refused(convert_tree, tmp_path, tmp_path / "out", **out) == f"expected a file, found {kind}"
    place = wts_file(tmp_path, "train", "s1")
    place.parent.mkdir(parents=True)
    place.symlink_to("/dev/zero")
    assert refused(convert_tree, tmp_path, tmp_path / "out") == "expected a file, found a device"
    place.unlink()
    place.symlink_to(write(tmp_path / "elsewhere.json", ENVIRONMENT))
    assert len(convert_tree(tmp_path, tmp_path / "out")[0]) == 1, "a link to a file is the file"


def test_a_record_without_an_end_is_not_read_into_memory(tmp_path, monkeypatch):
    from roadtrain.data.sources import rows

    monkeypatch.setattr(rows, "LARGEST", 1000)
    monkeypatch.setattr(rows, "_PIECE", 100)
    for text in ('[{"id": "' + "x" * 5000, '{"id": "' + "x" * 5000):
        assert "a record of over" in refused(llava, tmp_path, text)


def test_a_folder_with_a_name_that_is_no_text_is_named(tmp_path):
    scenario(tmp_path, "train", "s1")
    os.makedirs(os.fsencode(tmp_path) + b"/annotations/vqa/train/s\xe4/environment")
    line = refused(convert_tree, tmp_path, tmp_path / "out")
    assert "a folder's name that isn't UTF-8" in line
    _, report = convert_tree(tmp_path, tmp_path / "out", rules=SKIP)
    assert report["splits"]["train"]["left_out"]["listed"][0]["file"] == "s\\udce4/"


# ------------------------------------------------------------------------------------------------ keys
@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("start", "would change what is asked"),
        ("end", "would change what is asked"),
        ("start_time", "would change what is asked"),
        ("videoStart", "is 'video_start' meant?"),
        ("video_strat", "is 'video_start' meant?"),
        ("Video_End", "is 'video_end' meant?"),
        ("segment", "would change what is asked"),
        ("timestamp", "would change what is asked"),
        ("scenari", "is 'scenario' meant?"),
        ("tpye", "is 'type' meant?"),
        ("pahse", "is 'phase' meant?"),
        ("choices", "would change what is asked"),
        ("conversation", "is 'conversations' meant?"),
    ],
)
def test_a_key_that_changes_what_is_asked_is_refused(key, says, tmp_path):
    line = refused(llava, tmp_path, [entry(**{key: 3})])
    assert line.startswith(f"[0].{key}: unknown key") and says in line


def test_keys_of_other_peoples_data_sets_are_read_over_and_counted(tmp_path):
    more = {"source": "x", "data_source": "y", "task": "t", "metadata": {"start": 1}, "video_id": 3, "duration": 9.5}
    _, report = llava(tmp_path, [entry(), entry(id="b", **more), entry(id="c", source="z")])
    assert report["splits"]["train"]["tasks"]["llava"]["unread_keys"] == {
        "source": 2, "data_source": 1, "duration": 1, "metadata": 1, "task": 1, "video_id": 1,
    }  # fmt: skip


def test_so_are_wtss(tmp_path):
    rows = [mcq(source="x"), mcq(source="x"), mcq("Other?", difficulty=3)]
    _, report = wts(tmp_path, [environment("s1", rows=rows)[0] | {"fps": 30}])
    unread = report["splits"]["train"]["tasks"]["environment"]["unread_keys"]
    assert unread == {"source": 2, "difficulty": 1, "fps": 1}
    record = {"id": 1, "overhead_videos": ["c.mp4"], "event_phase": [phase(bbox=[1])], "fps": 30}
    _, report = wts(tmp_path, [record], "overhead_view")
    assert report["splits"]["train"]["tasks"]["overhead_view"]["unread_keys"] == {"bbox": 1, "fps": 1}


@pytest.mark.parametrize(
    ("value", "task", "place"),
    [
        (environment("s1", rows=[mcq(corect="b")]), "environment", "[0].environment[0].corect: unknown key; is 'correct'"),
        ([environment("s1")[0] | {"start": 3}], "environment", "[0].start: unknown key that would change"),
        ([environment("s1")[0] | {"event_phase": []}], "environment", "[0].event_phase: stands beside 'environment'"),
        ([{"id": 1, "overhead_videos": ["c.mp4"], "event_phase": [phase(strat_time=1)]}], "overhead_view",
         "[0].event_phase[0].strat_time: unknown key; is 'start_time' meant?"),
    ],
)  # fmt: skip
def test_so_are_typos_in_wts(value, task, place, tmp_path):
    assert refused(wts, tmp_path, value, task).startswith(place)


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

    line = refused(test_of, tmp_path, [record(1, "a.mp4"), record("1", "b.mp4")])
    assert line == "[1].conversations: duplicate id 1: the first is at [0].conversations"
    assert "duplicate id 1: the first" in refused(
        test_of, tmp_path, [record(1, "a.mp4", "c.mp4"), record("1", "b.mp4")]
    )
    assert "duplicate id 1: the first" in refused(
        test_of, tmp_path, [record(1, "b.mp4"), record("1", "a.mp4", "c.mp4")]
    )
    entries, _ = test_of(tmp_path, [record(1, "a.mp4", "c.mp4"), record(2, "a.mp4", "c.mp4")])
    assert [e["id"] for e in entries] == ["1@a", "1@c", "2@a", "2@c"]


def test_a_name_that_two_test_videos_have_is_refused(tmp_path):
    question = {key: value for key, value in mcq(id="q").items() if key != "correct"}
    for place in ("s1", "s2"):
        write(tmp_path / f"videos/test/{place}/v.mp4", b"x")
    line = refused(test_of, tmp_path, [{"videos": ["v.mp4"], "conversations": [question]}])
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
