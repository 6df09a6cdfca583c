"""An own byte-level BPE of about 1,024 tokens with Qwen's special tokens, and the processor around it.

Qwen's vocabulary is 11 MB as tokenizer.json, more than the whole tiny model. The corpus here is the format of
the prompts and pseudo-words; see words.py.
"""

import json
import random

from . import words

SYSTEM = "You are a helpful assistant."
TAIL = "Answer with the option's letter from the given choices directly."
VOCABULARY = 1024
SPECIAL = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
SOFT = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"]
FUNCTION_WORDS = (
    "what is the of in are there how many does do which a an to on at from it has have where when who that this"
).split()

# Qwen's chat format without tools: system, user with pictures and videos, assistant.
CHAT_TEMPLATE = """\
{%- macro text_of(content) -%}
    {%- if content is string %}{{- content }}{%- else %}
        {%- for part in content %}
            {%- if part.type == 'image' or 'image' in part or 'image_url' in part %}
                {{- '<|vision_start|><|image_pad|><|vision_end|>' }}
            {%- elif part.type == 'video' or 'video' in part %}
                {{- '<|vision_start|><|video_pad|><|vision_end|>' }}
            {%- elif 'text' in part %}
                {{- part.text }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
{%- endmacro %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + text_of(message.content) + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""


def corpus(seed: int = 0) -> list[str]:
    """Texts the BPE is trained on: prompts in the project's format, filled with pseudo-words."""
    rng = random.Random(seed)
    texts = []
    for _ in range(3000):
        options = words.random_options(rng, words.TRAINED, 4)
        questions = " ".join(
            rng.choice(FUNCTION_WORDS) if rng.random() < 0.5 else rng.choice(words.TRAINED) for _ in range(7)
        )
        lines = "".join(f" \n {letter}: {option}" for letter, option in zip("ABCD", options, strict=False))
        texts.append(f"{questions.capitalize()}?{lines} \n \n{TAIL}")
        texts.append(f" {rng.choice(words.TRAINED)}? {SYSTEM} A B C D")
    texts += ["system\nuser\nassistant\n"] * 1000
    texts += [f"<{tenth / 10:.1f} seconds>" for tenth in range(200)] * 3
    return texts


def build_tokenizer():
    """Train the BPE; returns a transformers Qwen2Tokenizer whose pieces and special tokens behave like Qwen's."""
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        trainers,
    )
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX, Qwen2Tokenizer

    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    bpe.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(
            vocab_size=VOCABULARY - len(SPECIAL) - len(SOFT),
            show_progress=False,
            special_tokens=[],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    model = json.loads(bpe.to_str())["model"]
    tokenizer = Qwen2Tokenizer(vocab=model["vocab"], merges=[tuple(m) for m in model["merges"]], unk_token=None)
    tokenizer.add_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in SOFT])
    tokenizer.eos_token, tokenizer.pad_token = "<|im_end|>", "<|endoftext|>"
    tokenizer.padding_side, tokenizer.model_max_length = "right", 4096
    return tokenizer


def build_processor():
    """A Qwen3VLProcessor whose `size` limits are small enough that tiny videos are not scaled up.

    Limits in pixels: a picture 4-256 tokens of 32 x 32, a video 4-2,048 such tokens over all its frames.
    """
    from transformers import Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor

    common = dict(patch_size=16, temporal_patch_size=2, merge_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    token = 32 * 32
    picture = Qwen2VLImageProcessor(size={"shortest_edge": 4 * token, "longest_edge": 256 * token}, **common)
    video = Qwen3VLVideoProcessor(
        size={"shortest_edge": 4 * token, "longest_edge": 2048 * token}, cap_pixels_per_frame=False, **common
    )
    return Qwen3VLProcessor(
        image_processor=picture, tokenizer=build_tokenizer(), video_processor=video, chat_template=CHAT_TEMPLATE
    )
