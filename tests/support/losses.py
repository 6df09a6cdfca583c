"""Logits, losses and gradients of sequences, and of the same questions in separate ones by transformers' own forward."""

import torch

from roadtrain.model import sequences
from roadtrain.model.forward import answer_logits
from roadtrain.model.loss import answer_loss
from roadtrain.model.sequences import build
from support import tiny

PADDED = {"dense": 1, "segments": 1, "flex": 128}  # multiples of the lengths: flex_attention's blocks


def compute_exactly(monkeypatch) -> None:
    """transformers rounds to float32 inside its RMS norm and the vision tower's rotation; float64 tests must not."""
    from transformers.models.qwen3_vl import modeling_qwen3_vl as qwen

    def norm(self, x):
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        return self.weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)).to(
            x.dtype
        )

    def rotate(q, k, cos, sin):
        cos, sin = cos.unsqueeze(-2).to(q.dtype), sin.unsqueeze(-2).to(q.dtype)
        return q * cos + qwen.rotate_half(q) * sin, k * cos + qwen.rotate_half(k) * sin

    # PyTorch refuses flex_attention's gradients on a CPU; uncompiled, its reference computes them all the same.
    monkeypatch.setattr("torch.nn.attention.flex_attention._validate_device", lambda *_: None)
    monkeypatch.setattr(qwen.Qwen3VLTextRMSNorm, "forward", norm)
    monkeypatch.setattr(qwen, "apply_rotary_pos_emb_vision", rotate)


def gradients(model) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def stock_logits(model, part) -> torch.Tensor:
    """Answer logits of one question by transformers' own forward, with positions of its own."""
    ids, config = part.input_ids[None], model.config
    kinds = (ids == config.image_token_id) + 2 * (ids == config.video_token_id).int()
    media = sequences.vision_inputs(part, model.lm_head.weight.dtype)
    outputs = model(input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=kinds, **media)
    return outputs.logits[0, part.answer_positions]


def losses_and_gradients(
    model, parts: list, forward=answer_logits
) -> tuple[torch.Tensor, float, dict[str, torch.Tensor]]:
    """(answer logits, loss, gradients) of several sequences whose losses are added, as a training step does."""
    model.zero_grad(set_to_none=True)
    questions = sum(part.questions for part in parts)
    logits, total = [], 0.0
    for part in parts:
        logits.append(forward(model, part))
        loss = answer_loss(logits[-1], part.targets, part.target_questions) / questions
        loss.backward()
        total += loss.item()
    return torch.cat([part.detach() for part in logits]), total, gradients(model)


def separate_sequences(dtype: str, clips: list) -> tuple[torch.Tensor, float, dict[str, torch.Tensor]]:
    """The reference: a sequence a question through transformers' own forward."""
    model = tiny.model(dtype)
    video = model.config.video_token_id
    return losses_and_gradients(
        model, [build([(prefix, [segment])], video) for prefix, segments in clips for segment in segments], stock_logits
    )


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest, relative to the largest value of `b`."""
    return ((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).item()
