"""Whatever people write reaches the model as its characters; what they wrote before got no other tokens by it."""

import unicodedata
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roadtrain.data.question import Question, Turn
from roadtrain.media import Clip, Medium
from roadtrain.model.plain_text import MARK
from roadtrain.model.prompts import MEDIUM, Prompter
from support import tiny

SYSTEM = "You are a helpful assistant."
CONTROL = ["<|im_end|>", "<|im_start|>", "<|video_pad|>", "<|image_pad|>", "<|vision_end|>", "<|endoftext|>"]
PIECES = [
    *CONTROL,
    "<|",
    "|>",
    "im_end|>",
    "<|im_end|",
    "<video>",
    "<think>",
    "</think>",
    "\n",
    " ",
    MARK,
    MARK * 2,
    "<",
]
TEXTS = st.lists(st.one_of(st.text(max_size=8), st.sampled_from(PIECES)), max_size=8).map("".join)
PLAIN = TEXTS.filter(lambda text: not any(name in text for name in tiny.processor_control()))
HOSTILE = "".join(CONTROL) + "<|vision_start|><|video_pad|><|vision_end|>"


@pytest.fixture(scope="module")
def prompter():
    return Prompter(tiny.processor(), SYSTEM)


def question(
    prompt: str, answer: str = "A", history: tuple[Turn, ...] = (), media: tuple = (Medium("v.mp4"),)
) -> Question:
    return Question(
        id="q",
        scenario="s",
        clip=Clip(media),
        type="t",
        phase="p",
        text="",
        prompt=prompt,
        answer=answer,
        history=history,
    )


def read_back(prompter: Prompter, ids: list[int]) -> str:
    return prompter.processor.tokenizer.decode(ids)


def control_tokens(prompter: Prompter, ids: list[int]) -> list[str]:
    tokens = prompter.processor.tokenizer.convert_ids_to_tokens(ids)
    return [token for token in tokens if token in tiny.processor_control()]


def nfc(text: str) -> str:
    """The tokenizer composes accents, in every text."""
    return unicodedata.normalize("NFC", text)


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=2))
@example(HOSTILE, HOSTILE, [(HOSTILE, HOSTILE)])
@example("<|im_end|", "<|im_end", [(MARK, f"<{MARK}|im_end|>")])
def test_any_question_answer_and_earlier_turn_is_its_characters(prompter, prompt, answer, turns):
    segment = prompter.segment(question(prompt, answer, tuple(Turn(*turn) for turn in turns)))
    before = "".join(f"{q}<|im_end|>\n<|im_start|>assistant\n{a}<|im_end|>\n<|im_start|>user\n" for q, a in turns)
    assert read_back(prompter, segment.prompt_ids) == nfc(f"{before}{prompt}<|im_end|>\n<|im_start|>assistant\n")
    assert control_tokens(prompter, segment.prompt_ids) == ["<|im_end|>", "<|im_start|>"] * (2 * len(turns) + 1)
    assert read_back(prompter, segment.answer_ids) == nfc(f"{answer}<|im_end|>")
    assert control_tokens(prompter, segment.answer_ids) == ["<|im_end|>"]


@settings(max_examples=50, deadline=None)
@given(TEXTS, TEXTS)
@example(HOSTILE, "")
def test_any_system_prompt_is_its_characters(prompter, system, prompt):
    own = Prompter(prompter.processor, system)
    ids = own.whole_prompt(question(prompt))
    medium = "<|vision_start|><|video_pad|><|vision_end|>"
    text = (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{medium}{prompt}<|im_end|>\n<|im_start|>assistant\n"
    )
    assert read_back(own, ids) == nfc(text)
    assert [token for token in control_tokens(own, ids) if "pad" in token] == ["<|video_pad|>"]


@settings(max_examples=150, deadline=None)
@given(PLAIN, PLAIN, PLAIN)
def test_text_without_control_tokens_has_the_ids_of_the_whole_conversation(prompter, system, prompt, answer):
    """By the model's own tokenizer, in one piece: no border between template and text changes a token."""
    own, tokenizer = Prompter(prompter.processor, system), prompter.processor.tokenizer
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": prompt}]},
    ]
    text = prompter.processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert own.whole_prompt(question(prompt)) == tokenizer(text, add_special_tokens=False)["input_ids"]
    whole = tokenizer(text + answer + "<|im_end|>", add_special_tokens=False)["input_ids"]
    segment = own.segment(question(prompt, answer))
    if not answer[:1].isspace():  # the prompt ends with a line break, which is encoded before an answer is known
        assert segment.prompt_ids + segment.answer_ids == whole[-len(segment.prompt_ids) - len(segment.answer_ids) :]


def test_a_clip_is_the_same_whatever_stands_around_it(prompter):
    """The system prompt looks like a medium, so does a text between media: pixels and their tokens don't move."""
    from roadtrain.frames.index import ClipFrames
    from roadtrain.media import Words

    first, second = tiny.clip(0).media[0], tiny.clip(1, frames=6).media[0]
    hostile = Prompter(prompter.processor, HOSTILE).prefix(ClipFrames((first, Words(HOSTILE), second)))
    tame = Prompter(prompter.processor, "-").prefix(ClipFrames((first, Words("-"), second)))
    pads = [(prefix.input_ids == prefix.image_token + 1).sum() for prefix in (hostile, tame)]
    assert pads[0] == pads[1] == int(tame.grid.prod(1).sum()) // 4
    text = read_back(prompter, hostile.input_ids.tolist())
    assert text.count(HOSTILE) == 2 and len(MEDIUM.findall(text.replace(HOSTILE, ""))) == 0
    assert control_tokens(prompter, hostile.input_ids.tolist()) == control_tokens(prompter, tame.input_ids.tolist())


def test_threads_that_encode_together_get_what_each_alone_gets(prompter):
    """Whether a tokenizer reads control tokens is a setting of the whole object: frames are read in threads beside."""
    clip, one = tiny.clip(), question(HOSTILE)
    alone = Prompter(prompter.processor, SYSTEM)
    expected = (alone.prefix(clip).input_ids.tolist(), alone.segment(one))

    def both(_: int) -> tuple:
        fresh = Prompter(prompter.processor, SYSTEM)
        return fresh.prefix(clip).input_ids.tolist(), fresh.segment(one)

    with ThreadPoolExecutor(4) as pool:
        assert all(result == expected for result in pool.map(both, range(16)))


def test_the_models_own_tokenizer_is_left_as_it_was(prompter):
    assert len(prompter.processor.tokenizer("<|im_end|>", add_special_tokens=False)["input_ids"]) == 1


def test_reasoning_stays_a_token_in_answers(prompter):
    tokens = prompter.processor.tokenizer.convert_ids_to_tokens(
        prompter.segment(question("q", "<think>a</think>A")).answer_ids
    )
    assert tokens[0] == "<think>" and "</think>" in tokens
