"""A very small random Qwen3-VL with deepstack, M-RoPE, tokenizer and processor, made in seconds."""

from functools import cache
from pathlib import Path

BASE = Path(__file__).parents[2] / "specs/sample/base"


def processor():
    """The committed base's processor: real tokenizer, chat template and video processor."""
    from roadtrain.model.loading import load_processor

    return load_processor(BASE)


@cache
def processor_control() -> frozenset[str]:
    """The names of its control tokens."""
    tokens = processor().tokenizer.added_tokens_decoder.values()
    return frozenset(token.content for token in tokens if token.special)


def model(dtype: str = "float64", seed: int = 0):
    """4 decoder layers of width 64, 4 vision blocks of width 32, deepstack after three of them. Weights are alive:
    attention isn't uniform, deepstack matters."""
    from roadtrain import torchvision_cpu

    torchvision_cpu.ensure()
    import torch
    from transformers import AutoConfig, Qwen3VLForConditionalGeneration

    config = AutoConfig.from_pretrained(BASE)
    for key, value in dict(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
    ).items():
        setattr(config.text_config, key, value)
    for key, value in dict(
        hidden_size=32,
        intermediate_size=48,
        depth=4,
        num_heads=2,
        out_hidden_size=64,
        deepstack_visual_indexes=[0, 1, 2],
    ).items():
        setattr(config.vision_config, key, value)
    config._attn_implementation = "sdpa"
    torch.manual_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        network = Qwen3VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim >= 2:
                parameter.mul_(4)
            elif "bias" in name:
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator).to(parameter))
            else:
                parameter.mul_(1 + 0.3 * torch.rand(parameter.shape, generator=generator).to(parameter))
    network.config.use_cache = False
    return network.train()


def clip(seed: int = 0, frames: int = 6, height: int = 64, width: int = 96):
    """Random frames as the cache gives them."""
    import torch

    from roadtrain.frames.index import ClipFrames, MediumFrames

    pixels = torch.randint(
        0, 256, (frames, 3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8
    )
    indices = list(range(0, frames * 5, 5))
    metadata = {"fps": 10.0, "frames_indices": indices, "total_num_frames": frames * 5, "video_backend": "decord"}
    return ClipFrames((MediumFrames(pixels, metadata, frames // 2 * (height // 32) * (width // 32)),))


def entries(count: int, ragged: bool = True, video: str = "v.mp4", scenario: str = "s"):
    """Multiple-choice questions; ragged ones differ in length, and so do some answers."""
    from roadtrain.data.llava import multiple_choice
    from roadtrain.data.question import Question
    from roadtrain.media import Clip, Medium

    questions = []
    for n in range(count):
        extra = " and what else" * (n % 4) if ragged else ""
        text, options = f"What is seen here{extra}?", {"A": "one", "B": "two", "C": "three"}
        prompt = multiple_choice(text, options)
        answer = "ABC"[n % 3] + (" or so" if ragged and n % 3 == 2 else "")
        questions.append(
            Question(
                id=f"{video}_{n}",
                scenario=scenario,
                clip=Clip((Medium(video),)),
                type="t",
                phase="full_video",
                prompt=prompt.replace("<video>", "").strip(),
                answer=answer,
                text=text,
                options=options,
            )
        )
    return questions
