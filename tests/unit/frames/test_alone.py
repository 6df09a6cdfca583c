"""What is asked about here, and what a server is sent, is what training saw."""

import json
import time

import numpy as np
import pytest
import torch

from roadtrain.deploy.ask import server_video
from roadtrain.deploy.serving import setting_of
from roadtrain.files import write_json
from roadtrain.frames import alone
from roadtrain.frames.alone import Reading, read_alone
from roadtrain.frames.index import FrameIndex
from roadtrain.media import Clip, Medium
from roadtrain.workers import JobLimits
from support.frame_cache import decode_settings, write_conversations
from support.numbered import Kind, make_numbered, number_of, x264

EIGHT = {"nframes": 8, "min_pixels": 4096, "max_pixels": 320 * 256}
TWO_A_SECOND = {"fps": 2.0, "min_pixels": 4096, "max_pixels": 320 * 256}


def no_limits(function, jobs, count, start, limits):
    """In this process: starting one that loads torch takes seconds."""
    return [(job, function(job)) for job in jobs]


def shown_by_opencv(content: bytes, path) -> tuple[np.ndarray, float]:
    """The frames of a file as vLLM's reader has them, and their rate."""
    import cv2

    path.write_bytes(content)
    capture, frames = cv2.VideoCapture(str(path)), []
    while (shown := capture.read())[0]:
        frames.append(cv2.cvtColor(shown[1], cv2.COLOR_BGR2RGB))
    assert len(frames) == capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return np.stack(frames), capture.get(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize("setting", [EIGHT, TWO_A_SECOND], ids=["nframes", "fps"])
def test_a_server_is_sent_the_frames_of_training_bit_for_bit(tmp_path, monkeypatch, setting):
    """x264 in AVI, of which OpenCV and decord show other moments; its own reader has nothing left to choose."""
    monkeypatch.setattr(alone, "run_jobs", no_limits)
    video = make_numbered(tmp_path / "media/x264.avi", Kind(frames=100, options=x264(g="25", bf="2")))
    llava = write_conversations(tmp_path / "x.llava.json", ["x264.avi"])
    code, (index,) = decode_settings(llava, tmp_path / "media", [setting])
    assert code == 0
    trained = FrameIndex.load(index).read(Clip((Medium("x264.avi"),))).media[0]
    sent, rate = shown_by_opencv(server_video(video, setting, Reading()).content, tmp_path / "sent.mp4")
    assert np.array_equal(sent, trained.frames.permute(0, 2, 3, 1).numpy())
    assert [number_of(picture) for picture in sent] == trained.metadata["frames_indices"]
    times = [number / 25 for number in trained.metadata["frames_indices"]]
    assert np.abs(np.arange(len(times)) / rate - times).max() < 0.5 / 25 + 1e-6
    assert rate <= setting.get("fps", 25)  # a server that samples by this rate takes them all


def test_without_a_vision_setting_the_file_is_sent_as_it_is(tmp_path):
    (tmp_path / "a.mkv").write_bytes(b"anything")
    sent = server_video(tmp_path / "a.mkv", None, Reading())
    assert (sent.kind, sent.content) == ("video/x-matroska", b"anything")
    with pytest.raises(FileNotFoundError, match="no such file"):
        server_video(tmp_path / "b.mkv", None, Reading())
    with pytest.raises(ValueError, match="a device, not a file"):
        server_video("/dev/zero", None, Reading())


def test_a_video_that_hangs_is_named_where_somebody_asks(tmp_path, monkeypatch):
    video = make_numbered(tmp_path / "v.mp4", Kind(frames=9))
    monkeypatch.setattr(alone, "decode", hang)
    monkeypatch.setattr(alone, "prepare_worker", time.monotonic)  # loading torch takes seconds
    with pytest.raises(ValueError, match=r"v\.mp4: unreadable: the decoder did not answer for 1 s"):
        read_alone(video, EIGHT, Reading(limits=JobLimits(seconds=1)))


def hang(_: object) -> None:
    time.sleep(3600)


@pytest.mark.slow
def test_it_is_the_cache_that_is_read_alone(tmp_path):
    """In a process of its own, by both readers."""
    video = make_numbered(tmp_path / "media/v.mp4", Kind(frames=60))
    llava = write_conversations(tmp_path / "x.llava.json", ["v.mp4"])
    for reader in ("pyav", "decord"):
        _, (index,) = decode_settings(llava, tmp_path / "media", [EIGHT], "--frames", json.dumps({"reader": reader}))
        trained = FrameIndex.load(index).read(Clip((Medium("v.mp4"),))).media[0]
        frames = read_alone(video, EIGHT, Reading(reader))
        assert torch.equal(frames.frames, trained.frames) and frames.metadata == trained.metadata


@pytest.mark.parametrize(
    "frames, reader", [({"reader": "decord"}, "decord"), ({"reader": "pyav"}, "pyav"), (None, "decord")]
)
def test_a_checkpoint_is_asked_by_the_reader_that_it_was_trained_with(tmp_path, frames, reader):
    """A run of 0.2 had decord only."""
    weights = tmp_path / "weights/r/a/epoch_1"
    write_json(weights / "config.json", {})
    spec = {"data": {"system_prompt": "s"}} | ({"frames": frames} if frames else {})
    ablations = {"a": {"vision": EIGHT, "train": {"model_max_length": 99}}}
    write_json(tmp_path / "results/r/spec.json", {"run": "r", "spec": spec, "ablations": ablations})
    assert setting_of(str(weights)).reader == reader
