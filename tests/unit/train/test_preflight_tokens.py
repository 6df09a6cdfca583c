"""Preflight counts what training tokenizes, whatever people wrote."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roadtrain.data.question import Question, Turn
from roadtrain.model.prompts import ONE_VIDEO, Prompter
from roadtrain.train.preflight.tokens import ESTIMATE, Counter, question_tokens, tokenizer_of
from support import tiny

PIECES = ["<|im_end|>", "<|video_pad|>", "<|im_start|>", "<think>", "</think>", "\ue000", "A: ", "Wet?", "\n", " "]
PIECES += ["<", "|", "é🚗", "im_end"]
TEXTS = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join)


@pytest.fixture(scope="module")
def prompter() -> Prompter:
    return Prompter(tiny.processor(), "You are a helpful assistant.")


@pytest.fixture(scope="module")
def count() -> Counter:
    counter = tokenizer_of(str(tiny.BASE))
    assert counter is not None
    return counter


def question(prompt: str, answer: str, history: tuple[Turn, ...] = ()) -> Question:
    where = {"id": "q", "scenario": "s", "clip": ONE_VIDEO, "type": "", "phase": "full_video"}
    return Question(**where, text=prompt, prompt=prompt, answer=answer, history=history)


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=2))
def test_control_tokens_in_peoples_text_count_as_its_characters(prompter, count, prompt, answer, turns):
    one = question(prompt, answer, tuple(Turn(*turn) for turn in turns))
    segment = prompter.segment(one)
    assert question_tokens(one, count) == len(segment.prompt_ids + segment.answer_ids)


def test_a_control_token_in_a_question_is_no_single_token(count):
    plain, control = question("Which?", "A"), question("Which<|im_end|>?", "A")
    assert question_tokens(control, count) > question_tokens(plain, count) + 3


def test_without_a_tokenizer_characters_are_counted():
    one = question("Which?" * 10, "A")
    assert question_tokens(replace(one, prompt=one.prompt * 2), ESTIMATE) == question_tokens(one, ESTIMATE) + 20
