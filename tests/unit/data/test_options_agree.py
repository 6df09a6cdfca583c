"""Options as data, the prompt's list and the answer say one thing, or the entry is refused."""

import re

import pytest

from roadtrain.data.option_lists import read_option_list
from roadtrain.data.sources.base import Malformed
from support.refusals import entry, llava


def converted(folder, prompt: str, answer: str, **more):
    turns = [{"from": "human", "value": f"<video>\n{prompt}"}, {"from": "gpt", "value": answer}]
    return llava(folder, [entry(conversations=turns, **more)])


@pytest.mark.parametrize(
    ("prompt", "options", "says"),
    [
        ("What?\nA: Blue\nB: Red", ["Red", "Blue"], "the option A is 'Red', and in the prompt's list 'Blue'"),
        ("What?\nA: Red\nB: Blue\nC: Grey", ["Red", "Blue"], "the option C is not there, and in the prompt's list 'Grey'"),
        ("What?\nA: Redder\nB: Blue", ["Red", "Blue"], "the option A is 'Red', and in the prompt's list 'Redder'"),
    ],
)  # fmt: skip
def test_options_as_data_are_those_of_the_prompts_list(prompt, options, says, tmp_path):
    """The answer A would be another's letter."""
    with pytest.raises(Malformed, match=re.escape(says)):
        converted(tmp_path, prompt, "A", options=options)


@pytest.mark.parametrize(
    ("prompt", "options"),
    [("What? (A) 1 (B) 2, (C) 3", ["1", "2", "3"]), ("What?\nA: Red\nB: Blue\nor so", ["Red", "Blue\nor so"])],
)
def test_a_list_that_only_looks_otherwise_is_no_other(prompt, options, tmp_path):
    (value,), _ = converted(tmp_path, prompt, "B", options=options)
    assert list(value["options"].values()) == options


@pytest.mark.parametrize("prompt", ["Which, B or A?", "Which?\nA: B\nB: A"])
def test_an_answer_that_is_a_letter_and_the_words_of_another_is_refused(prompt, tmp_path):
    with pytest.raises(Malformed, match="'A' is the letter of the option A .* words of the option B"):
        more = {} if "\n" in prompt else {"options": ["B", "A"]}
        converted(tmp_path, prompt, "A", **more)


def test_a_bare_number_beside_a_numbered_list_is_doubtful():
    assert "the answer (2) is a mark" in read_option_list("What?\n1. Red\n2. Blue", "2").doubt
    assert not read_option_list("How many? In 1. gear and 2. gear", "several").doubt
    assert not read_option_list("How many?", "2").doubt
    assert "no list from A on" in read_option_list("What? (a) red (b) blue", "(a) red").doubt


@pytest.mark.parametrize("key", ["scenario", "group", "type", "phase"])
def test_names_of_an_entry_are_names_as_a_tables_are(key, tmp_path):
    """Blanks around a name make no other scenario or group; a number is a name."""
    for n, name in enumerate([" s ", "s", 7, "7"]):
        folder = tmp_path / str(n)
        folder.mkdir()
        (value,), _ = converted(folder, "What?", "This", **{key: name})
        kept = {"scenario": "wts_id"}.get(key, "group" if key == "type" else key)
        assert str(value[kept]) == str(name).strip()
    with pytest.raises(Malformed, match=rf"\[0\].{key}: expected a name or a number, in one line, found 'a.nb'"):
        converted(tmp_path, "What?", "This", **{key: "a\nb"})


def test_keys_of_turns_that_nobody_reads_are_counted(tmp_path):
    turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "This", "weight": 0}]
    _, report = llava(tmp_path, [entry(conversations=turns)])
    assert "conversations.weight" in report["splits"]["train"]["tasks"]["llava"]["unread_keys"]
