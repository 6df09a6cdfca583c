"""Stock libraries, told the vision setting in their own words: transformers' processor, and the recipe's way by qwen-vl-utils."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dev.conformance.clips import Case
from dev.conformance.seen import QUESTION, SYSTEM_PROMPT, Seen
from roadtrain import torchvision_cpu
from roadtrain.deploy.server_words import volume
from roadtrain.model.loading import load_processor

Way = Callable[[Any, Case, Path], Seen]


def see(root: Path, model: Path, cases: Sequence[Case]) -> None:
    """transformers/ and recipe/ of every case."""
    torchvision_cpu.ensure()
    os.environ["FORCE_QWENVL_VIDEO_READER"] = "decord"  # the recipe's; torchvision has lost its own
    processor = load_processor(model)
    ways: dict[str, Way] = {"transformers": by_transformers, "recipe": by_recipe}
    for name, way in ways.items():
        for case in cases:
            try:
                seen = way(processor, case, root / "media" / case.file)
            except Exception as error:  # whatever a library raises is what its users see
                seen = Seen(problem=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            seen.save(root / name, case.name)


def chat(processor: Any, video: dict[str, Any]) -> list[dict[str, Any]]:
    """The one question, as both libraries take it."""
    content = [video, {"type": "text", "text": QUESTION}]
    return [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": content}]


def by_transformers(processor: Any, case: Case, file: Path) -> Seen:
    """Its own reader (PyAV), sampling and resizing. It has no windows."""
    from transformers.video_utils import load_video

    if case.is_window:
        return Seen(problem="has no windows")
    vision = case.vision
    rate = {"num_frames": vision["nframes"]} if "nframes" in vision else {"fps": vision["fps"]}
    sampling = partial(processor.video_processor.sample_frames, **rate)
    video, metadata = load_video(str(file), backend="pyav", sample_indices_fn=sampling)
    text = processor.apply_chat_template(chat(processor, {"type": "video"}), tokenize=False, add_generation_prompt=True)
    batch = processor(
        text=[text],
        videos=[video],
        video_metadata=[metadata],
        do_sample_frames=False,
        size=volume(vision),
        return_tensors="pt",
    )
    return seen_of(batch, metadata.frames_indices)


def by_recipe(processor: Any, case: Case, file: Path) -> Seen:
    """process_vision_info and the processor, as in NVIDIA's cookbook recipe."""
    from qwen_vl_utils import process_vision_info

    window = {"video_start": case.start, "video_end": case.end} if case.is_window else {}
    messages = chat(processor, {"type": "video", "video": str(file), **case.vision, **window})
    _, videos, options = process_vision_info(
        messages, image_patch_size=16, return_video_kwargs=True, return_video_metadata=True
    )
    frames, metadata = zip(*videos, strict=True)
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    batch = processor(
        text=[text],
        videos=list(frames),
        video_metadata=list(metadata),
        do_resize=False,
        return_tensors="pt",
        **options,
    )
    return seen_of(batch, metadata[0]["frames_indices"])


def seen_of(batch: Any, indices: Any) -> Seen:
    return Seen(
        batch["input_ids"][0].numpy(),
        batch["pixel_values_videos"].float().numpy(),
        batch["video_grid_thw"].numpy(),
        np.asarray(indices),
    )
