"""What a kill, a full disk or a changing file leaves of the frame cache, and how damage is found."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from roadtrain.frames import decoding
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip, Medium
from support.clips import render
from support.frame_cache import (
    SETTINGS,
    WHOLE,
    decode_arguments,
    decode_in_process,
    decode_settings,
    inspect_clips,
    small_split,
    write_conversations,
)
from support.programs import ROOT


def test_a_kill_loses_the_clips_in_hand_and_no_more(tmp_path):
    """Half-written files have another name and never count; the next run does the rest and writes the same index."""
    names = [f"v{n}.mp4" for n in range(24)]
    render(tmp_path / "media" / names[0], frames=150, size=(640, 360), fps=30)
    content = (tmp_path / "media" / names[0]).read_bytes()
    for n, name in enumerate(names):  # other bytes behind the container's end: another video by content
        (tmp_path / "media" / name).write_bytes(content + b"\0\0\0\x0cfree%04d" % n)
    llava = write_conversations(tmp_path / "x.llava.json", names)
    large = [{"nframes": 16}]
    command, (index,) = decode_arguments(llava, tmp_path / "media", large)
    with subprocess.Popen(
        [sys.executable, ROOT / "scripts/decode_frames.py", *map(str, command), "--workers", "1"],
        start_new_session=True,
    ) as run:
        while len(list((tmp_path / "cache").rglob("*.safetensors"))) < 3 and run.poll() is None:
            time.sleep(0.005)
        os.killpg(run.pid, signal.SIGKILL)
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")}
    assert 3 <= len(finished) < len(names) and not index.exists()
    half = next(iter(finished)).with_name(".half.safetensors.1.part")  # as if it had hit a file in the middle
    half.write_bytes(b"x" * 100)
    os.utime(half, (0, 0))
    assert decode_settings(llava, tmp_path / "media", large)[0] == 0
    assert len(FrameIndex.load(index)) == len(names) and not half.exists()
    assert finished == {path: path.stat().st_mtime_ns for path in finished}
    assert decode_in_process("--verify", index) == 0


def damage(path: Path, fault: str) -> None:
    content = bytearray(path.read_bytes())
    if fault == "missing":
        path.unlink()
        return
    if fault == "flipped":
        content[-5] ^= 1
    path.write_bytes(content[:-7] if fault == "cut" else content[:5] if fault == "stub" else bytes(content))
    if fault == "renamed":
        path.rename(path.with_name("0" * 32 + ".safetensors"))


@pytest.mark.parametrize("fault", ["missing", "flipped", "cut", "stub", "renamed"])
def test_verify_finds_what_is_damaged(tmp_path, fault):
    llava, media = small_split(tmp_path, 2)
    _, (index,) = decode_settings(llava, media, SETTINGS[:1])
    assert decode_in_process("--verify", index) == 0 and decode_in_process("--verify", tmp_path / "cache") == 0
    victim = Path(FrameIndex.load(index).rows()[0]["file"])
    damage(victim, fault)
    message = decode_in_process("--verify", index)
    assert victim.name in message and "1 of 2 clips are damaged" in message
    assert (decode_in_process("--verify", tmp_path / "cache") == 0) == (
        fault == "missing"
    )  # the folder can't know of it
    if fault != "flipped":  # only a hash of everything sees that; the rest is seen, and written again
        assert decode_settings(llava, media, SETTINGS[:1])[0] == 0
        assert decode_in_process("--verify", index) == 0


def test_verify_compares_the_index_too(tmp_path):
    llava, media = small_split(tmp_path, 1)
    _, (index,) = decode_settings(llava, media, SETTINGS[:1])
    value = json.loads(index.read_text())
    value["clips"][0]["fps"] = 11.0
    index.write_text(json.dumps(value))
    assert "the index says something else" in decode_in_process("--verify", index)


def test_a_lost_file_is_named_with_the_remedy(tmp_path):
    llava, media = small_split(tmp_path, 1)
    _, (index,) = decode_settings(llava, media, SETTINGS[:1])
    loaded = FrameIndex.load(index)
    Path(loaded.row(Medium("v0.mp4"))["file"]).unlink()
    with pytest.raises(FileNotFoundError, match=r"frames of v0\.mp4 are missing from the cache; delete .*index0\.json"):
        loaded.read(Clip((Medium("v0.mp4"),)))
    with pytest.raises(ValueError, match="not a frame index"):
        FrameIndex.load(llava)


def test_a_video_that_changes_while_it_is_decoded_is_not_kept(tmp_path):
    """Its frames would lie under the hash of what the file was before."""
    video = render(tmp_path / "v.mp4")
    inspection = inspect_clips(video, (WHOLE,), SETTINGS, tmp_path / "cache")
    render(video, seed=5, frames=40)
    rows = decoding.decode(inspection)
    assert all("it changed while it was decoded" in row["reason"] for per_setting in rows for row in per_setting)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
