"""The right answer of somebody else's LLaVA file: read as a response is, or refused with its place."""

import json
import unicodedata

import pytest

from roadtrain.data.convert import Rules, SplitJob, convert
from roadtrain.data.llava import read_questions
from roadtrain.data.sources.base import Malformed
from roadtrain.data.sources.llava import Llava
from roadtrain.evaluate.majority import MajorityAnswers
from roadtrain.evaluate.predictions import prediction_row, read_predictions, write_predictions
from roadtrain.evaluate.replies import Reply

HUMAN = "<video>\nWhat colour is the box?\nA: Red\nB: Green\nC: Blue\nAnswer with the option's letter."
MEAN_A = ["A", "A: Red", "(A)", "A.", "a", "<answer>A</answer>", "Red", "The answer is A", "Ａ", "答案是A"]


def converted(folder, answers, rules=None, human=HUMAN):
    """The questions of a file with these gpt values, and the audit."""
    entries = [
        {
            "id": f"q{n}",
            "video": "v.mp4",
            "conversations": [{"from": "human", "value": human}, {"from": "gpt", "value": answer}],
        }
        for n, answer in enumerate(answers)
    ]
    (folder / "train.json").write_text(json.dumps(entries))
    source = Llava({"train": str(folder / "train.json")}, str(folder))
    rules = rules or Rules(check="none")
    audit = convert([SplitJob("train", source, str(folder / "out.json"))], rules, 1).report()
    return list(read_questions(folder / "out.json")), audit["splits"]["train"]


@pytest.mark.parametrize("answer", MEAN_A)
def test_a_right_response_is_right_however_the_reference_is_written(tmp_path, answer):
    """What is trained stays as it is written; what counts as right is the letter that it means."""
    ((question,), audit) = converted(tmp_path, [answer])
    assert (question.answer, question.correct) == (answer, "A")
    assert audit["tasks"]["llava"]["letters"] == {"A": 1}
    assert prediction_row(question, Reply("A"))["is_correct"] and prediction_row(question, Reply(answer))["is_correct"]
    assert not prediction_row(question, Reply("B"))["is_correct"]


@pytest.mark.parametrize("answer", ["A or B", "It is yellow", "D", "A: Green"])
def test_a_reference_that_means_no_option_is_refused_with_its_place(tmp_path, answer):
    with pytest.raises(
        Malformed, match=r"train.json: \[1\].conversations\[1\].value: expected an answer that means one"
    ):
        converted(tmp_path, ["A", answer])
    questions, audit = converted(tmp_path, ["A", answer], Rules(check="none", on_bad_question="skip"))
    assert [question.id for question in questions] == ["q0"] and audit["left_out"]["total"] == 1


OPEN = [
    "Cafe\u0301",
    "\u212b",
    "<think>The sign says so</think>Red",
    "Red</s>",
    "A  box,\nred",
    "Tag <|im_end|>",
    "1\u00a0000",
]


@pytest.mark.parametrize("answer", OPEN)
def test_an_open_answer_that_is_said_as_it_was_trained_is_right(tmp_path, answer):
    """What a tokenizer makes of it is what a model can say: composed accents. Every such response counted as wrong."""
    ((question,), _) = converted(tmp_path, [answer], human="<video>\nWhat is it?")
    assert question.answer == answer  # what is trained stays
    said = unicodedata.normalize("NFC", answer)
    rows = [prediction_row(question, Reply(said))]
    write_predictions(tmp_path / "p.jsonl", rows)
    assert rows[0]["is_correct"] and read_predictions(tmp_path / "p.jsonl")[0].is_correct
    assert not prediction_row(question, Reply(said + " not"))["is_correct"]
    assert prediction_row(question, Reply(MajorityAnswers.of([question]).answer(question)))["is_correct"]


@pytest.mark.parametrize("answer", ["<think>Hm</think>", "<|im_end|>", "</s> "])
def test_an_open_reference_without_words_is_refused(tmp_path, answer):
    with pytest.raises(Malformed, match=r"\[0\].conversations\[1\].value: expected words beside reasoning"):
        converted(tmp_path, [answer], human="<video>\nWhat is it?")
