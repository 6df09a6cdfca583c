"""The arguments of vLLM's OpenAI server, on this machine (serving.py) and in a container, where this project isn't."""

import json
import os
from collections.abc import Mapping
from typing import Any

from roadtrain.deploy.addresses import plain_host
from roadtrain.frames import sampling
from roadtrain.spec.resolved import VisionSettings

WEIGHTS, CONTAINER_PORT = "/weights", 8000  # in a container


def media_options(vision: VisionSettings) -> dict[str, dict[str, Any]]:
    """A vision setting as vLLM's --media-io-kwargs and --mm-processor-kwargs for its own reader."""
    least, most = vision.get("min_frames", sampling.MIN_FRAMES), vision.get("max_frames", sampling.MAX_FRAMES)
    frames = {"fps": vision.get("fps", sampling.FPS), "min_frames": least, "max_frames": most}
    if "nframes" in vision:
        frames |= {"min_frames": vision["nframes"], "max_frames": vision["nframes"]}
    return {
        "media_io": {"video": {"video_backend": "qwen3_vl", **frames}},
        # Of a video with just as many frames as are wanted vLLM's reader says: sample these again, two a second. All keys are
        # flat: vLLM 0.26 puts some of them beside a `videos_kwargs`, and transformers refuses what stands in both.
        "processor": {"size": volume(vision), "do_sample_frames": False},
    }


def volume(vision: VisionSettings) -> dict[str, int]:
    """Limits in pixels of all frames together, as Qwen3-VL's video processor has them. With fps the number of frames
    differs from video to video: total_pixels then decides alone."""
    small = vision.get("min_pixels", sampling.MIN_PIXELS)
    total = vision.get("total_pixels", sampling.TOTAL_PIXELS)
    if "nframes" not in vision:
        most = (
            vision["max_pixels"] * vision.get("max_frames", sampling.MAX_FRAMES)
            if "max_pixels" in vision
            else total * 2
        )
        return {
            "shortest_edge": int(small * vision.get("min_frames", sampling.MIN_FRAMES)),
            "longest_edge": int(min(most, total * 2)),
        }
    count = vision["nframes"]
    large = max(min(sampling.MAX_PIXELS, total / count * sampling.TEMPORAL), int(small * 1.05))
    return {
        "shortest_edge": int(small * count),
        "longest_edge": int(min(vision.get("max_pixels", large), large) * count),
    }


def container_command(name: str, vision: VisionSettings | None, engine_options: Mapping[str, Any]) -> list[str]:
    """The same server in a container, with vLLM's own reader of videos: this project isn't in its image. The checkpoint lies in
    WEIGHTS there, and who reaches it decides what starts it."""
    model, media = {"model": WEIGHTS, "served-model-name": name}, media_options(vision) if vision else None
    return server_words(model, media, engine_options, "0.0.0.0", CONTAINER_PORT)


def server_words(
    model: Mapping[str, Any],
    media: Mapping[str, Any] | None,
    engine_options: Mapping[str, Any],
    host: str,
    port: int,
    media_folder: str | None = None,
) -> list[str]:
    """The arguments themselves. `model`: which checkpoint, in the server's words; `media`: how videos are read and sized."""
    options: dict[str, Any] = {
        **model,
        "host": plain_host(host),
        "port": str(port),
        "limit-mm-per-prompt": json.dumps(engine_options["limit_mm_per_prompt"]),
    }
    options |= {key.replace("_", "-"): value for key, value in engine_options.items() if key != "limit_mm_per_prompt"}
    if media:
        options["media-io-kwargs"] = json.dumps(media["media_io"])
        options["mm-processor-kwargs"] = json.dumps(media["processor"])
    if media_folder:
        options["allowed-local-media-path"] = os.path.abspath(media_folder)
    command = ["-m", "vllm.entrypoints.openai.api_server"]
    for name, value in options.items():
        text = str(value)
        words = [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]  # a name may begin with a dash
        command += [f"--{name}"] if value is True else words
    return command
