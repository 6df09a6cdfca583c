"""The majority answer: by words, not by letter; of what is offered; a baseline that is scored as a checkpoint is."""

import json

import pytest

from roadtrain.data.llava import entry_json, multiple_choice, write_entries
from roadtrain.data.question import Question
from roadtrain.evaluate.majority import MajorityAnswers
from roadtrain.media import Clip, Medium
from roadtrain.spec.evaluate import Evaluate
from support.programs import run_program


def question(text="Is it wet?", options=("Yes", "No"), right="No", id="q") -> Question:
    letters = dict(zip("ABCD", options, strict=False))
    answer = next((letter for letter, words in letters.items() if words == right), right)
    clip = Clip((Medium("v.mp4"),))
    return Question(
        id=id, scenario="s", clip=clip, type="t", phase="p", text=text, prompt=text, answer=answer, options=letters
    )


def test_the_words_count_wherever_they_stand():
    """A letter says nothing: No is B in two of three, and A in the third."""
    majority = MajorityAnswers.of(
        [question(), question(options=("No", "Yes")), question(options=("No", "Yes"), right="Yes")]
    )
    assert majority.answer(question()) == "B" and majority.answer(question(options=("No", "Yes"))) == "A"


def test_each_question_has_its_own_majority():
    majority = MajorityAnswers.of([question()] * 3 + [question("Is it dark?", right="Yes")])
    assert majority.answer(question("Is it dark?")) == "A" and majority.answer(question()) == "B"
    assert majority.answer(question("Is  it\n dark?")) == "A"  # white space is no difference


def test_only_what_is_offered_is_given():
    majority = MajorityAnswers.of([question(options=("Red", "Blue"), right="Red")] * 2 + [question(right="No")])
    assert majority.answer(question(options=("Green", "No"))) == "B"


def test_equals_are_decided_by_any_question_and_then_by_the_order():
    majority = MajorityAnswers.of([question(), question(right="Yes"), question("Other?", right="Yes")])
    assert majority.answer(question(options=("No", "Yes"))) == "B"
    assert majority.answer(question("Never heard", options=("Maybe", "Yes"))) == "B"
    assert majority.answer(question("Never heard", options=("Up", "Down"))) == "A"
    assert not majority.has(question("Never heard")) and majority.has(question())


def test_an_open_question_has_the_most_frequent_words():
    majority = MajorityAnswers.of([question(options=(), right=words) for words in ("a bus", "a car", "a car")])
    assert majority.answer(question(options=())) == "a car"
    assert majority.answer(question("Never heard", options=())) == ""


def entries(path, answers, letters=("Yes", "No")):
    options = dict(zip("AB", letters, strict=True))
    values = [
        entry_json(
            id=f"v{n}_0",
            scenario=f"s{n}",
            video=f"v{n}.mp4",
            type="t",
            phase="full_video",
            human=multiple_choice("Is it wet?", options),
            answer=next(letter for letter, words in options.items() if words == answer),
            question="Is it wet?",
            options=options,
        )
        for n, answer in enumerate(answers)
    ]
    write_entries(path, values)
    return path


def test_always_no_is_scored_like_a_checkpoint(tmp_path):
    """In training No is right in three of four; here in 8 of 10, and it has the other letter."""
    process = run_program(
        "answer_by_majority.py",
        train=entries(tmp_path / "train.json", ["No", "No", "Yes", "No"]),
        llava=entries(tmp_path / "val.json", ["No"] * 8 + ["Yes"] * 2, letters=("No", "Yes")),
        predictions=tmp_path / "majority.jsonl",
        source=tmp_path / "majority.source.json",
    )
    assert process.returncode == 0, process.stderr
    assert "10 questions answered; 0 of them are not asked in training" in process.stdout
    process = run_program(
        "score.py",
        predictions=tmp_path / "majority.jsonl",
        source=tmp_path / "majority.source.json",
        spec_hash="cafe",
        accuracy=tmp_path / "majority.json",
    )
    assert process.returncode == 0, process.stderr
    accuracy = json.loads((tmp_path / "majority.json").read_text())
    assert (accuracy["accuracy"], accuracy["chance"], accuracy["unanswered"]) == (0.8, 0.5, 0)
    assert accuracy["computed_from"]["checkpoint"] == "majority"


@pytest.mark.parametrize("text_only", [True, False])
def test_the_baseline_without_media_defines_no_other_predictions(text_only):
    assert Evaluate(text_only=text_only).asking() == Evaluate().asking()
    assert Evaluate().text_only
