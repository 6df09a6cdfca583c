"""Qwen3-VL at its published sizes with random weights, and sequences to measure it with: no data, no download."""

from typing import Any

import torch

from roadtrain import torchvision_cpu
from roadtrain.model import sizes
from roadtrain.model.prompts import Prefix, Segment

VIDEO, IMAGE, VISION_START, VISION_END = 151656, 151655, 151652, 151653  # Qwen3-VL's token ids
# Frame pairs, rows and columns in patches: 8 frames of 1152x640, and 74 of 608x352 (facts of the recipe's two ablations).
GRIDS = {2880: (4, 40, 72), 7733: (37, 22, 38), 24: (2, 6, 8)}
PUBLISHED = {"2B": sizes.CONFIGS["nvidia/Cosmos-Reason2-2B"], "8B": sizes.CONFIGS["nvidia/Cosmos-Reason2-8B"]}
TINY: dict[str, Any] = {  # for trying a benchmark on a CPU
    "text_config": sizes.TEXT
    | {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
    },
    "vision_config": sizes.VISION
    | {
        "hidden_size": 32,
        "intermediate_size": 48,
        "depth": 4,
        "num_heads": 2,
        "out_hidden_size": 64,
        "deepstack_visual_indexes": [0, 1, 2],
    },
    "tie_word_embeddings": True,
}


def config(size: str) -> Any:
    """Of 2B, 8B or tiny, as transformers has it."""
    from transformers import Qwen3VLConfig

    published = PUBLISHED.get(size, TINY)
    section = [6, 5, 5] if size == "tiny" else sizes.ROPE["mrope_section"]
    rope = sizes.ROPE | {"mrope_section": section, "rope_theta": sizes.ROPE_THETA}
    tied = published["tie_word_embeddings"]
    return Qwen3VLConfig(
        text_config=published["text_config"] | {"tie_word_embeddings": tied, "rope_parameters": rope},
        vision_config=published["vision_config"],
        tie_word_embeddings=tied,
        image_token_id=IMAGE,
        video_token_id=VIDEO,
        vision_start_token_id=VISION_START,
        vision_end_token_id=VISION_END,
    )


def random_model(size: str, device: torch.device, dtype: torch.dtype, seed: int = 0) -> Any:
    """The weights depend on the seed and the device only: in another dtype they are the same, rounded."""
    torchvision_cpu.ensure()
    from transformers import Qwen3VLForConditionalGeneration

    architecture = config(size)
    architecture._attn_implementation = "sdpa"
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # .to(dtype) would round the float32 tables of the rotary positions too
    try:
        with torch.device(device):
            model = Qwen3VLForConditionalGeneration(architecture)
    finally:
        torch.set_default_dtype(before)
    generator = torch.Generator(device).manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, device=device, generator=generator)
            if parameter.ndim >= 2 or "bias" in name:
                parameter.copy_(0.02 * noise)
            else:
                parameter.copy_(1 + 0.1 * noise)
    model.config.use_cache = False
    return model.train()


def clip(
    vision_tokens: int, questions: int, length: int, seed: int = 0, ragged: bool = False
) -> tuple[Prefix, list[Segment]]:
    """A video of so many vision tokens (a key of GRIDS) with questions of `length` tokens, two of them the answer."""
    generator = torch.Generator().manual_seed(seed)

    def words(count: int) -> torch.Tensor:
        return torch.randint(10, 150000, (count,), generator=generator)

    pairs, rows, columns = GRIDS[vision_tokens]
    ids = [words(14)]
    for _ in range(pairs):  # <t seconds><|vision_start|> .. <|vision_end|>
        video = torch.full((rows * columns // 4,), VIDEO)
        ids += [words(7), torch.tensor([VISION_START]), video, torch.tensor([VISION_END])]
    pixels = torch.randn(pairs * rows * columns, 1536, generator=generator)
    none = torch.zeros(0, 3, dtype=torch.long)
    prefix = Prefix(torch.cat(ids), pixels, torch.tensor([[pairs, rows, columns]]), torch.zeros(0, 1536), none, IMAGE)
    lengths = [length - (3 * (k % 5) if ragged else 0) for k in range(questions)]
    return prefix, [Segment(words(n - 2).tolist(), words(2).tolist()) for n in lengths]


def stock_inputs(model: Any, sequence: Any) -> dict[str, Any]:
    """A sequence with one question as transformers' own forward takes it."""
    device, dtype = model.lm_head.weight.device, model.lm_head.weight.dtype
    ids = sequence.input_ids[None].to(device)
    return dict(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        mm_token_type_ids=2 * (ids == VIDEO).int(),
        pixel_values_videos=sequence.pixels.to(device, dtype),
        video_grid_thw=sequence.grid.to(device),
    )
