"""A question's cameras are merged to one answer: by what most of them say, or by what they hold likely together."""

import json

import pytest

from roadtrain.cli import UserError
from roadtrain.data.llava import entry_json, multiple_choice, read_questions, write_entries
from roadtrain.evaluate.submission import count_votes, make_submission, merged_in_words
from support.annotations import write
from support.programs import run_program

OPTIONS = {"A": "one", "B": "two", "C": "three"}


def files(tmp_path, answers) -> tuple[str, str]:
    """`answers`: {question: [(letter, probabilities), ..]}, one a camera."""
    entries, rows = [], []
    for question, cameras in answers.items():
        for n, (letter, shares) in enumerate(cameras):
            human = multiple_choice("Which?", {key.lower(): words for key, words in OPTIONS.items()})
            id = f"{question}@{n}"
            entry = entry_json(
                id=id, scenario="s", video=f"v{n}.mp4", type="t", phase="p", human=human, answer="", question="Which?"
            )
            entries.append(entry | {"options": OPTIONS, "question_id": question})
            entries[-1]["conversations"] = entries[-1]["conversations"][:1]
            probabilities = shares and dict(zip(OPTIONS, shares, strict=True))
            rows.append({"id": id, "answer": letter, "response": letter, "probabilities": probabilities})
    write_entries(tmp_path / "test.json", entries)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    return str(tmp_path / "test.json"), str(write(tmp_path / "p.jsonl", lines))


SPLIT = {"q1": [("A", (0.4, 0.35, 0.25)), ("A", (0.4, 0.35, 0.25)), ("B", (0.0, 0.9, 0.1))], "q2": [("C", (0, 0, 1))]}


def submit(llava, predictions, cameras):
    return {item["id"]: item["correct"] for item in make_submission(count_votes(llava, predictions, cameras), False)}


def test_by_votes_most_cameras_win_and_by_probabilities_the_sure_one(tmp_path):
    paths = files(tmp_path, SPLIT)
    assert submit(*paths, "votes") == {"q1": "a", "q2": "c"}
    assert submit(*paths, "probabilities") == {"q1": "b", "q2": "c"}
    assert merged_in_words(count_votes(*paths)) == ("1 questions of several cameras were merged, which disagreed on 1")


def test_ties_go_to_the_first(tmp_path):
    paths = files(tmp_path, {"q1": [("B", (0.5, 0.5, 0)), ("A", (0.5, 0.5, 0))]})
    assert submit(*paths, "votes") == {"q1": "b"}
    assert submit(*paths, "probabilities") == {"q1": "a"}
    thirds = [("C", (0.3, 0.3, 0.4)), ("C", (0.3, 0.3, 0.2))]  # floats make 0.6000000000000001 of C's
    assert submit(*files(tmp_path, {"q1": thirds}), "probabilities") == {"q1": "a"}


def test_a_camera_without_a_letter_still_says_what_it_holds_likely(tmp_path):
    """Its words name no option, its first token has probabilities; a camera that can't be read says nothing."""
    paths = files(tmp_path, {"q1": [(None, (0.1, 0.2, 0.7))]})
    assert submit(*paths, "votes") == {}
    assert submit(*paths, "probabilities") == {"q1": "c"}
    paths = files(tmp_path, {"q1": [(None, None), ("B", (0.1, 0.8, 0.1))], "q2": [(None, None)]})
    assert submit(*paths, "probabilities") == {"q1": "b"}


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"q1": [("A", None)]}, "q1@0: no probabilities; ask the test again, or merge the cameras by votes"),
    ],
)
def test_predictions_without_probabilities_are_refused(tmp_path, answers, problem):
    paths = files(tmp_path, answers)
    assert submit(*paths, "votes") == {"q1": "a"}
    with pytest.raises(UserError, match=problem):
        submit(*paths, "probabilities")


def test_probabilities_of_other_letters_are_refused(tmp_path):
    llava, predictions = files(tmp_path, {"q1": [("A", (1, 0, 0))]})
    row = json.loads((tmp_path / "p.jsonl").read_text()) | {"probabilities": {"A": 0.5, "D": 0.5}}
    write(tmp_path / "p.jsonl", json.dumps(row) + "\n")
    with pytest.raises(UserError, match="line 1: q1@0: probabilities of other letters than the question's"):
        submit(llava, predictions, "probabilities")


@pytest.mark.parametrize("share", ["0.4", None, True, -3, -0.1, 1.5, 5])
def test_probabilities_that_are_none_are_refused(share, tmp_path):
    """5 and -3 would have decided against every other camera."""
    llava, predictions = files(tmp_path, {"q1": [("A", (share, 0.3, 0.3))]})
    with pytest.raises(UserError, match="p.jsonl: line 1: q1@0: probabilities: expected numbers from 0 to 1"):
        count_votes(llava, predictions)


def test_responses_are_read_anew_as_scores_read_them(tmp_path):
    """What an earlier release noted beside them, and a letter beside no response, is no vote."""
    llava, predictions = files(tmp_path, {"q1": [("A", None)], "q2": [("A", None)], "q3": [("A", None)]})
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    rows = [row | {"response": text} for row, text in zip(lines, ["The answer is B.", "hm", None], strict=True)]
    write(tmp_path / "p.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert submit(llava, predictions, "votes") == {"q1": "b"}


def test_a_line_that_answers_twice_is_refused(tmp_path):
    llava, predictions = files(tmp_path, {"q1": [("A", None)]})
    line = (tmp_path / "p.jsonl").read_text().replace('"answer": "A"', '"answer": "B", "answer": "A"')
    write(tmp_path / "p.jsonl", line)
    with pytest.raises(UserError, match="line 1: expected a prediction with id and answer"):
        submit(llava, predictions, "votes")


@pytest.mark.parametrize("more", [{"options": {"A": "no", "B": "yes"}}, {"question": "Is it dry?"}])
def test_an_answer_to_another_question_of_that_id_is_refused(more, tmp_path):
    """Its letter would be that of another option."""
    llava, predictions = files(tmp_path, {"q1": [("A", None)]})
    row = json.loads((tmp_path / "p.jsonl").read_text())
    (question,) = read_questions(llava)
    for line in (row, row | {"question": question.text, "options": question.options}):
        write(tmp_path / "p.jsonl", json.dumps(line))
        assert submit(llava, predictions, "votes") == {"q1": "a"}
    write(tmp_path / "p.jsonl", json.dumps(row | more))
    with pytest.raises(
        UserError, match="q1@0: it was asked in other words, or with other options, than the test has now"
    ):
        submit(llava, predictions, "votes")


def test_predictions_that_are_no_utf8_are_named(tmp_path):
    llava, predictions = files(tmp_path, {"q1": [("A", None)]})
    (tmp_path / "p.jsonl").write_bytes(b"\xff\n")
    with pytest.raises(UserError, match="p.jsonl: not UTF-8 text"):
        submit(llava, predictions, "votes")


@pytest.mark.parametrize("more", [{"answer": ["A"]}, {"answer": {"A": 1}}, {"answer": 1}, {"id": ["q1"]}, {"id": None}])
def test_ids_and_answers_that_are_no_text_are_refused(more, tmp_path):
    llava, predictions = files(tmp_path, {"q1": [("A", None)]})
    row = json.loads((tmp_path / "p.jsonl").read_text()) | more
    write(tmp_path / "p.jsonl", json.dumps(row))
    with pytest.raises(UserError, match="line 1: expected a prediction with id and answer"):
        submit(llava, predictions, "votes")


def test_the_program_takes_the_specs_key(tmp_path):
    llava, predictions = files(tmp_path, SPLIT)
    process = run_program(
        "make_submission.py", llava=llava, predictions=predictions, output=tmp_path / "s.json", cameras="probabilities"
    )
    assert process.returncode == 0, process.stderr
    assert json.loads((tmp_path / "s.json").read_text())[0] == {"id": "q1", "correct": "b"}
    assert "1 questions of several cameras were merged" in process.stdout
