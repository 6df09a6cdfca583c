"""LLaVA JSON as it is read: one Question a question, whatever wrote the file."""

import json

import pytest

from roadtrain.data.llava import entry_json, multiple_choice, read_questions, write_entries
from roadtrain.data.option_lists import read_option_list
from roadtrain.data.question import group_by_clip
from roadtrain.media import Clip, Medium

HUMAN = multiple_choice("What is it?", {"a": "This", "b": "That"})


def entry(**more) -> dict:
    return (
        entry_json(
            id="v_0", scenario=3, video="s/v.mp4", type="environment", phase="full_video", human=HUMAN, answer="B"
        )
        | more
    )


def test_the_recipes_human_value():
    end = "\nAnswer with the option's letter from the given choices directly."
    assert "<video> \n What is it? \n A: This \n B: That \n " + end == HUMAN


def test_what_training_and_evaluation_see(tmp_path):
    write_entries(tmp_path / "a.json", [entry()])
    (question,) = read_questions(tmp_path / "a.json")
    assert (question.id, question.scenario, question.clip, question.answer) == (
        "v_0",
        "3",
        Clip((Medium("s/v.mp4"),)),
        "B",
    )
    assert question.text == "What is it?" and question.options == {"A": "This", "B": "That"}
    assert not question.prompt.startswith((" ", "<", "\n")) and not question.prompt.endswith((" ", "\n"))


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_any_layout_reads_the_same(indent, tmp_path):
    entries = [entry(id=f"v_{n}") for n in range(5)]
    write_entries(tmp_path / "ours.json", entries)
    (tmp_path / "theirs.json").write_text(json.dumps(entries, indent=indent))
    assert list(read_questions(tmp_path / "ours.json")) == list(read_questions(tmp_path / "theirs.json"))


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        ("What? \n A: x \n B: y \n ", {"A": "x", "B": "y"}),
        ("What?\nA: x: z\nB: y\nC: A: w", {"A": "x: z", "B": "y", "C": "A: w"}),
        ("Describe it.", {}),
        ("Note\nA: only one", {}),
        ("What?\nB: x\nC: y", {}),
    ],
)
def test_options_of_a_prompt(prompt, options):
    assert read_option_list(prompt).options == options


def test_questions_of_a_clip_come_together():
    read = [("a", None), ("b", None), ("a", 1.0), ("a", None)]
    entries = [type("E", (), {"clip": (video, start, None)})() for video, start in read]
    assert [len(group) for group in group_by_clip(entries).values()] == [2, 1, 1]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (7, "expected an object"),
        (entry(conversations=[]), "expected a human and a gpt turn"),
        (entry(conversations=[{"from": "gpt", "value": "x"}]), "human and gpt turns one after the other"),
        (entry(conversations=[*entry()["conversations"], {"from": "human", "value": "x"}]), "one after the other"),
        ({"id": 1, "conversations": entry()["conversations"]}, "key 'video' is missing"),
        (entry(video=["a.mp4", "b.mp4"]), "expected 2 times <video>, found 1"),
    ],
)
def test_a_bad_entry_is_named(value, says, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([entry(), value]))
    with pytest.raises(ValueError, match=rf"a.json: entry 1: .*{says}"):
        list(read_questions(tmp_path / "a.json"))


def test_a_file_that_ends_early_is_named(tmp_path):
    write_entries(tmp_path / "a.json", [entry(), entry(id="v_1")])
    text = (tmp_path / "a.json").read_text()
    (tmp_path / "a.json").write_text(text[:-3])
    with pytest.raises(ValueError, match="ends before the closing bracket"):
        list(read_questions(tmp_path / "a.json"))
