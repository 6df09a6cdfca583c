"""Annotations that say two things, or that something else than a reader of UTF-8 would read, are refused with both places."""

import json
import os

import pytest

from support.annotations import environment, mcq, phase, scenario, write, wts_file
from support.conversion import convert_tree
from support.refusals import SKIP, entry, llava, refused, wts

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
