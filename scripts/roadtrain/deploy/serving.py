"""What a server and a client have to know about a checkpoint: its setting, and how to say it to vLLM.

A server samples and resizes videos itself. Told the setting that the checkpoint was trained with, vLLM takes the same
frames at the same size where `vision` has nframes; with fps it may take one frame more or less, because qwen-vl-utils
rounds to an even number. Its reader is OpenCV, ours decord: pictures may differ a little.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.cli import UserError
from roadtrain.files import read_json
from roadtrain.frames import sampling as arithmetic
from roadtrain.paths import Paths

SYSTEM_PROMPT = "You are a helpful assistant."


@dataclass(frozen=True)
class Setting:
    """A checkpoint and what it was trained with."""

    path: Path  # the Hugging Face directory
    name: str
    vision: dict[str, Any] | None  # None: not known
    system_prompt: str = SYSTEM_PROMPT
    max_length: int = 32768


def setting_of(checkpoint: str, vision: str | None = None) -> Setting:
    """`checkpoint` is a directory or a checkpoint's manifest (JSON). When it lies in weights/<run>/<ablation>/, the
    run's spec.json says the rest. `vision` (JSON) comes first. Raises UserError for what is no checkpoint."""
    given = Path(checkpoint)
    path = Path(read_json(given)["path"]) if given.suffix == ".json" else given
    if not (path / "config.json").exists():
        raise UserError(f"{path}: no config.json: not a Hugging Face model directory")
    found: dict[str, Any] = {}
    parts = path.absolute().parts
    if len(parts) > 4 and parts[-4] == "weights":
        run, ablation = parts[-3:-1]
        spec = Path(*parts[:-4]) / Paths(run).spec
        if spec.exists():
            resolved = read_json(spec)
            own = resolved["ablations"].get(ablation, {})
            found = {"vision": own.get("vision"), "system_prompt": resolved["spec"]["data"]["system_prompt"]}
            found |= {"max_length": own["train"]["model_max_length"]} if own else {}
    if vision:
        found["vision"] = json.loads(vision)
    return Setting(path, path.name, **({"vision": None} | found))


def media_options(vision: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A vision setting as vLLM's --media-io-kwargs and --mm-processor-kwargs."""
    least, most = vision.get("min_frames", arithmetic.MIN_FRAMES), vision.get("max_frames", arithmetic.MAX_FRAMES)
    frames = {"fps": vision.get("fps", arithmetic.FPS), "min_frames": least, "max_frames": most}
    if "nframes" in vision:
        frames |= {"min_frames": vision["nframes"], "max_frames": vision["nframes"]}
    return {
        "media_io": {"video": {"video_backend": "qwen3_vl", **frames}},
        "processor": {"size": volume(vision)},
    }


def volume(vision: dict[str, Any]) -> dict[str, int]:
    """Limits in pixels of all frames together, as Qwen3-VL's video processor has them. With fps the number of frames
    differs from video to video: total_pixels then decides alone."""
    small = vision.get("min_pixels", arithmetic.MIN_PIXELS)
    total = vision.get("total_pixels", arithmetic.TOTAL_PIXELS)
    if "nframes" not in vision:
        most = (
            vision["max_pixels"] * vision.get("max_frames", arithmetic.MAX_FRAMES)
            if "max_pixels" in vision
            else total * 2
        )
        return {
            "shortest_edge": small * vision.get("min_frames", arithmetic.MIN_FRAMES),
            "longest_edge": int(min(most, total * 2)),
        }
    count = vision["nframes"]
    large = max(min(arithmetic.MAX_PIXELS, total / count * arithmetic.TEMPORAL), int(small * 1.05))
    return {"shortest_edge": small * count, "longest_edge": int(min(vision.get("max_pixels", large), large) * count)}


def gpus_here() -> int:
    """1 where there is an NVIDIA GPU, else 0: the CPU."""
    return int(any(Path("/dev").glob("nvidia[0-9]*")))
