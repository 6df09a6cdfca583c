"""Ask a checkpoint every question about a clip at the price of reading the clip once.

One shared-video sequence [video] [Q1] .. [QK] gives the next token of every question; then each step of greedy
decoding feeds K tokens, one a question, against the same KV cache. The mask lets a question see the video, itself
and its own answer only, so every answer is that of asking it alone. Memory is that of one video and its questions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from roadtrain.model import compiled
from roadtrain.model.attention import attention_kind, set_attention
from roadtrain.model.forward import answer_logits, decoder_states
from roadtrain.model.prompts import Prefix, Segment
from roadtrain.model.sequences import build


@dataclass
class Answer:
    tokens: list[int] = field(default_factory=list)  # greedy, without the stop token
    letter_logits: list[float] = field(default_factory=list)  # of each option's letter, where the answer begins


def ready(model: Any) -> Any:
    """Let a loaded model attend in the way that is fastest where it is."""
    set_attention(model, "flex" if next(model.parameters()).is_cuda and not compiled.impossible() else "dense")
    return model


@torch.inference_mode()
def answer(
    model: Any,
    prefix: Prefix,
    segments: list[Segment],
    *,
    stop: set[int],
    max_new_tokens: int,
    letters: list[list[int]] | None = None,
    only_letters: bool = False,
    told: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """Greedy answers. `stop` ends one. `letters` has the token ids of each question's option letters (empty: an open
    question); with `only_letters` the likeliest of them is the whole answer. `told` hears (question, token) at once."""
    from transformers import DynamicCache

    device = next(model.parameters()).device
    sequence = build([(prefix, segments)], model.config.video_token_id, answers=False)
    if attention_kind(model) == "flex":
        sequence = sequence.padded(compiled.bucket(len(sequence.input_ids)))
    cache = DynamicCache(config=model.config.text_config)
    logits = answer_logits(model, sequence, cache)
    tokens = logits.argmax(-1)  # [K]
    answers = [Answer() for _ in segments]
    done = [False] * len(segments)
    for k, ids in enumerate(letters or []):
        answers[k].letter_logits = logits[k, ids].float().tolist()
        if only_letters and ids:
            best = max(range(len(ids)), key=answers[k].letter_logits.__getitem__)
            answers[k].tokens, done[k] = [ids[best]], True
    asked = torch.arange(1, len(segments) + 1, device=device)  # segment of each question
    seen = sequence.segment_ids.masked_fill(sequence.clip_ids > 0, -1).to(
        device
    )  # segment of every cached key; -1: padding
    # A question's next position, counted on from its last token.
    place = sequence.position_ids[:, sequence.answer_positions].to(device)  # [3, K]
    for length in range(1, max_new_tokens + 1):
        for k, token in enumerate(tokens.tolist()):
            done[k] = done[k] or token in stop
            if not done[k]:
                answers[k].tokens.append(token)
                if told:
                    told(k, token)
        if all(done) or length == max_new_tokens:
            break
        place = place + 1
        seen = torch.cat([seen, asked])
        mask = (seen[None] == 0) | (seen[None] == asked[:, None])  # [K, keys]
        decoder = model.model.language_model
        hidden = decoder_states(
            decoder, decoder.embed_tokens(tokens), place, cache, {"attention_mask": mask[None, None]}
        )
        tokens = model.lm_head(hidden).argmax(-1)
    return answers
