"""One decoded cache of every kind of video, and qwen-vl-utils' own frames."""

from pathlib import Path

import pytest

from roadtrain import torchvision_cpu
from support.frame_cache import (
    RECIPE,
    SETTINGS,
    TRIMMED,
    TURNED,
    VIDEOS,
    WHOLE,
    WINDOW,
    decode_settings,
    make_video,
    write_conversations,
)


@pytest.fixture(scope="module")
def decoded_cache(tmp_path_factory):
    return decode_all(tmp_path_factory.mktemp("frames"))


@pytest.fixture(scope="module")
def recipe_cache(tmp_path_factory):
    return decode_all(tmp_path_factory.mktemp("recipe"), *RECIPE)


def decode_all(root, *more):
    names = [*VIDEOS, *TURNED, *TRIMMED]
    for name in names:
        make_video(root / "media", name)
    llava = write_conversations(root / "x.llava.json", names, (WHOLE, WINDOW))
    code, indexes = decode_settings(llava, root / "media", SETTINGS, *more)
    assert code == 0
    return root, llava, indexes


@pytest.fixture
def qwen_frames(monkeypatch):
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
