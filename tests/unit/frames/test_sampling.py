"""qwen-vl-utils' arithmetic without torch: the recipe's numbers, and equality with its own functions."""

import random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from roadtrain import torchvision_cpu
from roadtrain.frames import sampling as vision


@pytest.mark.parametrize(
    "setting, size, tokens",
    [({"nframes": 8}, (640, 1152), 2880), ({"fps": 1, "total_pixels": 8388608}, (352, 608), 7733)],
)
def test_the_recipes_numbers(setting, size, tokens):
    """75 s of 1920x1080: 8/2 x 1152x640/1024 and 74/2 x 608x352/1024 vision tokens."""
    plan = vision.sample(setting, total_frames=2250, fps=30.0, height=1080, width=1920)
    assert (plan.height, plan.width) == size and plan.vision_tokens == tokens


def test_frame_numbers_are_those_of_torch():
    import torch

    rng = random.Random(0)
    for _ in range(3000):
        first = rng.randrange(500)
        last, count = first + rng.randrange(1, 9000), rng.randrange(2, 768, 2)
        assert vision.linspace(first, last, count) == torch.linspace(first, last, count).round().long().tolist()


@settings(max_examples=300, deadline=None)
@given(
    height=st.integers(16, 2200),
    width=st.integers(16, 4000),
    frames=st.integers(1, 3000),
    fps=st.floats(1, 120),
    fields=st.sampled_from(
        [
            {"nframes": 8},
            {"nframes": 2},
            {"fps": 1.0},
            {"fps": 0.3, "min_frames": 6},
            {"fps": 4.0, "max_frames": 20},
            {"nframes": 8, "min_pixels": 4096, "max_pixels": 17408},
            {"fps": 1.0, "total_pixels": 8388608},
            {"fps": 2.0, "min_pixels": 4096, "total_pixels": 81920},
            {"nframes": 4, "min_pixels": 65536, "max_pixels": 20000},
        ]
    ),
    window=st.sampled_from([(None, None), (1.0, 3.5), (None, 2.0), (0.7, None), (5.0, 4.0), (0.0, 999.0)]),
)
def test_the_same_plan_as_qwen_vl_utils(height, width, frames, fps, fields, window):
    torchvision_cpu.ensure()
    from qwen_vl_utils import vision_process as q

    assume(max(height, width) / min(height, width) < 200)
    element = dict(fields) | {k: v for k, v in zip(("video_start", "video_end"), window, strict=True) if v is not None}
    try:
        first, last, count = q.calculate_video_frame_range(element, frames, fps)
        n = q.smart_nframes(element, count, fps)
        least = fields.get("min_pixels", 128 * 1024)
        total = fields.get("total_pixels", q.MODEL_SEQ_LEN * 1024 * 0.9)
        most = min(fields.get("max_pixels", 10**12), max(min(768 * 1024, total / n * 2), int(least * 1.05)))
        size = q.smart_resize(height, width, factor=32, min_pixels=least, max_pixels=most)
        assume(min(size) > 0)
    except (ValueError, AssertionError):
        with pytest.raises(ValueError):
            vision.sample(
                fields,
                total_frames=frames,
                fps=fps,
                height=height,
                width=width,
                start=window[0],
                end=window[1],
            )
        return
    plan = vision.sample(
        fields, total_frames=frames, fps=fps, height=height, width=width, start=window[0], end=window[1]
    )
    import torch

    assert plan.indices == tuple(torch.linspace(first, last, n).round().long().tolist())
    assert (plan.height, plan.width) == size
