"""The frame cache: the frames of qwen-vl-utils bit for bit, decoded once, redone only where something changed."""

import json
import os
import signal
import subprocess
import sys
import time
import weakref
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

import decode_frames
from roadtrain import torchvision_cpu
from roadtrain.data.llava import entry_json, write_entries
from roadtrain.frames import building, decoding
from roadtrain.frames import cache as frames
from roadtrain.frames.index import FrameIndex
from roadtrain.frames.jobs import Inspection, decoding_jobs, inspect_video
from roadtrain.media import Clip, Medium
from support.clips import render, spoil, trim, turn

PROGRAM = Path(decode_frames.__file__)
SETTINGS = [
    {"nframes": 8, "min_pixels": 4096, "max_pixels": 17408},
    {"fps": 2.0, "min_pixels": 4096, "total_pixels": 81920},
]
WHOLE, WINDOW = (None, None), (0.3, 1.9)
TOO_SHORT = {("eight-frames.mp4", WINDOW, 0), ("nine-frames.mp4", WINDOW, 0)}  # for the first setting's eight frames
NTSC = Fraction(30000, 1001)
VIDEOS = {
    "plain.mp4": {},
    "odd-length.mp4": {"frames": 31, "size": (98, 66)},
    "eight-frames.mp4": {"frames": 8, "size": (64, 64), "fps": 4},
    "nine-frames.mp4": {"frames": 9, "size": (320, 180), "fps": 5},
    "half-rate.mp4": {"frames": 64, "size": (178, 100), "fps": Fraction(25, 2)},
    "upright.mp4": {"frames": 50, "size": (100, 178), "fps": 25},
    "wide.mp4": {"frames": 45, "size": (352, 208), "fps": 15},
    "large.mp4": {"frames": 24, "size": (640, 360), "fps": 8},
    "narrow.mp4": {"frames": 90, "size": (64, 130), "fps": 30},
    "ntsc.mp4": {"frames": 75, "size": (426, 240), "fps": NTSC},
    "odd-sides.mp4": {"size": (97, 65), "pixels": "yuv444p"},
    "b-frames.mp4": {"frames": 100, "preset": "veryfast", "bf": "3", "g": "12"},
    "uneven.mp4": {"frames": 60, "uneven": True},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4.mp4": {"codec": "mpeg4", "frames": 40},
    "quicktime.mov": {"frames": 20},
    "matroska.mkv": {"frames": 33, "g": "5"},
    "transport.ts": {"frames": 50, "g": "12", "preset": "veryfast"},
    "bt709.mp4": {"size": (320, 180), "colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709"},
    # A jump to a key frame of these shows pictures that depend on what was decoded before.
    "open-groups.mp4": {
        "frames": 120,
        "preset": "veryfast",
        "bf": "3",
        "g": "12",
        "x264-params": "open-gop=1:scenecut=0",
    },
    "open-groups.mpg": {"frames": 120, "codec": "mpeg2video", "g": "12", "bf": "2", "fps": 25},
    "open-hevc.mp4": {
        "frames": 120,
        "codec": "libx265",
        "size": (128, 96),
        "fps": 25,
        "x265-params": "open-gop=1:keyint=12:min-keyint=12:bframes=3:scenecut=0:log-level=none",
    },
}
TURNED = {f"turned-{degrees}.mp4": degrees for degrees in (90, 180, 270)}
TRIMMED = {"trimmed.mp4": 17, "trimmed-at-key-frame.mp4": 12}


def make(media: Path, name: str) -> Path:
    if name in TURNED:
        return turn(make(media, "upright.mp4"), media / name, TURNED[name])
    if name in TRIMMED:
        return trim(make(media, "b-frames.mp4"), media / name, TRIMMED[name])
    return media / name if (media / name).exists() else render(media / name, seed=len(name), **VIDEOS[name])


def program(*arguments: object) -> str | int:
    """Run the program in this process. Its exit code, or what it says when it stops."""
    keep, sys.argv = sys.argv, ["decode_frames.py", *map(str, arguments)]
    try:
        decode_frames.main()
    except SystemExit as end:
        return end.code
    finally:
        sys.argv = keep
    return 0


def decode_arguments(llava: Path, media: Path, settings: list[dict]) -> tuple[list, list[Path]]:
    indexes = [llava.parent / f"index{n}.json" for n in range(len(settings))]
    command = ["--llava", llava, "--media", media, "--cache", llava.parent / "cache"]
    for setting, index in zip(settings, indexes):
        command += ["--vision", json.dumps(setting), "--index", index]
    return command, indexes


def decode(llava: Path, media: Path, settings: list[dict], *more: object) -> tuple[str | int, list[Path]]:
    command, indexes = decode_arguments(llava, media, settings)
    return program(*command, "--workers", 0, *more), indexes


def conversations(path: Path, videos: list[str], windows: tuple = (WHOLE,)) -> Path:
    write_entries(
        path,
        [
            entry_json(
                id=f"{n}", scenario="s", video=video, type="t", phase="p", human="<video> q", answer="A", start=a, end=b
            )
            for n, video in enumerate(videos)
            for a, b in windows
            for _ in range(2)
        ],
    )
    return path


@pytest.fixture(scope="module")
def decoded(tmp_path_factory):
    root = tmp_path_factory.mktemp("frames")
    names = [*VIDEOS, *TURNED, *TRIMMED]
    for name in names:
        make(root / "media", name)
    llava = conversations(root / "x.llava.json", names, (WHOLE, WINDOW))
    code, indexes = decode(llava, root / "media", SETTINGS)
    assert code == 0
    return root, llava, indexes


@pytest.fixture
def reference(monkeypatch):
    """(frames, metadata) from qwen-vl-utils with decord, or its error: never torchvision's frames."""
    torchvision_cpu.ensure()
    from qwen_vl_utils import vision_process

    def no_torchvision(element):
        raise OSError("decord could not read it")

    monkeypatch.setattr(vision_process, "FORCE_QWENVL_VIDEO_READER", "decord")
    monkeypatch.setitem(vision_process.VIDEO_READER_BACKENDS, "torchvision", no_torchvision)
    vision_process.get_video_reader_backend.cache_clear()

    def read(video: Path, setting: dict, window: tuple):
        element = {"type": "video", "video": str(video)} | setting
        element |= {"video_start": window[0], "video_end": window[1]} if window != WHOLE else {}
        message = [{"role": "user", "content": [element]}]
        _, videos, _ = vision_process.process_vision_info(
            message, image_patch_size=16, return_video_kwargs=True, return_video_metadata=True
        )
        return videos[0]

    return read


@pytest.mark.parametrize("n", range(len(SETTINGS)))
@pytest.mark.parametrize("name", [*VIDEOS, *TURNED, *TRIMMED])
def test_bit_for_bit_what_qwen_vl_utils_gives(decoded, reference, name, n):
    """Whole and in a window, for both kinds of settings, though all four clips of a video came from one run."""
    import torch

    root, _, indexes = decoded
    index = FrameIndex.load(indexes[n])
    for window in (WHOLE, WINDOW):
        try:
            theirs, metadata = reference(root / "media" / name, SETTINGS[n], window)
        except (OSError, ValueError):
            assert (name, window, n) in TOO_SHORT and index.left_out[Medium(name, *window)]
            continue
        ours = index.read(Clip((Medium(name, *window),))).media[0]
        assert torch.equal(ours.frames.float(), theirs)
        assert ours.metadata == metadata
        row = index.row(Medium(name, *window))
        pairs, height, width = len(ours.frames) // 2, row["height"] // 32, row["width"] // 32
        assert list(ours.frames.shape) == [row["frames"], 3, row["height"], row["width"]]
        assert ours.vision_tokens == row["vision_tokens"] == pairs * height * width


PUBLISHED = [{"nframes": 8}, {"fps": 1, "total_pixels": 8388608}]


@pytest.mark.parametrize(
    "name", ["full-hd.mp4", "large.mp4", "turned-90.mp4", "ntsc.mp4", "odd-sides.mp4", "uneven.mp4"]
)
def test_bit_for_bit_with_the_published_ablations(tmp_path, reference, name):
    """In their own words: full HD is made smaller as WTS's videos are, small videos are made larger."""
    import torch

    if name == "full-hd.mp4":
        video = render(tmp_path / name, frames=25, size=(1920, 1080), fps=5, preset="veryfast")
    else:
        video = make(tmp_path, name)
    for window in (WHOLE, (0.2, 4.1)):
        rows = [row for (row,) in decoding.decode(look(video, (window,), PUBLISHED, tmp_path / "cache"))]
        for setting, row in zip(PUBLISHED, rows, strict=True):
            theirs, metadata = reference(video, setting, window)
            assert torch.equal(frames.read_frames(row["file"]).float(), theirs)
            assert row["frames_indices"] == metadata["frames_indices"] and row["fps"] == metadata["fps"]
    if name == "full-hd.mp4":
        assert (rows[0]["height"], rows[0]["width"]) == (640, 1152) and len(rows[0]["frames_indices"]) == 8


class Counted:
    """decord.VideoReader that counts: how often a video was opened, how many frames were asked for, and how many
    batches of them were in use at once."""

    def __init__(self, monkeypatch):
        torchvision_cpu.ensure()
        import decord

        self.opened, self.frames, self.most_held, plain, counted = [], 0, 0, decord.VideoReader, self
        held: list[weakref.ref] = []

        class Reader(plain):
            def __init__(self, uri, **how):
                counted.opened.append(Path(uri).name)
                super().__init__(uri, **how)

            def get_batch(self, indices):
                counted.frames += len(indices)
                batch = super().get_batch(indices).asnumpy()
                held.append(weakref.ref(batch))  # alive as long as anything that shares its memory
                counted.most_held = max(counted.most_held, sum(one() is not None for one in held))
                return SimpleNamespace(asnumpy=lambda: batch)

        monkeypatch.setattr(decord, "VideoReader", Reader)


def look(video: Path, windows: tuple, settings: list[dict], cache: Path) -> Inspection:
    (job,) = decoding_jobs(
        [Medium(video.name, *window) for window in windows], str(video.parent), tuple(settings), str(cache)
    )
    return inspect_video(job)


@pytest.mark.parametrize("name", ["plain.mp4", "b-frames.mp4", "uneven.mp4", "turned-90.mp4", "matroska.mkv"])
def test_one_pass_over_a_video_for_all_settings_and_windows(tmp_path, monkeypatch, name):
    video = make(tmp_path, name)
    counted = Counted(monkeypatch)
    rows = decoding.decode(look(video, (WHOLE, WINDOW), SETTINGS, tmp_path / "cache"))
    wanted = {number for per_setting in rows for row in per_setting for number in row["frames_indices"]}
    assert counted.opened == [name] and counted.frames == len(wanted)
    decoding.decode(look(video, (WHOLE, WINDOW), SETTINGS, tmp_path / "cache"))
    assert counted.opened == [name]  # all of it is in the cache now


@pytest.mark.parametrize("name", ["open-groups.mp4", "open-groups.mpg", "open-hevc.mp4", "trimmed.mp4", "transport.ts"])
def test_a_reader_for_each_clip_where_a_jump_could_change_a_picture(tmp_path, monkeypatch, name):
    video = make(tmp_path, name)
    counted = Counted(monkeypatch)
    decoding.decode(look(video, (WHOLE,), SETTINGS, tmp_path / "cache"))
    assert counted.opened == [name] * 2
    assert not decoding.jumps_are_safe(video)


def test_a_reader_for_each_clip_when_the_decoder_complains(tmp_path, monkeypatch, capfd):
    """decord fills the holes of damaged pictures with what it saw before. It says so on the error stream only."""
    video = spoil(make(tmp_path, "b-frames.mp4"), tmp_path / "spoilt.mp4", seed=0)
    assert decoding.jumps_are_safe(video)
    counted = Counted(monkeypatch)
    rows = decoding.decode(look(video, (WHOLE,), SETTINGS, tmp_path / "cache"))
    assert counted.opened == ["spoilt.mp4"] * 3 and all("file" in row for (row,) in rows)
    assert "spoilt.mp4: decord's decoder complained" in capfd.readouterr().err


def test_few_frames_are_held_decoded(tmp_path, monkeypatch):
    """However many frames a clip has: each is resized, written and let go before the next but one comes."""
    counted = Counted(monkeypatch)
    found = look(make(tmp_path, "narrow.mp4"), (WHOLE,), SETTINGS, tmp_path / "cache")
    (rows,) = zip(*decoding.decode(found), strict=True)
    assert counted.frames == len({i for row in rows for i in row["frames_indices"]}) > 8
    assert counted.most_held <= 2


def test_a_clip_is_mapped_not_read(decoded):
    _, _, indexes = decoded
    clip = FrameIndex.load(indexes[0]).read(Clip((Medium("large.mp4"),))).media[0]
    file = FrameIndex.load(indexes[0]).row(Medium("large.mp4"))["file"]
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("no /proc here")
    assert file in maps.read_text() and clip.frames.is_contiguous()


def test_two_settings_at_once_write_what_each_alone_writes(decoded, tmp_path):
    """Including its name: what was decoded together counts for whoever asks alone, and for numbers written otherwise."""
    root, llava, indexes = decoded
    for n, setting in enumerate([SETTINGS[0], {**SETTINGS[1], "fps": 2}]):
        times = {path: path.stat().st_mtime_ns for path in (root / "cache").rglob("*.safetensors")}
        index = tmp_path / "index.json"
        command = ["--llava", llava, "--media", root / "media", "--cache", root / "cache", "--workers", 0]
        assert program(*command, "--vision", json.dumps(setting), "--index", index) == 0
        assert index.read_bytes() == indexes[n].read_bytes()
        assert times == {path: path.stat().st_mtime_ns for path in (root / "cache").rglob("*.safetensors")}


def test_the_index_is_in_the_order_of_the_questions_each_clip_once(decoded):
    _, _, indexes = decoded
    index = json.loads(indexes[0].read_text())
    clips = [(row["video"], row["start"], row["end"]) for row in index["clips"]]
    expected = [(name, *window) for name in [*VIDEOS, *TURNED, *TRIMMED] for window in (WHOLE, WINDOW)]
    assert clips == [clip for clip in expected if clip in set(clips)]
    assert index["vision"] == SETTINGS[0] and index["image_patch_size"] == 16 and index["reader"] == "decord"


def small(tmp_path: Path, count: int = 3) -> tuple[Path, Path]:
    videos = [f"v{n}.mp4" for n in range(count)]
    for n, video in enumerate(videos):
        render(tmp_path / "media" / video, seed=n)
    return conversations(tmp_path / "x.llava.json", videos), tmp_path / "media"


def test_a_changed_video_or_setting_is_redone_alone(tmp_path, monkeypatch):
    llava, media = small(tmp_path)
    _, (index,) = decode(llava, media, SETTINGS[:1])
    old = {row["video"]: row["file"] for row in FrameIndex.load(index).rows()}
    render(media / "v1.mp4", seed=99)
    os.utime(media / "v0.mp4")  # touched, not changed
    counted = Counted(monkeypatch)
    decode(llava, media, SETTINGS[:1])
    new = {row["video"]: row["file"] for row in FrameIndex.load(index).rows()}
    assert counted.opened == ["v1.mp4"]
    assert {video for video in old if old[video] != new[video]} == {"v1.mp4"}
    decode(llava, media, SETTINGS)  # the second setting is new
    assert counted.opened == ["v1.mp4", "v0.mp4", "v1.mp4", "v2.mp4"]


def ruin(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "folder":
        path.unlink()
        path.mkdir()
    else:
        bad = {"empty": b"", "truncated": content[: len(content) // 3], "text": b"not a video" * 50}
        path.write_bytes(bad[how])


REASONS = {
    "missing": "no such file",
    "folder": "unreadable: Is a directory",
    "empty": "unreadable: zero bytes",
    "truncated": "unreadable: moov atom not found",
    "text": "unreadable: moov atom not found",
}


@pytest.mark.parametrize("how", REASONS)
def test_a_bad_video_is_left_out_with_its_reason_or_stops_the_run(tmp_path, how):
    llava, media = small(tmp_path)
    ruin(media / "v1.mp4", how)
    code, (index,) = decode(llava, media, SETTINGS[:1])
    assert code == 0
    loaded = FrameIndex.load(index)
    assert loaded.left_out == {Medium("v1.mp4"): REASONS[how]} and len(loaded) == 2
    with pytest.raises(ValueError, match=rf"no frames of v1\.mp4: {REASONS[how]}"):
        loaded.read(Clip((Medium("v1.mp4"),)))
    index.unlink()
    message, _ = decode(llava, media, SETTINGS[:1], "--on-bad-video", "fail")
    assert message == f"decode_frames.py: {media / 'v1.mp4'}: {REASONS[how]} (on_bad_video: fail)"
    assert not index.exists() and len(list((tmp_path / "cache").rglob("*.safetensors"))) == 2  # kept


def test_a_download_that_broke_off_is_named_by_the_decoder(tmp_path):
    """The header is at the front and whole, so the file opens. decord fails, and qwen-vl-utils would turn to
    torchvision without a word in the results."""
    llava, media = small(tmp_path)
    content = render(media / "v2.mp4", frames=80, g="10", header_first=True).read_bytes()
    (media / "v2.mp4").write_bytes(content[: len(content) // 2])
    code, (index,) = decode(llava, media, SETTINGS[:1])
    assert code == 0 and FrameIndex.load(index).left_out[Medium("v2.mp4")].endswith("partial file")


@pytest.mark.parametrize("name", ["../secret.mp4", "a/../../secret.mp4", "/etc/secret.mp4"])
def test_a_video_outside_the_media_folder_is_refused(tmp_path, name):
    _, media = small(tmp_path, 1)
    render(tmp_path / "secret.mp4")
    llava = conversations(tmp_path / "x.llava.json", ["v0.mp4", name])
    _, (index,) = decode(llava, media, SETTINGS[:1])
    assert "refused" in FrameIndex.load(index).left_out[Medium(name)]


def test_a_video_too_short_for_one_setting_is_left_out_of_that_one(tmp_path):
    render(tmp_path / "media" / "short.mp4", frames=6)
    render(tmp_path / "media" / "long.mp4", frames=30)
    llava = conversations(tmp_path / "x.llava.json", ["short.mp4", "long.mp4"])
    code, indexes = decode(llava, tmp_path / "media", SETTINGS)
    eight, two_a_second = map(FrameIndex.load, indexes)
    assert code == 0 and len(eight) == 1 and len(two_a_second) == 2
    assert eight.left_out[Medium("short.mp4")] == "8 frames wanted of a video (or window) that has 6"


def test_nothing_usable_is_one_line(tmp_path):
    llava, media = small(tmp_path, 1)
    (media / "v0.mp4").write_bytes(b"")
    message, (index,) = decode(llava, media, SETTINGS[:1])
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
    message = program("--llava", "none", "--media", "none", "--vision", setting, "--index", "none")
    assert word in message and "\n" not in message


def test_a_missing_media_folder_is_one_line(tmp_path):
    llava, _ = small(tmp_path, 1)
    message, _ = decode(llava, tmp_path / "nowhere", SETTINGS[:1])
    assert "nowhere: no such folder" in message


def test_a_kill_loses_the_clips_in_hand_and_no_more(tmp_path):
    """Half-written files have another name and never count; the next run does the rest and writes the same index."""
    names = [f"v{n}.mp4" for n in range(24)]
    render(tmp_path / "media" / names[0], frames=150, size=(640, 360), fps=30)
    content = (tmp_path / "media" / names[0]).read_bytes()
    for n, name in enumerate(names):  # other bytes behind the container's end: another video by content
        (tmp_path / "media" / name).write_bytes(content + b"\0\0\0\x0cfree%04d" % n)
    llava = conversations(tmp_path / "x.llava.json", names)
    large = [{"nframes": 16}]
    command, (index,) = decode_arguments(llava, tmp_path / "media", large)
    with subprocess.Popen(
        [sys.executable, PROGRAM, *map(str, command), "--workers", "1"], start_new_session=True
    ) as run:
        while len(list((tmp_path / "cache").rglob("*.safetensors"))) < 3 and run.poll() is None:
            time.sleep(0.005)
        os.killpg(run.pid, signal.SIGKILL)
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")}
    assert 3 <= len(finished) < len(names) and not index.exists()
    half = next(iter(finished)).with_name(".half.safetensors.1.part")  # as if it had hit a file in the middle
    half.write_bytes(b"x" * 100)
    os.utime(half, (0, 0))
    assert decode(llava, tmp_path / "media", large)[0] == 0
    assert len(FrameIndex.load(index)) == len(names) and not half.exists()
    assert finished == {path: path.stat().st_mtime_ns for path in finished}
    assert program("--verify", index) == 0


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
        return
    if how == "flipped":
        content[-5] ^= 1
    path.write_bytes(content[:-7] if how == "cut" else content[:5] if how == "stub" else bytes(content))
    if how == "renamed":
        path.rename(path.with_name("0" * 32 + ".safetensors"))


@pytest.mark.parametrize("how", ["missing", "flipped", "cut", "stub", "renamed"])
def test_verify_finds_what_is_damaged(tmp_path, how):
    llava, media = small(tmp_path, 2)
    _, (index,) = decode(llava, media, SETTINGS[:1])
    assert program("--verify", index) == 0 and program("--verify", tmp_path / "cache") == 0
    victim = Path(FrameIndex.load(index).rows()[0]["file"])
    damage(victim, how)
    message = program("--verify", index)
    assert victim.name in message and "1 of 2 clips are damaged" in message
    assert (program("--verify", tmp_path / "cache") == 0) == (how == "missing")  # the folder can't know of it
    if how != "flipped":  # only a hash of everything sees that; the rest is seen, and written again
        assert decode(llava, media, SETTINGS[:1])[0] == 0
        assert program("--verify", index) == 0


def test_verify_compares_the_index_too(tmp_path):
    llava, media = small(tmp_path, 1)
    _, (index,) = decode(llava, media, SETTINGS[:1])
    value = json.loads(index.read_text())
    value["clips"][0]["fps"] = 11.0
    index.write_text(json.dumps(value))
    assert "the index says something else" in program("--verify", index)


def test_a_lost_file_is_named_with_the_remedy(tmp_path):
    llava, media = small(tmp_path, 1)
    _, (index,) = decode(llava, media, SETTINGS[:1])
    loaded = FrameIndex.load(index)
    Path(loaded.row(Medium("v0.mp4"))["file"]).unlink()
    with pytest.raises(FileNotFoundError, match=r"frames of v0\.mp4 are missing from the cache; delete .*index0\.json"):
        loaded.read(Clip((Medium("v0.mp4"),)))
    with pytest.raises(ValueError, match="not a frame index"):
        FrameIndex.load(llava)


def test_no_room_is_said_before_anything_is_decoded(tmp_path, monkeypatch):
    llava, media = small(tmp_path, 2)
    counted = Counted(monkeypatch)
    size = 2 * 8 * 3 * 64 * 96  # 96x64 stays as it is under the first setting
    usage = {"free": size - 1}
    monkeypatch.setattr(building.shutil, "disk_usage", lambda _: type("Usage", (), usage))
    message, (index,) = decode(llava, media, SETTINGS[:1])
    assert "only 0.00 GB are free" in message and "\n" not in message and not counted.opened and not index.exists()
    usage["free"] = size + 10_000
    assert decode(llava, media, SETTINGS[:1])[0] == 0
    usage["free"] = 0  # nothing is missing any more, so nothing is needed
    assert decode(llava, media, SETTINGS[:1])[0] == 0
    written = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.safetensors"))
    assert size <= written < size + 10_000


def test_a_video_that_changes_while_it_is_decoded_is_not_kept(tmp_path):
    """Its frames would lie under the hash of what the file was before."""
    video = render(tmp_path / "v.mp4")
    found = look(video, (WHOLE,), SETTINGS, tmp_path / "cache")
    render(video, seed=5, frames=40)
    rows = decoding.decode(found)
    assert all("it changed while it was decoded" in row["reason"] for per_setting in rows for row in per_setting)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_the_key_holds_everything_that_decides_a_pixel():
    plain = ("a" * 64, {"nframes": 8}, None, None, {"decord": "1"})
    others = [
        ("b" * 64, *plain[1:]),
        (plain[0], {"nframes": 6}, *plain[2:]),
        (*plain[:2], 0.0, None, plain[4]),
        (*plain[:3], 2.0, plain[4]),
        (*plain[:4], {"decord": "2"}),
    ]
    files = {frames.clip_file("cache", frames.clip_source(*parts)) for parts in [plain, *others]}
    assert len(files) == 6


def test_the_other_settings_of_a_run_are_decoded_in_the_same_pass(tmp_path, monkeypatch):
    """Two jobs, two indexes, each video opened once; and the bytes are those of each setting alone."""
    llava, media = small(tmp_path)
    counted = Counted(monkeypatch)
    indexes = []
    for setting in SETTINGS:
        code, (index,) = decode(llava, media, [setting], "--also", json.dumps(SETTINGS))
        assert code == 0
        indexes.append(index.read_bytes())
    assert counted.opened == ["v0.mp4", "v1.mp4", "v2.mp4"]
    files = {path: path.read_bytes() for path in (tmp_path / "cache").rglob("*.safetensors")}
    for path in files:
        path.unlink()
    for setting, before in zip(SETTINGS, indexes):
        _, (index,) = decode(llava, media, [setting])
        assert index.read_bytes() == before
    assert files == {path: path.read_bytes() for path in (tmp_path / "cache").rglob("*.safetensors")}


def test_one_job_at_a_time_decodes_a_split(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    with building._one_job_a_split("train.json", tmp_path):
        (lock,) = tmp_path.glob(".*.lock")
        with open(lock, "w") as second, pytest.raises(BlockingIOError):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with building._one_job_a_split("val.json", tmp_path):
            pass
    with building._one_job_a_split("train.json", tmp_path):
        pass


def test_same_bytes_whatever_the_workers(tmp_path):
    """And wherever it is done."""
    made = []
    for workers in (0, 1, 3):
        llava, media = small(tmp_path / str(workers), 4)
        _, indexes = decode(llava, media, SETTINGS, "--workers", workers)
        texts = [index.read_text().replace(str(llava.parent), "") for index in indexes]
        cache = llava.parent / "cache"
        made.append((texts, {path.name: path.read_bytes() for path in cache.rglob("*.safetensors")}))
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("name", ["plain.mp4", "b-frames.mp4", "ntsc.mp4"])
def test_readers_are_compared_frame_by_frame(tmp_path, name):
    """Without torchcodec, or where it can't be loaded, its reason is said and the others are measured."""
    from dev import bench_readers

    readers, unusable = bench_readers.usable(render(tmp_path / "small.mp4"))
    assert {
        "decord",
        "PyAV",
        "PyAV seek",
    } <= readers.keys() and readers.keys() | unusable.keys() == bench_readers.READERS.keys()
    readers["broken"] = lambda path, numbers: bench_readers.by_decord(path, numbers)[:, :, ::-1]
    rows = bench_readers.measure(make(tmp_path, name), readers, 1)
    for row in rows:
        expected = 0 if row["reader"] == "broken" else row["frames"]
        assert row["reader"] == "torchcodec" or row["as_decord"] == expected, row
