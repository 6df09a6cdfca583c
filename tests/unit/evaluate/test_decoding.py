"""Decoding in memory of a fixed size gives the logits of a cache that grows, clip after clip, whatever was there before."""

import pytest

from roadtrain.evaluate.decoding import FixedKeys, begin
from roadtrain.evaluate.generation import generate_answers
from roadtrain.model import attention
from roadtrain.model.forward import answer_logits
from roadtrain.model.prompts import Prompter
from roadtrain.model.sequences import build
from support import tiny

STEPS = 4


@pytest.fixture(scope="module")
def model():
    model = tiny.model("float32").eval()
    model.config.use_cache = True
    return model


@pytest.fixture(scope="module")
def prompter():
    return Prompter(tiny.processor(), "You are a helpful assistant.")


def step_logits(model, prompter, questions, fixed):
    """Logits of STEPS steps of given tokens, another one for each question and step."""
    import torch

    clip = (prompter.prefix(tiny.clip()), [prompter.segment(entry) for entry in tiny.entries(questions)])
    with torch.inference_mode():
        sequence = build([clip], model.config.video_token_id, answers=False).padded(128)
        decoding = begin(model, sequence, questions, STEPS, fixed)
        answer_logits(model, sequence, decoding.cache)
        rows = torch.arange(questions, device=model.lm_head.weight.device)
        return torch.stack([decoding.step(100 + 7 * rows + step).clone() for step in range(STEPS)])


@pytest.mark.parametrize("kind", ["dense", "flex"])
def test_steps_in_fixed_memory_are_those_of_a_growing_cache(model, prompter, kind):
    """3, 9 and 5 questions: the second clip needs more rows, the third finds the second's keys where it looks away."""
    attention.set_attention(model, kind)
    fixed = FixedKeys(model, record=False)
    for questions in (3, 9, 5):
        expected = step_logits(model, prompter, questions, None)
        found = step_logits(model, prompter, questions, fixed)
        assert found.shape == expected.shape and expected.std() > 0.1
        assert (found - expected).abs().max() < 2e-4


def test_memory_grows_when_a_clip_needs_more(model, prompter, monkeypatch):
    monkeypatch.setattr("roadtrain.evaluate.decoding.KEYS", 64)
    attention.set_attention(model, "dense")
    fixed = FixedKeys(model, record=False)
    for questions in (2, 12, 2):
        difference = step_logits(model, prompter, questions, fixed) - step_logits(model, prompter, questions, None)
        assert difference.abs().max() < 2e-4


def test_answers_are_the_same(model, prompter):
    attention.set_attention(model, "dense")
    prefix, segments = prompter.prefix(tiny.clip()), [prompter.segment(entry) for entry in tiny.entries(5)]
    options = {"stop_tokens": {360}, "max_new_tokens": 12}
    growing = generate_answers(model, prefix, segments, **options)
    fixed = generate_answers(model, prefix, segments, **options, fixed=FixedKeys(model, record=False))
    assert [one.tokens for one in fixed] == [one.tokens for one in growing] and any(one.tokens for one in fixed)


@pytest.mark.gpu
def test_recorded_steps_are_those_that_are_issued(model, prompter):
    """On a GPU: CUDA graphs, replayed for one clip after the other."""
    on_gpu = tiny.model("float32").eval().to("cuda")
    attention.set_attention(on_gpu, "dense")
    recorded, issued = FixedKeys(on_gpu), FixedKeys(on_gpu, record=False)
    for questions in (3, 9, 5, 3):
        found = step_logits(on_gpu, prompter, questions, recorded)
        assert (found - step_logits(on_gpu, prompter, questions, issued)).abs().max() < 1e-3
    assert all(step._graph for step in recorded._steps.values())
