"""From an annotation to the model: any text in any field arrives as its characters, or is refused with file, line and key."""

import json
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from roadtrain.data.convert import SplitJob, convert
from roadtrain.data.llava import INSTRUCTION, read_questions
from roadtrain.data.question import Question
from roadtrain.data.sources import catalog
from roadtrain.model.prompts import Prompter
from roadtrain.spec.data import Data
from support import tiny
from support.annotations import mcq, scenario, write
from support.conversion import NO_VIDEOS

SYSTEM = "You are a helpful assistant."
PIECES = [
    "<video>",
    "<image>",
    "<|video_pad|>",
    "<|im_end|>",
    "\n",
    "\r",
    "\u2028",
    "\u2029",
    "\x85",
    "\x1b[31m",
    "\u202e",
]
PIECES += [
    "--brief",
    "{",
    "}",
    "{{ x }}",
    "|",
    "\\",
    '"',
    "A: ",
    "<think>",
    "\x00",
    "\ue000",
    "$HOME",
    "`",
    "]]>",
    "</script>",
]
TEXTS = st.lists(st.one_of(st.text(max_size=6), st.sampled_from(PIECES)), max_size=5).map("".join)


@pytest.fixture(scope="module")
def prompter():
    return Prompter(tiny.processor(), SYSTEM)


def converted(root: Path, **data) -> list[Question]:
    section = Data(root=str(root), **data)
    out = str(root / "train.llava.json")
    convert([SplitJob("train", catalog.open_source(section, "train"), out)], NO_VIDEOS, 1)
    return list(read_questions(out))


def from_row(root: Path, row: dict) -> list[Question]:
    write(root / "t.jsonl", json.dumps(row) + "\n")
    return converted(root, source="mcq", files={"train": "t.jsonl", "val": "x"})


def as_the_model_reads(prompter: Prompter, question: Question) -> tuple[str, str]:
    segment, decode = prompter.segment(question), prompter.processor.tokenizer.decode
    return decode(segment.prompt_ids).split("<|im_end|>\n<|im_start|>assistant\n")[0], decode(segment.answer_ids)


def prompt_text(text: str, options: dict[str, str]) -> str:
    """The recipe's, of which the model reads what follows the video; accents are composed by the tokenizer."""
    lines = "".join(f"{letter}: {words} \n " for letter, words in options.items())
    return unicodedata.normalize("NFC", f"{text} \n {lines}{INSTRUCTION}".strip())


@settings(max_examples=120, deadline=None)
@given(TEXTS, st.lists(TEXTS, min_size=2, max_size=3), TEXTS, TEXTS)
@example("Which tag, <video> or <audio>?", ["<video>", "<audio>"], "s", "v.mp4")
@example("<video>", ["<|video_pad|>", "<image>"], "\u2028", "v.mp4")
@example("0 ", ["0", "00"], "", "v.mp4\r")
def test_any_row_of_a_table(prompter, text, options, group, name):
    row = {"video": name, "question": text, "options": options, "answer": "A", "scenario": group}
    with TemporaryDirectory() as folder:
        try:
            (question,) = from_row(Path(folder), row)
        except ValueError as error:
            assert f"{folder}/t.jsonl: line 1" in str(error), error
            assert any(f".{key}" in str(error) or f"{key!r}" in str(error) for key in row), error
            assert len(str(error).splitlines()) == 1, error
            return
    assert (question.video, question.scenario, question.text) == (
        name.strip(),
        group.strip() or name.strip(),
        text.strip(),
    )
    words = dict(zip("ABC", (option.strip() for option in options), strict=False))
    assert question.options == words
    assert as_the_model_reads(prompter, question) == (prompt_text(text.strip(), words), f"{question.correct}<|im_end|>")


@settings(max_examples=60, deadline=None)
@given(TEXTS, st.lists(TEXTS, min_size=2, max_size=4))
@example("Is <video> on the sign?", ["<video>", "<|im_end|>"])
def test_any_question_of_wts(prompter, text, options):
    with TemporaryDirectory() as folder:
        file = scenario(Path(folder), "train", "s1", rows=[mcq(text, options)])
        try:
            (question,) = converted(Path(folder))
        except ValueError as error:
            assert f"{file}: " in str(error) and "environment[0]" in str(error), error
            return
    words = dict(zip("ABCD", options, strict=False))
    assert as_the_model_reads(prompter, question) == (prompt_text(text, words), "A<|im_end|>")


@settings(max_examples=80, deadline=None)
@given(TEXTS, TEXTS)
@example("Is this a <|video_pad|>?", "A <video> tag")
def test_any_open_question_of_llava_json(prompter, text, answer):
    turns = [{"from": "human", "value": f"<video>\n{text}"}, {"from": "gpt", "value": answer}]
    with TemporaryDirectory() as folder:
        write(Path(folder) / "t.json", [{"id": "a", "video": "v.mp4", "conversations": turns}])
        try:
            (question,) = converted(Path(folder), source="llava", files={"train": "t.json", "val": "x"})
        except ValueError as error:  # here a second <video> is a second medium
            assert f"{folder}/t.json: [0]" in str(error) and "conversations" in str(error), error
            return
    prompt, said = as_the_model_reads(prompter, question)
    assert prompt == unicodedata.normalize("NFC", text.strip())
    assert said == unicodedata.normalize("NFC", answer.strip()) + "<|im_end|>"


def test_a_placeholder_too_many_is_refused_where_it_means_a_medium(tmp_path):
    turns = [{"from": "human", "value": "<video>\nWhich tag is shown, <video>?"}, {"from": "gpt", "value": "Yes"}]
    write(tmp_path / "t.json", [{"id": "a", "video": "v.mp4", "conversations": turns}])
    with pytest.raises(ValueError, match=r"t\.json: \[0\]\.conversations: expected 1 times <video>, found 2"):
        converted(tmp_path, source="llava", files={"train": "t.json", "val": "x"})
