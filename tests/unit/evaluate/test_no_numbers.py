"""A checkpoint whose numbers are none answers nothing: the likeliest of NaNs is the first token, or the first letter, each time."""

import math

import pytest

from roadtrain.evaluate.generation import generate_answers
from roadtrain.evaluate.replies import letter_probabilities, letter_tokens
from roadtrain.model.prompts import Prompter
from support import tiny

NAN = math.nan


@pytest.mark.parametrize("logits", [[NAN, 1.0], [1.0, NAN], [NAN, NAN], [-math.inf, -math.inf], [math.inf, 0.0]])
def test_letters_without_numbers_have_no_probabilities(logits):
    """They would stand as NaN in the predictions, which nobody could read afterwards."""
    with pytest.raises(ValueError, match="logits are no numbers"):
        letter_probabilities(["A", "B"], logits)


def test_a_letter_that_cannot_be_has_none():
    assert letter_probabilities(["A", "B"], [0.0, -math.inf]) == {"A": 1.0, "B": 0.0}


@pytest.mark.parametrize("only_letters", [False, True])
def test_a_checkpoint_of_nan_is_named(only_letters):
    processor, model = tiny.processor(), tiny.model("float32").eval()
    model.config.use_cache = True
    model.lm_head.weight.data[7, 3] = NAN
    prompter = Prompter(processor, "You are a helpful assistant.")
    entries = tiny.entries(2)
    letters = [letter_tokens(processor.tokenizer, entry.options) if only_letters else [] for entry in entries]
    segments = [prompter.segment(entry) for entry in entries]
    options = {"stop_tokens": set(), "max_new_tokens": 3, "letters": letters, "only_letters": only_letters}
    with pytest.raises(ValueError, match="its weights are broken, or its training went wrong"):
        generate_answers(model, prompter.prefix(tiny.clip()), segments, **options)
