"""Opening a file has a clock and a limit of memory, too: what hangs, crashes or is huge is named, and the others go on."""

import os
import subprocess
import sys
import time
from functools import partial

import pytest
from PIL import Image

from roadtrain.data.convert import Rules
from roadtrain.frames import prober
from roadtrain.frames.containers import place_fault
from roadtrain.frames.index import FrameIndex
from roadtrain.frames.probe import Bad, Video
from roadtrain.frames.prober import Looking, Prober
from roadtrain.media import Medium
from support.annotations import mcq, video, write, wts_file
from support.clips import render
from support.conversion import convert_tree
from support.frame_cache import SETTINGS, decode_settings, small_split
from support.programs import ROOT


@pytest.fixture
def bad_decoder(monkeypatch):
    """Native code that hangs on one file and crashes on another: the process that looks is forked, and has it."""
    plain = prober.probe

    def probe(path, check, kind):
        if "hang" in os.path.basename(path):
            time.sleep(3600)
        if "crash" in os.path.basename(path):
            os._exit(139)
        return plain(path, check, kind)

    monkeypatch.setattr(prober, "probe", probe)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_audit_names_what_hangs_or_crashes_the_decoder_and_goes_on(tmp_path, bad_decoder, workers):
    names = ["a_good.mp4", "b_hang.mp4", "c_crash.mp4", "d_good.mp4"]
    for n, name in enumerate(names):
        video(tmp_path / f"videos/train/s/overhead_view/{name}", shade=40 * n)
    write(wts_file(tmp_path, "train", "s"), [{"id": 1, "overhead_videos": names, "environment": [mcq()]}])
    rules = Rules(max_bad_fraction=0.5, seconds=5)
    entries, report = convert_tree(tmp_path, tmp_path / "out", rules=rules, workers=workers)
    assert [entry["video"].rpartition("/")[2] for entry in entries] == ["a_good.mp4", "d_good.mp4"]
    reasons = [item["reason"] for item in report["splits"]["train"]["bad_videos"]["listed"]]
    assert reasons[0] == "the decoder did not answer for 5 s" and "its process ended" in reasons[1]
    assert report["splits"]["train"]["videos"]["bad"] == 2


LOOK = """
import sys
from roadtrain.frames.prober import Looking, Prober
with Prober(Looking(memory=100_000_000)) as looker:
    print(*(looker.probe(sys.argv[1], name, "image") for name in ("huge.png", "small.png")), sep="\\n")
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is bounded by Linux")
def test_a_file_that_fills_memory_is_named_and_the_next_one_is_read(tmp_path):
    """In a program of its own: free memory that this process has kept of other tests counts as had, and a fork has it, too."""
    Image.new("L", (12_000, 12_000)).save(tmp_path / "huge.png")
    Image.new("L", (64, 64)).save(tmp_path / "small.png")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    command = [sys.executable, "-c", LOOK, tmp_path]
    process = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    huge, small = process.stdout.splitlines()
    assert huge.startswith("Bad(") and "more than the 0.1 GB of memory" in huge
    assert small.startswith("Still(width=64")


def test_one_process_looks_at_all_files_and_ends(tmp_path, monkeypatch):
    for n in range(3):
        render(tmp_path / f"v{n}.mp4", seed=n)
    monkeypatch.setattr(prober, "_open", process_of)
    with Prober(Looking()) as looker:
        ids = {looker.probe(str(tmp_path), f"v{n}.mp4", "video") for n in range(3)}
    (number,) = ids
    assert number != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def process_of(_: object) -> int:
    return os.getpid()


# ------------------------------------------------------------------------------------------------ links
def test_a_link_may_lead_anywhere_inside_and_the_folder_may_be_one(tmp_path):
    render(tmp_path / "disk/day/a.mp4")
    (tmp_path / "disk/b.mp4").symlink_to("day/a.mp4")
    (tmp_path / "disk/week").symlink_to("day")
    (tmp_path / "media").symlink_to("disk")
    (tmp_path / "disk/out.mp4").symlink_to(tmp_path / "secret.mp4")
    (tmp_path / "disk/up").symlink_to("..")
    fault = partial(place_fault, str(tmp_path / "media"))
    assert [fault(name) for name in ("day/a.mp4", "b.mp4", "week/a.mp4", "gone.mp4")] == [None] * 4
    for name in ("out.mp4", "up/secret.mp4"):  # also where nothing lies
        assert "data.media_links: follow" in fault(name) and fault(name, follow_links=True) is None
    for name in ("../secret.mp4", "/secret.mp4"):
        assert fault(name, follow_links=True) == f"leads outside {tmp_path / 'media'}: refused"


def test_decoding_agrees_with_the_audit_about_links(tmp_path):
    llava, media = small_split(tmp_path, 2)
    (media / "v1.mp4").rename(tmp_path / "elsewhere.mp4")
    (media / "v1.mp4").symlink_to("../elsewhere.mp4")
    code, (index,) = decode_settings(llava, media, SETTINGS[:1])
    assert code == 0 and "follow takes it" in FrameIndex.load(index).left_out[Medium("v1.mp4")]
    code, (index,) = decode_settings(llava, media, SETTINGS[:1], "--media-links", "follow")
    assert code == 0 and len(FrameIndex.load(index)) == 2
    for follow, kind in ((False, Bad), (True, Video)):
        with Prober(Looking(follow_links=follow)) as looker:
            assert isinstance(looker.probe(str(media), "v1.mp4", "video"), kind)
