"""make_submission.py by hand: votes of cameras, what is refused, and the challenge's format."""

import json
from pathlib import Path

import pytest

import make_submission
from support.annotations import write
from support.workflow import read


def entry(id: str, question: str | None = None, options=("x", "y")) -> dict:
    from roadtrain.data.llava import multiple_choice

    human = multiple_choice("What?\u2028", dict(zip("abcd", options, strict=False))) if options else "<video> What?"
    value = {
        "id": id,
        "wts_id": "s",
        "video": "v.mp4",
        "type": "environment",
        "phase": "full_video",
        "conversations": [{"from": "human", "value": human}],
    }
    return value | ({"question_id": question} if question else {})


def submit(tmp_path: Path, entries: list[dict], answers: dict, *args: str, capsys=None) -> list | str:
    """The submission, or the one line that refuses it."""
    write(tmp_path / "t.json", entries)
    rows = [
        json.dumps({"id": id, "answer": answer, "prompt": "What?\u2028"}, ensure_ascii=False)
        for id, answer in answers.items()
    ]
    write(tmp_path / "p.jsonl", "\n".join(rows) + "\n")
    argv = [
        "make_submission.py",
        "--llava",
        tmp_path / "t.json",
        "--predictions",
        tmp_path / "p.jsonl",
        "--output",
        tmp_path / "s.json",
        *args,
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [str(arg) for arg in argv])
        try:
            make_submission.main()
        except SystemExit as end:
            assert not (tmp_path / "s.json").exists()
            return str(end)
    return read(tmp_path / "s.json")


def test_cameras_vote_and_ties_go_to_the_first(tmp_path):
    entries = [entry(f"q@c{n}", "q") for n in range(3)] + [entry("r"), entry("t@c0", "t"), entry("t@c1", "t")]
    answers = {"q@c0": "A", "q@c1": "B", "q@c2": "B", "r": "B", "t@c0": "B", "t@c1": "A"}
    assert submit(tmp_path, entries, answers) == [
        {"id": "q", "correct": "b"},
        {"id": "r", "correct": "b"},
        {"id": "t", "correct": "b"},
    ]


def test_unanswered_questions_are_left_away_or_guessed(tmp_path):
    entries, answers = [entry("q"), entry("r")], {"q": None, "r": "B"}
    assert submit(tmp_path, entries, answers) == [{"id": "r", "correct": "b"}]
    assert submit(tmp_path, entries, answers, "--unanswered", "first")[0] == {"id": "q", "correct": "a"}


@pytest.mark.parametrize(
    ("entries", "answers", "says"),
    [
        ([entry("q")], {}, "1 of 1 predictions are missing, first q"),
        ([entry("q")], {"q": "A", "x": "A"}, "x isn't a question of"),
        ([entry("q")], {"q": "C"}, "the answer 'C' isn't one of A, B"),
        ([entry("q", options=())], {"q": None}, "q: an open question"),
    ],
)
def test_what_is_no_submission_is_refused_in_one_line(entries, answers, says, tmp_path):
    line = submit(tmp_path, entries, answers)
    assert says in line and "\n" not in line


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({}, "is a list"),
        ([1], "expected an object"),
        ([{"id": "q"}], "expected an object with id and correct"),
        ([{"id": "q", "correct": "A"}], "'A' isn't one of a, b"),
        ([{"id": "q", "correct": "c"}], "'c' isn't one of a, b"),
        ([{"id": "z", "correct": "a"}], "no question of the test"),
        ([{"id": "q", "correct": "a"}] * 2, "there twice"),
        ([{"id": "q", "correct": "a", "why": ""}], "expected an object with id and correct"),
    ],
)
def test_the_check_of_the_format(value, says):
    from roadtrain.cli import UserError
    from roadtrain.evaluate.submission import check_submission

    check_submission([{"id": "q", "correct": "b"}], {"q": ["A", "B"]})
    with pytest.raises(UserError, match=says):
        check_submission(value, {"q": ["A", "B"]})
