"""A medium that a question names is compared by content; what no question names may be anything."""

import json
import os
import unicodedata
from pathlib import Path

import pytest

from roadtrain.data import media_record
from roadtrain.data.media_record import MediaLook, file_print, read_record, record_text
from roadtrain.data.sources import catalog
from roadtrain.data.sources.base import Malformed, relative_path
from roadtrain.spec.data import Data
from support.annotations import video, write
from support.programs import run_program

QUESTIONS = "video,question,options,answer\n"


def record(root: Path, *names: str, revision: str = "") -> dict:
    return json.loads(record_text(revision, {name: file_print(f"{root}/{name}") for name in names}))


def big(path: Path, at: int, byte: bytes) -> None:
    """10 MB of zeros with one byte at a place."""
    with open(path, "wb") as stream:
        stream.truncate(10_000_000)
        stream.seek(at)
        stream.write(byte)


# ------------------------------------------------------------------------------------------------ what is compared
def test_content_decides_and_not_the_time(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"one")
    before, look = record(tmp_path, "a.mp4"), MediaLook(str(tmp_path), str(tmp_path / "kept.json"))
    os.utime(tmp_path / "a.mp4", (1, 1))
    assert look.revision(before) == ""
    (tmp_path / "a.mp4").write_bytes(b"two")
    os.utime(tmp_path / "a.mp4", (1, 1))  # as cp --preserve, with the same size
    assert "1 changed, the first: a.mp4" in look.revision(before)
    (tmp_path / "a.mp4").write_bytes(b"one")
    assert look.revision(before) == ""


@pytest.mark.parametrize("at", [0, 9_999_999, 16_383])
def test_a_large_file_is_told_by_its_ends_and_size(tmp_path, at):
    big(tmp_path / "a.mp4", at, b"a")
    before = file_print(str(tmp_path / "a.mp4"))
    big(tmp_path / "a.mp4", at, b"b")
    assert file_print(str(tmp_path / "a.mp4")) != before
    big(tmp_path / "a.mp4", at, b"a")
    assert file_print(str(tmp_path / "a.mp4")) == before
    os.truncate(tmp_path / "a.mp4", 10_000_001)
    assert file_print(str(tmp_path / "a.mp4")) != before


def test_every_byte_of_a_small_file_counts(tmp_path):
    prints = set()
    for at in range(0, media_record.WHOLE, 997):
        text = bytearray(media_record.WHOLE)
        text[at] = 1
        (tmp_path / "a").write_bytes(text)
        prints.add(file_print(str(tmp_path / "a")))
    assert len(prints) == len(range(0, media_record.WHOLE, 997))


def test_a_replaced_clip_is_seen_through_links(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/a.mp4").write_bytes(b"one")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/day").symlink_to("../disk")
    (tmp_path / "root/b.mp4").symlink_to("../disk/a.mp4")
    before = record(tmp_path / "root", "day/a.mp4", "b.mp4")
    (tmp_path / "disk/a.mp4").write_bytes(b"two")
    assert MediaLook(str(tmp_path / "root")).changed(before).keys() == {"day/a.mp4", "b.mp4"}


def test_a_link_that_conversion_refused_changes_nothing_until_it_is_allowed(tmp_path):
    """Its record says that there is nothing; else every plan would convert again, and refuse it again."""
    (tmp_path / "elsewhere.mp4").write_bytes(b"one")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/a.mp4").symlink_to("../elsewhere.mp4")
    before = {"revision": "", "media": {"a.mp4": None}}
    assert MediaLook(str(tmp_path / "root")).revision(before) == ""
    assert MediaLook(str(tmp_path / "root"), follow_links=True).changed(before).keys() == {"a.mp4"}


def test_a_missing_clip_that_comes_and_one_that_goes(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"one")
    before = record(tmp_path, "a.mp4", "b.mp4")
    assert before["media"]["b.mp4"] is None and MediaLook(str(tmp_path)).revision(before) == ""
    (tmp_path / "a.mp4").rename(tmp_path / "b.mp4")
    assert MediaLook(str(tmp_path)).changed(before) == {"a.mp4": None, "b.mp4": before["media"]["a.mp4"]}


@pytest.mark.timeout(20)
def test_a_pipe_a_loop_and_a_device_are_no_content_and_nobody_waits(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    (tmp_path / "gone.mp4").symlink_to("nothing")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    (tmp_path / "folder.mp4").mkdir()
    assert {file_print(str(path)) for path in tmp_path.iterdir()} == {None}


def test_a_file_that_cannot_be_read_is_no_content(tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"one")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert file_print(str(tmp_path / "a.mp4")) is None


# ------------------------------------------------------------------------------------------------ when rules run
def test_the_revision_stands_still_after_the_conversion_that_was_asked_for(tmp_path):
    """Else a rule would run twice, or never: it is the parameter that Snakemake compares."""
    (tmp_path / "a.mp4").write_bytes(b"one")
    look = MediaLook(str(tmp_path))
    assert look.revision(None) == ""  # nothing was converted yet
    first = record(tmp_path, "a.mp4", revision=look.revision(None))
    assert look.revision(first) == ""
    (tmp_path / "a.mp4").write_bytes(b"two")
    second = look.revision(first)
    assert second and look.revision(first) == second
    after = record(tmp_path, "a.mp4", revision=second)
    assert look.revision(after) == second
    (tmp_path / "a.mp4").write_bytes(b"one")  # back: converted from the other one, so stale
    assert look.revision(after) not in (first["revision"], second)


def test_a_folder_that_was_not_copied_makes_nothing_stale(tmp_path):
    before = {"revision": "x", "media": {"a.mp4": "123"}}
    assert MediaLook(str(tmp_path / "nothing")).revision(before) == "x"


def test_files_are_opened_once_and_again_only_when_they_changed(tmp_path, monkeypatch):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    before, opened = record(tmp_path, "a.mp4", "b.mp4"), []
    monkeypatch.setattr(media_record, "file_print", lambda path: opened.append(Path(path).name) or file_print(path))
    look = MediaLook(str(tmp_path), str(tmp_path / "kept.json"))
    assert look.changed(before) == {} and sorted(opened) == ["a.mp4", "b.mp4"]
    assert look.changed(before) == {} and len(opened) == 2
    (tmp_path / "b.mp4").touch()
    assert look.changed(before) == {} and opened[2:] == ["b.mp4"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"root": 1}', '{"root": "%s", "form": %d, "media": {"a.mp4": 7}}'])
def test_what_was_kept_may_be_anything(tmp_path, text):
    (tmp_path / "a.mp4").write_bytes(b"one")
    kept = tmp_path / "kept.json"
    kept.write_text(text % (tmp_path, media_record.WHOLE) if "%" in text else text)
    assert MediaLook(str(tmp_path), str(kept)).changed(record(tmp_path, "a.mp4")) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"media": {}}', '{"media": [], "revision": ""}'])
def test_a_record_that_is_none_is_none(tmp_path, text):
    write(tmp_path / "train.media.json", text)
    assert read_record(str(tmp_path / "train.media.json")) is None
    assert read_record(str(tmp_path / "nothing.json")) is None


# ------------------------------------------------------------------------------------------------ what conversion writes
@pytest.fixture
def table(tmp_path) -> Path:
    """Clips below a linked folder, one that isn't there, and what no question names."""
    video(tmp_path / "disk/12:30:00.mp4")
    video(tmp_path / "disk/t_{02}.mp4", shade=90)
    clips = tmp_path / "data/clips"
    clips.mkdir(parents=True)
    (clips / "day").symlink_to("../../disk")
    os.mkfifo(clips / "pipe.mp4")
    (clips / "dangling.mp4").symlink_to("nothing")
    Path(os.fsdecode(os.fsencode(clips) + b"/\xe9t\xe9.mp4")).write_bytes(b"x")
    names = ("day/12:30:00.mp4", "day/t_{02}.mp4", "gone.mp4")
    rows = "".join(f"{name},Is it wet?,Yes|No,{'Yes' if n else 'No'}\n" for n, name in enumerate(names))
    write(tmp_path / "data/train.csv", QUESTIONS + rows)
    return tmp_path


@pytest.mark.timeout(60)
def test_the_media_that_questions_name_are_recorded_and_no_others(table):
    spec = {
        "source": "mcq",
        "root": str(table / "data"),
        "media": "clips",
        "max_bad_fraction": 1,
        "media_links": "follow",
    }
    spec["files"] = {"train": "train.csv", "val": "train.csv"}
    process = run_program(
        "convert_annotations.py",
        data=json.dumps(spec),
        train=table / "o/train.llava.json",
        audit=table / "o/audit.json",
        media_revisions=json.dumps({"train": "r1"}),
        env={"PYTHONPATH": "scripts"},
    )
    assert process.returncode == 0, process.stderr
    written = read_record(str(table / "o/train.media.json"))
    media = written["media"]
    assert written["revision"] == "r1" and media.keys() == {"day/12:30:00.mp4", "day/t_{02}.mp4", "gone.mp4"}
    assert media["gone.mp4"] is None and len({*media.values()}) == 3
    assert MediaLook(str(table / "data/clips")).revision(written) == "r1"


def test_a_test_video_is_found_below_a_link_and_when_it_comes_later(tmp_path):
    """The public test names videos without their folders."""
    video(tmp_path / "disk/overhead_view/a.mp4")
    (tmp_path / "videos/test").mkdir(parents=True)
    (tmp_path / "videos/test/scene").symlink_to("../../disk")
    (tmp_path / "disk/again").symlink_to(".")  # a loop
    (tmp_path / "videos/test/a.mp4").symlink_to("nothing")  # no second place
    write(tmp_path / "test.json", "[]")
    data = Data(root=str(tmp_path), files={"test": "test.json"})
    find = catalog.finder(data, "test")
    assert find() == {"a.mp4": ["videos/test/scene/overhead_view/a.mp4"]}
    assert catalog.finder(data, "train") is None
    before = {"revision": "", "media": {"videos/test/b.mp4": None}}
    assert MediaLook(str(tmp_path), find=find).revision(before) == ""
    video(tmp_path / "videos/test/late/b.mp4")
    assert "videos/test/b.mp4" in MediaLook(str(tmp_path), find=find).revision(before)


def test_annotations_below_links_are_inputs(tmp_path):
    write(tmp_path / "disk/environment/s.json", "[]")
    folder = tmp_path / "wts/annotations/vqa/train"
    folder.mkdir(parents=True)
    (folder / "s").symlink_to(tmp_path / "disk")
    assert catalog.input_files(Data(root=str(tmp_path / "wts"))) == [f"{folder}/s/environment/s.json"]


# ------------------------------------------------------------------------------------------------ names
@pytest.mark.parametrize("name", ["12:30:00.mp4", "day 1/2024-05-01T12:30:00.mp4", "cam:1/a.mp4", "10:a.mp4"])
def test_a_colon_is_no_way_out(name):
    assert relative_path(name, "f", "p") == name


@pytest.mark.parametrize(
    "name", ["/a.mp4", "../a.mp4", "a/../../b.mp4", "C:/a.mp4", "C:\\a.mp4", "c:a.mp4", "http://h/a.mp4", "file:///a"]
)
def test_what_leads_elsewhere_is_refused(name):
    with pytest.raises(Malformed, match="leads outside the media folder: refused"):
        relative_path(name, "f", "p")


@pytest.mark.parametrize(("on_disk", "in_table"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_name_in_other_unicode_gets_a_hint(tmp_path, on_disk, in_table):
    video(tmp_path / unicodedata.normalize(on_disk, "Zürich/rue_été.mp4"))
    name = unicodedata.normalize(in_table, "Zürich/rue_été.mp4")
    write(tmp_path / "train.csv", QUESTIONS + f"{name},Wet?,Yes|No,Yes\n")
    spec = {"source": "mcq", "root": str(tmp_path), "files": {"train": "train.csv", "val": "train.csv"}}
    process = run_program(
        "convert_annotations.py",
        data=json.dumps(spec | {"on_bad_video": "fail"}),
        train=tmp_path / "o/t.llava.json",
        audit=tmp_path / "o/audit.json",
        env={"PYTHONPATH": "scripts"},
    )
    assert process.returncode == 1
    assert f"no such file; a file's name that looks the same is written in {on_disk}" in process.stderr
