"""A file exists only when it is whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import SafetensorError

from roadtrain import files
from roadtrain.data.strict_json import read_rows

SCRIPTS = Path(__file__).parents[3] / "scripts"


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"old": True})
    with pytest.raises(RuntimeError), files.whole_file(path) as stream:
        stream.write("half")
        raise RuntimeError
    assert files.read_json(path) == {"old": True}
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_killed_write_leaves_no_file(tmp_path):
    """SIGKILL in the middle: the name never exists, and the next write is not disturbed by what was left."""
    code = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1]); from roadtrain import files\n"
        "with files.whole_directory(sys.argv[2]) as d:\n"
        "    (d / 'x').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "checkpoint"
    killed = subprocess.run([sys.executable, "-c", code, str(SCRIPTS), str(path)])
    assert killed.returncode == -9 and not path.exists()
    with files.whole_directory(path) as directory:
        (directory / "y").write_text("whole")
    assert os.listdir(path) == ["y"] and os.listdir(tmp_path) == ["checkpoint"]


def test_a_directory_is_replaced_whole(tmp_path):
    path = tmp_path / "d"
    for name in ("one", "two"):
        with files.whole_directory(path) as directory:
            (directory / name).write_text(name)
    assert os.listdir(path) == ["two"]


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert os.listdir(tmp_path) == []


def test_broken_json_names_file_and_place(tmp_path):
    (tmp_path / "x.json").write_text('{"a": 1,\n "b"}')
    with pytest.raises(ValueError, match=r"x\.json: not valid JSON: .*line 2"):
        files.read_json(tmp_path / "x.json")


def test_hashes_do_not_depend_on_order(tmp_path):
    assert files.sha256_json({"a": 1, "b": 2}) == files.sha256_json({"b": 2, "a": 1})
    (tmp_path / "b").write_text("b")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a").write_text("a")
    (tmp_path / ".hidden").write_text("h")
    assert list(files.sha256_tree(tmp_path)) == ["b", "sub/a"]


def test_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(OSError) as raised, files.whole_directory(tmp_path / "epoch_1") as directory:
        (directory / "x").symlink_to("/dev/full")
        (directory / "x").write_text("x" * 100_000)
    assert str(raised.value) == f"[Errno 28] No space left on device: '{tmp_path / 'epoch_1'}'"
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_an_os_error_from_safetensors_too(tmp_path):
    """Its own words on a full disk (test_kill.py fills a real one)."""
    with pytest.raises(OSError) as raised, files.whole_directory(tmp_path / "epoch_1"):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert str(raised.value) == f"[Errno 28] No space left on device: '{tmp_path / 'epoch_1'}'"


def test_only_a_newline_ends_a_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"says": "a\u2028b\u0085c\x0bd"}\n{"n": 2}\n'.replace("\x0b", "\\u000b"), encoding="utf-8")
    assert list(read_rows(path)) == [(1, {"says": "a\u2028b\x85c\x0bd"}), (2, {"n": 2})]


@pytest.mark.parametrize(("line", "says"), [("{", "not valid JSON"), ("[1]", "expected an object, found list")])
def test_a_row_that_is_no_object_names_its_line(tmp_path, line, says):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 1}\n' + line + "\n")
    with pytest.raises(ValueError, match=f"rows.jsonl: line 2: {says}"):
        list(read_rows(path))


def test_whole_path_for_a_library_that_writes_itself(tmp_path):
    with files.whole_path(tmp_path / "a.bin") as beside:
        beside.write_bytes(b"1")
        assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == b"1"
    with pytest.raises(OSError, match="No space left on device.*a.bin"), files.whole_path(tmp_path / "a.bin") as beside:
        beside.write_bytes(b"half")
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert (tmp_path / "a.bin").read_bytes() == b"1" and [p.name for p in tmp_path.iterdir()] == ["a.bin"]
