"""Ask a checkpoint every question about a clip at the price of reading the clip once.

One shared-video sequence [video] [Q1] .. [QK] gives the next token of every question; then each step of
decoding feeds K tokens, one a question, against the same KV cache. The mask lets a question see the video, itself
and its own answer only, so every answer is that of asking it alone. Memory is that of one video and its questions; on a
GPU a few clips go together, since a step for many questions takes hardly longer than one for few.

L is the length of the sequence, K the number of questions, C the number of cached keys.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch

from roadtrain.evaluate.decoding import FixedKeys, begin
from roadtrain.evaluate.replies import NO_NUMBERS
from roadtrain.evaluate.wording import Wording
from roadtrain.model import attention, compiled
from roadtrain.model.forward import answer_logits
from roadtrain.model.prompts import Prefix, Segment
from roadtrain.model.sequences import build


@dataclass
class GeneratedAnswer:
    """What a model said to one question."""

    tokens: list[int] = field(default_factory=list)  # without the stop token
    letter_logits: list[float] = field(default_factory=list)  # of each option's letter, where the answer begins


def prepare_model(model: Any) -> Any:
    """Let a loaded model attend in the way that is fastest where it is."""
    attention.set_attention(
        model, "flex" if next(model.parameters()).is_cuda and not compiled.impossible() else "dense"
    )
    return model


class TokenChoice:
    """The next token of every question: the likeliest, or one drawn by the question's own generator."""

    def __init__(self, wordings: Sequence[Wording]) -> None:
        self.limits = [wording.max_new_tokens for wording in wordings]
        self.longest = max(self.limits)
        self.drawn_from = {
            k: (wording.temperature, torch.Generator().manual_seed(wording.seed))
            for k, wording in enumerate(wordings)
            if wording.temperature
        }

    def next_tokens(self, logits_KV: torch.Tensor) -> torch.Tensor:
        """[K]. Draws are made on the CPU in float32: the same ones whatever the device."""
        tokens_K = logits_KV.argmax(-1)
        for k, (temperature, generator) in self.drawn_from.items():
            shares = torch.softmax(logits_KV[k].float().cpu() / temperature, dim=-1)
            tokens_K[k] = torch.multinomial(shares, 1, generator=generator)[0]
        return tokens_K


def generate_answers(
    model: Any,
    prefix: Prefix,
    segments: Sequence[Segment],
    *,
    max_new_tokens: int,
    wordings: Sequence[Wording] = (),
    **more: Any,
) -> list[GeneratedAnswer]:
    """Greedy answers of at most `max_new_tokens` about one clip, or each as its wording says; `more` as `generate_together`."""
    wordings = wordings or [Wording(max_new_tokens)] * len(segments)
    return generate_together(model, [(prefix, segments)], wordings=wordings, **more)


@torch.inference_mode()
def generate_together(
    model: Any,
    clips: Sequence[tuple[Prefix, Sequence[Segment]]],
    *,
    stop_tokens: set[int],
    wordings: Sequence[Wording],
    letters: Sequence[Sequence[int]] = (),
    only_letters: bool = False,
    on_token: Callable[[int, int], None] | None = None,
    fixed: FixedKeys | None = None,
) -> list[GeneratedAnswer]:
    """Answers to the questions of some clips, clip after clip. Each question has its wording. `stop_tokens` end an answer.
    `letters` has the token ids of each question's option letters (empty: an open question); with `only_letters` the likeliest
    of them is the whole answer. `on_token` is called with (question, token) at once. `fixed`: what to decode in
    (decoding.fixed_keys). Raises ValueError where logits are no numbers: the likeliest token of these is any."""
    # Each clip's pixels go to the GPU by themselves: joined here they would be copied, out of page-locked memory.
    there = [(prefix.on(model.lm_head.weight.device), segments) for prefix, segments in clips]
    sequence = build(there, model.config.video_token_id, answers=False)
    if attention.attention_kind(model) == "flex":
        sequence = sequence.padded(compiled.bucket(len(sequence.input_ids)))
    choice = TokenChoice(wordings)
    decoding = begin(model, sequence, choice.longest - 1, fixed)
    logits = answer_logits(model, sequence, decoding.cache)
    if logits.isnan().any():
        raise ValueError(NO_NUMBERS)
    tokens_K = choice.next_tokens(logits)
    answers = [GeneratedAnswer() for _ in wordings]
    complete = [False] * len(wordings)
    for k, (ids, of_letters) in enumerate(zip(letters, _chosen(logits, letters), strict=True)):
        answers[k].letter_logits = of_letters
        if only_letters and ids:
            best = max(range(len(ids)), key=answers[k].letter_logits.__getitem__)
            answers[k].tokens, complete[k] = [ids[best]], True
    for length in range(1, choice.longest + 1):
        for k, token in enumerate(tokens_K.tolist()):
            complete[k] = complete[k] or token in stop_tokens or length > choice.limits[k]
            if not complete[k]:
                answers[k].tokens.append(token)
                if on_token:
                    on_token(k, token)
        if all(complete) or length == choice.longest:
            break
        tokens_K = choice.next_tokens(decoding.step(tokens_K))
    return answers


def _chosen(logits_KV: torch.Tensor, ids_of_rows: Sequence[Sequence[int]]) -> list[list[float]]:
    """Some logits of each row, fetched at once: a GPU is waited for one time."""
    rows = [k for k, ids in enumerate(ids_of_rows) for _ in ids]
    columns = [id for ids in ids_of_rows for id in ids]
    values = iter(logits_KV[rows, columns].float().tolist() if rows else [])
    return [list(islice(values, len(ids))) for ids in ids_of_rows]
