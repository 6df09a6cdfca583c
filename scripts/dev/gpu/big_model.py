"""Qwen3-VL-2B's sizes with random weights, clips of noise and questions of about eighty tokens: for questions a second.

The tiny base's tokenizer and processor; nothing is learnt here.
"""

import json
import shutil
from pathlib import Path
from typing import Any

BASE, HERE = Path("specs/sample/base"), Path("/dev/shm/roadtrain-2b")  # memory: 4 GB of weights, read once
DATA = Path("results/gpu/big")
ROPE = {"mrope_interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default"}
TEXT = dict(
    hidden_size=2048,
    intermediate_size=6144,
    num_hidden_layers=28,
    num_attention_heads=16,
    num_key_value_heads=8,
    head_dim=128,
    vocab_size=151936,
    max_position_embeddings=32768,
)
VISION = dict(
    hidden_size=1024,
    intermediate_size=4096,
    depth=24,
    num_heads=16,
    out_hidden_size=2048,
    num_position_embeddings=2304,
    deepstack_visual_indexes=[5, 11, 17],
)
CLIPS, QUESTIONS, STEPS = 8, 16, 4
FRAMES, HEIGHT, WIDTH = 8, 640, 1152  # 2,880 tokens, the recipe's nframes8 of a 1920x1080 video


def changes(kind: str, folder: Path, gpus: int) -> dict[str, str]:
    """What differs from the sample's TOML."""
    return {
        "annotation_path": f'"{DATA}/train.llava.json"',
        "frames_index": f'"{DATA}/train.json"',
        "kind": f'"{kind}"',
        "model_name_or_path": f'"{HERE}"',
        "output_dir": f'"{folder}"',
        "enable_checkpoint": "false",
        "resume": "false",
        "epoch": "1",
        "train_batch_per_replica": str(CLIPS * QUESTIONS // STEPS // gpus),
        "model_max_length": "16384",
        "dp_shard_size": str(gpus),
    }


def write(vision: dict[str, Any]) -> dict[str, int]:
    """The model into HERE, the clips and questions into DATA. `vision`: the TOML's setting, which the frame index has to
    repeat."""
    questions(vision)
    return {"parameters": model()}


def model() -> int:
    import torch
    from transformers import AutoConfig, Qwen3VLForConditionalGeneration

    shutil.rmtree(HERE, ignore_errors=True)
    shutil.copytree(BASE, HERE, ignore=shutil.ignore_patterns("*.safetensors"))
    config = AutoConfig.from_pretrained(BASE)
    for part, sizes in ((config.text_config, TEXT), (config.vision_config, VISION)):
        for key, value in sizes.items():
            setattr(part, key, value)
    config.text_config.rope_parameters = ROPE | {"rope_theta": 5e6}
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        big = Qwen3VLForConditionalGeneration(config)
    big.save_pretrained(HERE)
    written = json.loads((HERE / "config.json").read_text())
    written["text_config"] |= {"rope_scaling": ROPE, "rope_theta": 5e6}  # as transformers 4.57 reads them
    (HERE / "config.json").write_text(json.dumps(written, indent=2))
    return sum(p.numel() for p in big.parameters())


def questions(vision: dict[str, Any]) -> None:
    import torch
    from safetensors.torch import save_file

    rows, entries = [], []
    DATA.mkdir(parents=True, exist_ok=True)
    for n in range(CLIPS):
        file = Path(f"cache/frames/big/{n}.safetensors")
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({"frames": torch.randint(0, 256, (FRAMES, 3, HEIGHT, WIDTH), dtype=torch.uint8)}, file)
        rows.append(
            {
                "video": f"{n}.mp4",
                "start": None,
                "end": None,
                "file": str(file),
                "frames": FRAMES,
                "height": HEIGHT,
                "width": WIDTH,
                "fps": 30.0,
                "frames_indices": [k * 321 for k in range(FRAMES)],
                "total_num_frames": 2250,
                "vision_tokens": 2880,
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
    index = {"vision": vision, "reader": "decord", "clips": rows, "left_out": []}
    (DATA / "train.json").write_text(json.dumps(index))
    (DATA / "train.llava.json").write_text(json.dumps(entries))
