"""A video without frames is left out with its reason, or stops the run; a user's mistake is one line."""

from pathlib import Path

import pytest

from roadtrain.frames import building, clip_writer
from roadtrain.frames.cache import READER_RELEASE, read_header
from roadtrain.frames.index import FrameIndex
from roadtrain.frames.probe import Bad, probe
from roadtrain.media import Clip, Medium
from support.clips import render, trim
from support.frame_cache import (
    RECIPE,
    SETTINGS,
    CountedReader,
    decode_in_process,
    decode_settings,
    small_split,
    write_conversations,
)


def ruin(path: Path, fault: str) -> None:
    content = path.read_bytes()
    if fault == "missing":
        path.unlink()
    elif fault == "folder":
        path.unlink()
        path.mkdir()
    else:
        bad = {"empty": b"", "truncated": content[: len(content) // 3], "text": b"not a video" * 50}
        path.write_bytes(bad[fault])


REASONS = {
    "missing": "no such file",
    "folder": "unreadable: a folder, not a file",
    "empty": "unreadable: zero bytes",
    "truncated": "unreadable: moov atom not found",
    "text": "unreadable: moov atom not found",
}


@pytest.mark.parametrize("fault", REASONS)
def test_a_bad_video_is_left_out_with_its_reason_or_stops_the_run(tmp_path, fault):
    llava, media = small_split(tmp_path)
    ruin(media / "v1.mp4", fault)
    code, (index,) = decode_settings(llava, media, SETTINGS[:1])
    assert code == 0
    loaded = FrameIndex.load(index)
    assert loaded.left_out == {Medium("v1.mp4"): REASONS[fault]} and len(loaded) == 2
    with pytest.raises(ValueError, match=rf"no frames of v1\.mp4: {REASONS[fault]}"):
        loaded.read(Clip((Medium("v1.mp4"),)))
    index.unlink()
    message, _ = decode_settings(llava, media, SETTINGS[:1], "--on-bad-video", "fail")
    assert message == f"decode_frames.py: {media / 'v1.mp4'}: {REASONS[fault]} (on_bad_video: fail)"
    assert not index.exists() and len(list((tmp_path / "cache").rglob("*.safetensors"))) == 2  # kept


def test_a_download_that_broke_off_is_named_by_the_decoder(tmp_path):
    """The header is at the front and whole, so the file opens."""
    llava, media = small_split(tmp_path)
    content = render(media / "v2.mp4", frames=80, g="10", header_first=True).read_bytes()
    (media / "v2.mp4").write_bytes(content[: len(content) // 2])
    code, (index,) = decode_settings(llava, media, SETTINGS[:1])
    assert code == 0 and FrameIndex.load(index).left_out[Medium("v2.mp4")].startswith("truncated: ")


@pytest.mark.parametrize("name", ["../secret.mp4", "a/../../secret.mp4", "/etc/secret.mp4"])
def test_a_video_outside_the_media_folder_is_refused(tmp_path, name):
    _, media = small_split(tmp_path, 1)
    render(tmp_path / "secret.mp4")
    llava = write_conversations(tmp_path / "x.llava.json", ["v0.mp4", name])
    _, (index,) = decode_settings(llava, media, SETTINGS[:1])
    assert "refused" in FrameIndex.load(index).left_out[Medium(name)]


def test_a_video_too_short_for_one_setting_is_left_out_of_that_one(tmp_path):
    render(tmp_path / "media" / "short.mp4", frames=6)
    render(tmp_path / "media" / "long.mp4", frames=30)
    llava = write_conversations(tmp_path / "x.llava.json", ["short.mp4", "long.mp4"])
    code, indexes = decode_settings(llava, tmp_path / "media", SETTINGS)
    eight, two_a_second = map(FrameIndex.load, indexes)
    assert code == 0 and len(eight) == 1 and len(two_a_second) == 2
    assert eight.left_out[Medium("short.mp4")] == "8 frames wanted of a video (or window) that has 6"


def test_nothing_usable_is_one_line(tmp_path):
    llava, media = small_split(tmp_path, 1)
    (media / "v0.mp4").write_bytes(b"")
    message, (index,) = decode_settings(llava, media, SETTINGS[:1])
    assert "not one video" in message and "zero bytes" in message and "\n" not in message and not index.exists()


@pytest.mark.parametrize(
    "setting, word",
    [
        ('{"nfames": 8}', "nfames"),
        ('{"nframes": 7}', "odd"),
        ("{", "--vision {"),
        ("[]", "--vision []"),
        ('{"fps": "x"}', "fps"),
    ],
)
def test_a_wrong_setting_is_one_line_before_anything_is_read(tmp_path, setting, word):
    message = decode_in_process("--llava", "none", "--media", "none", "--vision", setting, "--index", "none")
    assert word in message and "\n" not in message


def test_a_missing_media_folder_is_one_line(tmp_path):
    llava, _ = small_split(tmp_path, 1)
    message, _ = decode_settings(llava, tmp_path / "nowhere", SETTINGS[:1])
    assert "nowhere: no such folder" in message


def test_no_room_is_said_before_anything_is_decoded(tmp_path, monkeypatch):
    llava, media = small_split(tmp_path, 2)
    counter = CountedReader(monkeypatch)
    size = 2 * 8 * 3 * 64 * 96  # 96x64 stays as it is under the first setting
    usage = {"free": size - 1}
    monkeypatch.setattr(building.shutil, "disk_usage", lambda _: type("Usage", (), usage))
    message, (index,) = decode_settings(llava, media, SETTINGS[:1])
    assert "only 0.00 GB are free" in message and "\n" not in message and not counter.opened and not index.exists()
    usage["free"] = size + 10_000
    assert decode_settings(llava, media, SETTINGS[:1])[0] == 0
    usage["free"] = 0  # nothing is missing any more, so nothing is needed
    assert decode_settings(llava, media, SETTINGS[:1])[0] == 0
    written = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.safetensors"))
    assert size <= written < size + 10_000


def test_a_video_that_hangs_the_decoder_is_left_out_by_name_and_the_run_goes_on(tmp_path):
    """A cut without encoding: 300 shown pictures after 131 hidden ones in one group. decord never returns; PyAV reads it."""
    llava, media = small_split(tmp_path, 2)
    source = render(tmp_path / "whole.mp4", frames=431, fps=25, g="500", bf="2", preset="veryfast")
    trim(source, media / "v1.mp4", 131)
    limits = ("--frames", '{"reader": "decord", "timeout": 30}', "--workers", 1)
    code, (index,) = decode_settings(llava, media, SETTINGS[:1], *limits)
    loaded = FrameIndex.load(index)
    assert code == 0 and len(loaded) == 1 and loaded.reader == "decord"
    assert loaded.left_out == {Medium("v1.mp4"): "unreadable: the decoder did not answer for 30 s"}
    code, (index,) = decode_settings(llava, media, SETTINGS[:1])
    assert code == 0 and len(FrameIndex.load(index)) == 2


def test_videos_that_decoding_loses_count_with_those_of_the_audit(tmp_path):
    llava, media = small_split(tmp_path, 4)
    ruin(media / "v1.mp4", "text")
    audit = tmp_path / "audit.json"
    audit.write_text('{"splits": {"val": {"videos": {"bad": 4}}}}')
    rules = ("--max-bad-fraction", 0.6, "--audit", audit, "val")
    message, (index,) = decode_settings(llava, media, SETTINGS[:1], *rules)
    assert "5 of 8 videos of" in message and "(62.5%; the audit left out 4), more than max_bad_fraction 0.6" in message
    assert "v1.mp4: unreadable" in message and not index.exists()
    assert decode_settings(llava, media, SETTINGS[:1], "--max-bad-fraction", 0.7, *rules[2:])[0] == 0


def test_another_reader_says_what_it_costs_before_it_starts(tmp_path, capsys):
    llava, media = small_split(tmp_path, 2)
    _, (index,) = decode_settings(llava, media, SETTINGS[:1], *RECIPE)
    before = index.read_bytes()
    capsys.readouterr()
    decode_settings(llava, media, SETTINGS[:1])
    assert "2 of these clips are in the cache as decord read them, and are made anew by pyav" in capsys.readouterr().out
    decode_settings(llava, media, SETTINGS[:1], *RECIPE)
    assert index.read_bytes() == before  # and the recipe's are still there


def test_an_earlier_release_of_the_reader_is_read_again_and_the_same_frames_change_nothing(
    tmp_path, capsys, monkeypatch
):
    llava, media = small_split(tmp_path, 2)
    monkeypatch.setattr(clip_writer, "READER_RELEASE", 1)
    _, (index,) = decode_settings(llava, media, SETTINGS[:1])
    right = index.read_bytes()
    other, same = (Path(row["file"]) for row in FrameIndex.load(index).rows())
    shown = read_header(other)["sha256"].encode()
    other.write_bytes(other.read_bytes().replace(shown, b"0" * 64))  # that release showed other pictures there
    index.unlink()
    monkeypatch.undo()
    old = same.read_bytes()
    capsys.readouterr()
    decode_settings(llava, media, SETTINGS[:1])
    assert (
        "2 of these clips are in the cache as an earlier release of the reader showed them" in capsys.readouterr().out
    )
    assert index.read_bytes() == right and same.read_bytes() != old
    assert [read_header(file)["reader_release"] for file in (other, same)] == [READER_RELEASE] * 2
    decode_settings(llava, media, SETTINGS[:1])
    assert "0 clips to decode" in capsys.readouterr().out


def test_a_postscript_file_called_a_picture_starts_no_program(tmp_path):
    (tmp_path / "bad.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    found = probe(str(tmp_path / "bad.png"), kind="image")
    assert isinstance(found, Bad) and "not a picture of a format that is read" in found.reason
