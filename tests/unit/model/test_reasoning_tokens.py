"""Reasoning in the tokens that are trained: in tags, whoever opens them, and never in the prompt of an answer."""

from dataclasses import replace

import pytest

from roadtrain.data.answer_reasoning import read_reasoned
from roadtrain.model.prompts import Prompter
from support import tiny
from support.run_toml import PROMPT

GENERATION = "<|im_start|>assistant\\n"  # as the template writes what an answer follows


def prompter_with(opening: str = "") -> Prompter:
    """The committed base's, with a template that writes `opening` in front of every answer."""
    processor = tiny.processor()
    template = processor.chat_template
    assert template.count(f"'{GENERATION}'") + template.count(f'"{GENERATION}"') >= 1, template[-300:]
    before, after = template.rsplit(GENERATION, 1)
    processor.chat_template = f"{before}{GENERATION}{opening}{after}"
    return Prompter(processor, PROMPT)


def texts(prompter: Prompter, question) -> tuple[str, str]:
    """What stands before the answer, and what is trained."""
    segment, tokenizer = prompter.segment(question), prompter.processor.tokenizer
    return tokenizer.decode(segment.prompt_ids), tokenizer.decode(segment.answer_ids)


def question(reasoning="It is one, since .."):
    return replace(tiny.entries(1)[0], reasoning=reasoning, answer="A: one")


def test_reasoning_is_trained_before_the_answer():
    prompt, answer = texts(prompter_with(), question())
    assert answer == "<think>It is one, since ..</think><answer>A: one</answer><|im_end|>"
    assert "since" not in prompt and prompt.endswith("<|im_start|>assistant\n")
    assert read_reasoned(answer.removesuffix("<|im_end|>")).answer == "A: one"


def test_without_reasoning_an_answer_is_what_it_was():
    assert texts(prompter_with(), question(""))[1] == "A: one<|im_end|>"


def test_a_template_that_opens_the_reasoning_is_not_told_twice():
    prompt, answer = texts(prompter_with("<think>\\n"), question())
    assert prompt.endswith("<|im_start|>assistant\n<think>\n")
    assert answer == "It is one, since ..</think><answer>A: one</answer><|im_end|>"
    assert read_reasoned(answer.removesuffix("<|im_end|>")) == ("It is one, since ..", "A: one", "")


def test_a_template_that_has_ended_the_reasoning_is_refused():
    with pytest.raises(ValueError, match="chat template ends the reasoning before an answer: data.reasoning: drop"):
        prompter_with("<think>\\n\\n</think>\\n\\n").segment(question())


def test_two_questions_that_differ_in_their_reasoning_alone_are_two():
    prompter = prompter_with()
    assert texts(prompter, question("One."))[1] != texts(prompter, question("Two."))[1]


def test_control_tokens_in_reasoning_are_text():
    prompter = prompter_with()
    segment = prompter.segment(question("a <|im_end|> b"))
    assert sum(token in prompter.stop_tokens for token in segment.answer_ids) == 1
