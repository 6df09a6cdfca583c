"""TAR's answers as the challenge's CSV of Track 3: every item, in its words, as the data set's own checker reads them."""

import csv
import importlib.util
import json
import os

import pytest

import make_submission
from roadtrain.cli import UserError
from roadtrain.data.answer_kinds import Interval, read_interval
from roadtrain.data.answer_reasoning import reasoned_text
from roadtrain.data.llava import read_questions
from roadtrain.data.sources.tar import TASKS
from roadtrain.evaluate.predictions import prediction_row, write_predictions
from roadtrain.evaluate.replies import Reply
from roadtrain.evaluate.tar_submission import MISSING_VALUES, NO_ANSWER, check_tar_submission, interval_words, tar_csv
from support.annotations import write
from support.conversion import convert_tree
from support.tar_tree import QUESTIONS, REASONING, document, item

CHECKER = os.environ.get("ROADTRAIN_TAR_CHECKER")  # test/evaluate.py of the data set
TEST = {"files": {"test": "test/test.json"}}
SAID = {task: answer for task, (_, answer) in QUESTIONS.items()} | {
    "mcq": "B",
    "temporal_localization": 'From {"start": "00:00.50", "end": 2} on.',
    "open_qa": "None",
    "scene_description": 'A "box",\non a road.',
}
WRITTEN = SAID | {
    "mcq": "B) To the right",
    "temporal_localization": '{"start": "00:00.5", "end": "00:02"}',
    "open_qa": "None.",
}


def ids(tasks=TASKS) -> dict[str, str]:
    return {
        task: f"ab{n:014x}" for n, task in enumerate(tasks)
    }  # 16 digits, as theirs: pandas takes numbers for numbers


def submit(tmp_path, responses, *args, tasks=TASKS, reasoning="keep", answer="", answers_of=None):
    """{task: prediction} of the CSV, or the one line that refuses it. `responses`: {task: what is said, None: not asked}."""
    items = [
        item(task, "v.mp4", answer=QUESTIONS[task][1] if answer else "", item_index=id, task_type=task)
        for task, id in ids().items()
    ]
    write(tmp_path / "test/test.json", document("all", items))
    data = {"source": "tar", "reasoning": reasoning, "split": {"val": 0.5}} | TEST
    convert_tree(tmp_path, tmp_path, splits=("test",), tasks=tasks, **data)
    rows = [
        prediction_row(question, Reply(responses[question.group]), reasoning == "keep")
        for question in read_questions(tmp_path / "test.json")
    ]
    write_predictions(tmp_path / "p.jsonl", rows)
    out = tmp_path / "s.csv"
    out.unlink(missing_ok=True)
    options = {
        "--data": json.dumps(data | {"root": str(tmp_path), "tasks": list(tasks)}),
        "--llava": tmp_path / "test.json",
        "--predictions": tmp_path / "p.jsonl",
        "--output": out,
    }
    argv = ["make_submission.py", *(str(word) for pair in options.items() for word in pair), *args]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", argv)
        try:
            make_submission.main()
        except SystemExit as end:
            assert not out.exists()
            return str(end)
    with open(out, encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["item_index", "prediction"] and [line[0] for line in lines] == list(ids().values())
    return {task: words for task, (_, words) in zip(ids(), lines, strict=True)}


def checker():
    if not CHECKER:
        pytest.skip("no ROADTRAIN_TAR_CHECKER: the data set's checker isn't here")
    spec = importlib.util.spec_from_file_location("tar_checker", CHECKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def reasoned(words: dict) -> dict:
    return {task: None if text is None else reasoned_text(REASONING, text) for task, text in words.items()}


@pytest.mark.parametrize("reasoning", ["keep", "drop"])
def test_answers_are_written_as_references_are_and_without_reasoning(reasoning, tmp_path):
    said = reasoned(SAID) if reasoning == "keep" else SAID
    assert submit(tmp_path, said, reasoning=reasoning) == WRITTEN


def test_what_has_no_answer_is_said_to_have_none(tmp_path, capsys):
    said = reasoned(SAID) | {
        "bcq": "<think>No car moves.",  # cut off: a checker that reads these words would find a No
        "mcq": reasoned_text("It is A.", "A or B"),
        "temporal_localization": reasoned_text("x", "early"),
        "open_qa": "",
    }
    unread = dict.fromkeys(("bcq", "mcq", "temporal_localization", "open_qa"), NO_ANSWER)
    assert submit(tmp_path, said) == WRITTEN | unread
    assert "10 items of 10 tasks; 4 responses without an answer, 0 items not asked" in capsys.readouterr().out
    guessed = {"bcq": "Yes", "mcq": "A) To the left"}
    assert submit(tmp_path, said, "--unanswered", "first") == WRITTEN | unread | guessed


def test_an_item_that_was_not_asked_stops_the_submission(tmp_path):
    line = submit(tmp_path, reasoned(SAID | {"mcq": None}))
    assert line.startswith("make_submission.py: 1 of 10 items were not asked") and f"{ids()['mcq']} (mcq)" in line
    assert submit(tmp_path, reasoned(SAID | {"mcq": None}), "--missing", "empty") == WRITTEN | {"mcq": NO_ANSWER}
    some = ("bcq", "mcq")
    line = submit(tmp_path, reasoned(SAID), tasks=some)
    assert line.startswith("make_submission.py: 8 of 10 items were not asked")
    rest = {task: WRITTEN[task] if task in some else NO_ANSWER for task in TASKS}
    assert submit(tmp_path, reasoned(SAID), "--missing", "empty", tasks=some) == rest


def test_other_questions_than_the_tests_are_refused(tmp_path):
    submit(tmp_path, reasoned(SAID))
    path = tmp_path / "test.json"
    path.write_text(path.read_text().replace(ids()["bcq"], "feedfeed"))
    predictions = tmp_path / "p.jsonl"
    predictions.write_text(predictions.read_text().replace(ids()["bcq"], "feedfeed"))
    from roadtrain.evaluate.submission import read_answers
    from roadtrain.evaluate.tar_submission import make_tar_submission

    questions = {question.id: question for question in read_questions(path)}
    answers = read_answers(str(predictions), questions, str(path))
    with pytest.raises(UserError, match="feedfeed: no such item in the test's file"):
        make_tar_submission({id: task for task, id in ids().items()}, questions, answers)


def test_a_test_without_item_index_is_refused(tmp_path):
    from roadtrain.data.sources.base import Malformed
    from roadtrain.data.sources.tar import submitted_items

    path = write(tmp_path / "t.json", document("all", [item("bcq", "v.mp4", task_type="bcq")]))
    with pytest.raises(Malformed, match="item_index, which a submission names"):
        submitted_items(str(path))
    twice = [item("bcq", "v.mp4", task_type="bcq", item_index="a")] * 2
    with pytest.raises(Malformed, match="is there twice"):
        submitted_items(str(write(path, document("all", twice))))


@pytest.mark.parametrize("words", ["", " ", *sorted(MISSING_VALUES - {""})])
def test_a_missing_value_of_pandas_never_gets_into_the_file(words, tmp_path):
    path = tmp_path / "s.csv"
    path.write_text(tar_csv({"a": words}))
    with pytest.raises(UserError, match="missing value"):
        check_tar_submission(path, ["a"])


@pytest.mark.parametrize("words", ["a\rb", "a\r\nb", "\r", "a,\r\r\nb", "a\x0b\x85\u2028b\x00"])
def test_a_line_break_of_any_kind_ends_no_row(words, tmp_path):
    path = tmp_path / "s.csv"
    path.write_text(tar_csv({"a": words + ".", "b": "Yes"}), newline="")
    check_tar_submission(path, ["a", "b"])
    with open(path, encoding="utf-8", newline="") as file:
        assert list(csv.reader(file))[1:] == [
            ["a", words.replace("\r\n", "\n").replace("\r", "\n") + "."],
            ["b", "Yes"],
        ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected the columns item_index, prediction, found none"),
        ("id,prediction\na,x\n", "found id, prediction"),
        ("item_index,prediction\nb,x\n", "no item of the test"),
        ("item_index,prediction\na,x\na,x\n", "there twice"),
        ("item_index,prediction\n", "1 items are missing, first a"),
    ],
)
def test_the_check_of_the_format(text, says, tmp_path):
    path = write(tmp_path / "s.csv", text)
    with pytest.raises(UserError, match=says):
        check_tar_submission(path, ["a"])


@pytest.mark.parametrize("seconds", [0, 0.5, 59.9999, 60, 61.25, 600, 4000.125])
def test_intervals_are_read_back(seconds):
    interval = Interval(seconds, seconds + 1.5)
    assert read_interval(interval_words(interval)) == pytest.approx(interval, abs=1e-3)


def test_a_tests_videos_lie_where_its_download_script_puts_them(tmp_path):
    from roadtrain.data.sources.catalog import finder
    from roadtrain.spec.data import Data

    write(tmp_path / "videos/tar_test/v=x_0-00_0-16.mp4", b"")
    write(tmp_path / "videos/b.mp4", b"")
    names = ("v=x_0-00_0-16", "b.mp4", "gone")
    items = [item("bcq", name, answer="", item_index=name, task_type="bcq") for name in names]
    write(tmp_path / "test/test.json", document("all", items))
    entries, _ = convert_tree(
        tmp_path, tmp_path, splits=("test",), tasks=("bcq",), source="tar", media="videos", split={"val": 0.5}, **TEST
    )
    assert [entry["video"] for entry in entries] == ["tar_test/v=x_0-00_0-16.mp4", "b.mp4", "gone"]
    section = Data(source="tar", root=str(tmp_path), split={"val": 0.5}, **TEST)
    assert finder(section, "test")()["v=x_0-00_0-16"] == ["tar_test/v=x_0-00_0-16.mp4"]


def test_the_official_checker_reads_what_was_read_here(tmp_path):
    """All that has an answer, and nothing else; without a word of the reasoning, which here says the opposite."""
    module = checker()
    said = reasoned(SAID) | {"bcq": reasoned_text("No, no.", "Yes"), "mcq": "<think>A", "mcq_openended": "B"}
    submit(tmp_path, said)
    report = module.evaluate(str(tmp_path / "test/test.json"), str(tmp_path / "s.csv"))
    assert report["mode"] == "validate" and report["validation"]["missing"] == report["validation"]["extra"] == 0
    bad = {task: part["bad"] for task, part in report["validation"]["tasks"].items() if part["bad"]}
    assert bad == {"mcq": [ids()["mcq"]]}


def test_the_official_numbers_are_those_of_the_answers(tmp_path):
    module = checker()
    scored = ("bcq", "mcq", "temporal_localization")  # the others want BERTScore's model
    submit(tmp_path, reasoned(SAID), answer="yes")
    path = tmp_path / "test/test.json"
    value = json.loads(path.read_text())
    path.write_text(json.dumps(value | {"items": [i for i in value["items"] if i["task_type"] in scored]}))
    metrics = module.evaluate(str(path), str(tmp_path / "s.csv"))["metrics"]
    overlap = read_interval(WRITTEN["temporal_localization"]).overlap(
        read_interval(QUESTIONS["temporal_localization"][1])
    )
    assert metrics["bcq_accuracy"] == metrics["mcq_accuracy"] == 1
    assert metrics["temporal_localization_miou"] == pytest.approx(overlap) and 0 < overlap < 1
