"""Qwen3-VL-2B's sizes (or 8B's) with random weights, clips of noise and questions of about eighty tokens: for questions a second.

The tiny base's tokenizer and processor; nothing is learnt here.
"""

import functools
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roadtrain.model import sizes

BASE = Path("specs/sample/base")
MEMORY = Path("/dev/shm")  # 4 GB of weights (8B: 17), read once
QUESTIONS = 16  # about a clip


@dataclass(frozen=True)
class Clips:
    """Clips of noise, and where their index and their questions lie."""

    name: str
    frames: int
    height: int
    width: int
    tokens: int
    count: int = 24
    size: str = "2B"  # of the model that they are shown to

    @property
    def folder(self) -> Path:
        return Path("results/gpu/big", self.name)

    @property
    def model(self) -> Path:
        """That they are shown to."""
        return BASE if self.name == SMALL.name else model_folder(self.size)


SHORT = Clips("short", frames=8, height=640, width=1152, tokens=2880)  # the recipe's nframes8 of a 1920x1080 video
LONG = Clips("long", frames=74, height=352, width=608, tokens=7733)  # the recipe's fps 1 of 75 s with 8k tokens
SMALL = Clips("small", frames=8, height=64, width=96, tokens=24)  # to try the programs on a CPU, with the sample's base


def model_folder(size: str) -> Path:
    """Where the weights lie, or will: in memory where that holds them."""
    name, room = f"roadtrain-{size}", {"2B": 5e9, "8B": 18e9}[size]
    places = [MEMORY / name, Path("weights", name).absolute()]
    written = [place for place in places if place.exists()]
    return written[0] if written else places[shutil.disk_usage(MEMORY).free < room]


def changes(kind: str, folder: Path, gpus: int, questions: int, clips: Clips) -> dict[str, str]:
    """What differs from the sample's TOML: `questions` of an optimizer step on all GPUs together."""
    return {
        "annotation_path": f'"{clips.folder}/train.llava.json"',
        "frames_index": f'"{clips.folder}/train.json"',
        "kind": f'"{kind}"',
        "model_name_or_path": f'"{clips.model}"',
        "output_dir": f'"{folder}"',
        "enable_checkpoint": "false",
        "resume": "false",
        "epoch": "1",
        "train_batch_per_replica": str(questions // gpus),
        "model_max_length": "16384",
        "dp_shard_size": str(gpus),
    }


def write(vision: dict[str, Any], clips: Clips) -> dict[str, int]:
    """The model, the clips and the questions into their folders. `vision` is the TOML's setting: the index has to have the
    same, though these frames were never decoded."""
    write_questions(vision, clips)
    return {"parameters": 0 if clips.model == BASE else write_model(clips.size)}


def write_model(size: str = "2B") -> int:
    """Into its folder. Returns how many weights it has."""
    import torch
    from transformers import AutoConfig, Qwen3VLForConditionalGeneration

    here = model_folder(size)
    shutil.rmtree(here, ignore_errors=True)
    shutil.copytree(BASE, here, ignore=shutil.ignore_patterns("*.safetensors"))
    config = AutoConfig.from_pretrained(BASE, trust_remote_code=False)
    for part in ("text_config", "vision_config"):
        for key, value in sizes.CONFIGS[f"nvidia/Cosmos-Reason2-{size}"][part].items():
            setattr(getattr(config, part), key, value)
    config.tie_word_embeddings = sizes.CONFIGS[f"nvidia/Cosmos-Reason2-{size}"]["tie_word_embeddings"]
    config.text_config.rope_parameters = sizes.ROPE | {"rope_theta": sizes.ROPE_THETA}
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = Qwen3VLForConditionalGeneration(config)
    model.save_pretrained(here)
    written = json.loads((here / "config.json").read_text())
    # As transformers 4.57 reads them.
    written["text_config"] |= {"rope_scaling": sizes.ROPE, "rope_theta": sizes.ROPE_THETA}
    (here / "config.json").write_text(json.dumps(written, indent=2))
    return sum(p.numel() for p in model.parameters())


def write_questions(vision: dict[str, Any], clips: Clips) -> None:
    """Clips of noise in the frame cache, their index and their questions."""
    rows, entries = [], []
    clips.folder.mkdir(parents=True, exist_ok=True)
    for n in range(clips.count):
        file = noise_file(clips, n)
        rows.append(
            {
                "video": f"{n}.mp4",
                "start": None,
                "end": None,
                "file": str(file),
                "frames": clips.frames,
                "height": clips.height,
                "width": clips.width,
                "fps": 30.0,
                "frames_indices": [k * 2249 // (clips.frames - 1) for k in range(clips.frames)],
                "total_num_frames": 2250,
                "vision_tokens": clips.tokens,
            }
        )
        for k in range(QUESTIONS):
            human = f"<video> \n {'what is the weather now ' * 8}{k} \n A: yes \n B: no \n \nAnswer with the option's letter from the given choices directly."
            entries.append(
                {
                    "id": f"{n}_{k}",
                    "wts_id": str(n),
                    "video": f"{n}.mp4",
                    "type": "t",
                    "phase": "full_video",
                    "conversations": [{"from": "human", "value": human}, {"from": "gpt", "value": "AB"[k % 2]}],
                }
            )
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(functools.partial(write_noise, clips), range(clips.count)))
    index = {"vision": vision, "reader": "decord", "clips": rows, "left_out": []}
    (clips.folder / "train.json").write_text(json.dumps(index))
    (clips.folder / "train.llava.json").write_text(json.dumps(entries))


def noise_file(clips: Clips, n: int) -> Path:
    """Of clip n."""
    return Path(f"cache/frames/big/{clips.name}/{n}.safetensors")


def write_noise(clips: Clips, n: int) -> None:
    """Clip n, unless it is there."""
    import numpy as np
    from safetensors.numpy import save_file

    file = noise_file(clips, n)
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(n).integers(0, 256, (clips.frames, 3, clips.height, clips.width), dtype=np.uint8)
    metadata = {"clip": json.dumps({"sha256": f"noise {n} {clips.height}x{clips.width}"})}
    save_file({"frames": frames}, file, metadata=metadata)
