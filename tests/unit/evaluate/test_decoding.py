"""Decoding in memory of a fixed size gives the logits of a cache that grows, clip after clip, whatever was there before."""

import pytest

from roadtrain.evaluate.decoding import FixedKeys, begin
from roadtrain.evaluate.generation import generate_answers, generate_together
from roadtrain.evaluate.wording import Wording
from roadtrain.model import attention
from roadtrain.model.forward import answer_logits
from roadtrain.model.prompts import Prompter
from roadtrain.model.sequences import build
from support import tiny

pytestmark = pytest.mark.slow

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
        decoding = begin(model, sequence, STEPS, fixed)
        answer_logits(model, sequence, decoding.cache)
        rows = torch.arange(questions, device=model.lm_head.weight.device)
        return torch.stack([decoding.step(100 + 7 * rows + step).clone() for step in range(STEPS)])


def test_steps_in_fixed_memory_are_those_of_a_growing_cache(model, prompter):
    """3, 9 and 5 questions: the second clip needs more rows, the third finds the second's keys where it looks away."""
    attention.set_attention(model, "flex")
    fixed = FixedKeys(model, record=False)
    for questions in (3, 9, 5):
        expected = step_logits(model, prompter, questions, None)
        found = step_logits(model, prompter, questions, fixed)
        assert found.shape == expected.shape and expected.std() > 0.1
        assert (found - expected).abs().max() < 2e-4


def test_memory_grows_when_a_clip_needs_more(model, prompter, monkeypatch):
    monkeypatch.setattr("roadtrain.evaluate.decoding.KEYS", 64)
    attention.set_attention(model, "flex")
    fixed = FixedKeys(model, record=False)
    for questions in (2, 12, 2):
        difference = step_logits(model, prompter, questions, fixed) - step_logits(model, prompter, questions, None)
        assert difference.abs().max() < 2e-4


def test_answers_are_the_same(model, prompter):
    attention.set_attention(model, "flex")
    prefix, segments = prompter.prefix(tiny.clip()), [prompter.segment(entry) for entry in tiny.entries(5)]
    options = {"stop_tokens": {360}, "max_new_tokens": 12}
    growing = generate_answers(model, prefix, segments, **options)
    fixed = generate_answers(model, prefix, segments, **options, fixed=FixedKeys(model, record=False))
    assert [one.tokens for one in fixed] == [one.tokens for one in growing] and any(one.tokens for one in fixed)


@pytest.mark.parametrize("memory", ["growing", "fixed"])
def test_clips_in_one_pass_are_answered_as_alone(model, prompter, memory):
    """Different ones, with different numbers of questions: nobody sees another clip, nor another question."""
    attention.set_attention(model, "flex")
    check_clips_in_one_pass(model, prompter, FixedKeys(model, record=False) if memory == "fixed" else None)


def test_what_the_vision_tower_reads_goes_to_a_device_clip_by_clip(prompter):
    prefix = prompter.prefix(tiny.clip())
    moved = prefix.on("meta")
    assert moved.pixels.is_meta and moved.pixels.shape == prefix.pixels.shape and moved.image_pixels.is_meta
    assert moved.input_ids is prefix.input_ids and moved.grid is prefix.grid  # read here


@pytest.mark.gpu
def test_clips_in_one_pass_are_answered_as_alone_on_a_gpu(prompter):
    on_gpu = tiny.model("float32").eval().to("cuda")
    attention.set_attention(on_gpu, "flex")
    check_clips_in_one_pass(on_gpu, prompter, FixedKeys(on_gpu), tolerance=5e-3)


def check_clips_in_one_pass(model, prompter, fixed, tolerance=1e-4):
    clips = [
        (prompter.prefix(tiny.clip(seed=seed)), [prompter.segment(entry) for entry in tiny.entries(questions)])
        for seed, questions in ((0, 3), (1, 1), (2, 5))
    ]
    if model.lm_head.weight.is_cuda:
        clips = [(prefix.pinned(model.lm_head.weight.dtype), segments) for prefix, segments in clips]
    wordings = [Wording(limit) for limit in (3, 6, 2, 6, 1, 4, 6, 6, 5)]
    letters = [[86, 87, 88]] * 9
    options = {"stop_tokens": set(), "fixed": fixed}
    together = generate_together(model, clips, wordings=wordings, letters=letters, **options)
    alone, place = [], 0
    for prefix, segments in clips:
        mine = slice(place, place + len(segments))
        alone += generate_together(
            model, [(prefix, segments)], wordings=wordings[mine], letters=letters[mine], **options
        )
        place += len(segments)
    assert [one.tokens for one in together] == [one.tokens for one in alone]
    assert [len(one.tokens) for one in together] == [wording.max_new_tokens for wording in wordings]
    logits = [[one.letter_logits for one in answers] for answers in (together, alone)]
    assert logits[0] == [pytest.approx(one, abs=tolerance) for one in logits[1]]
    assert len({tuple(one) for one in logits[1]}) == 9  # clips and questions make a difference


@pytest.mark.gpu
def test_recorded_steps_are_those_that_are_issued(model, prompter):
    """On a GPU: CUDA graphs, replayed for one clip after the other."""
    on_gpu = tiny.model("float32").eval().to("cuda")
    attention.set_attention(on_gpu, "flex")
    recorded, issued = FixedKeys(on_gpu), FixedKeys(on_gpu, record=False)
    for questions in (3, 9, 5, 3):
        found = step_logits(on_gpu, prompter, questions, recorded)
        assert (found - step_logits(on_gpu, prompter, questions, issued)).abs().max() < 1e-3
    assert all(step._graph for step in recorded._steps.values())
