"""TAR's ten tasks into entries: the reasoning beside the answer, every kind of answer checked; docs/tar.md."""

import json

import pytest

from roadtrain.data.convert import Rules, SplitJob, convert
from roadtrain.data.llava import entry_json, read_questions, write_entries
from roadtrain.data.sources import catalog
from roadtrain.data.sources.base import Malformed
from roadtrain.data.sources.tar import INSTRUCTION, KIND_OF, TASKS
from roadtrain.spec.data import Data
from support.annotations import write
from support.conversion import convert_tree
from support.tar_tree import QUESTIONS, REASONING, document, item, write_tar

NO_VIDEOS = Rules(check="none")
SKIPPED = Rules(check="none", on_bad_question="skip")


def converted(root, out, splits=("train",), rules=NO_VIDEOS, **data):
    data = {"tasks": TASKS, "split": {"val": 0.34}} | data
    return convert_tree(root, out, splits=splits, rules=rules, source="tar", **data)


def all_questions(root, out, **data):
    converted(root, out, splits=("train", "val"), **data)
    return [question for split in ("train", "val") for question in read_questions(out / f"{split}.json")]


def test_every_task_is_asked_about_every_video(tmp_path):
    questions = all_questions(write_tar(tmp_path), tmp_path)
    assert len(questions) == 30 and {q.group for q in questions} == set(TASKS)
    for question in questions:
        text, answer = QUESTIONS[question.group]
        assert question.prompt == text and question.answer == answer == question.trained_answer()
        assert question.kind == KIND_OF[question.group] and question.reasoning == ""
        assert bool(question.options) == (question.group == "mcq")
    right = {q.group: q.correct for q in questions}
    assert (right["mcq"], right["bcq"]) == ("B", "Yes")


def test_a_video_is_on_one_side_with_all_its_questions(tmp_path):
    _, audit = converted(write_tar(tmp_path), tmp_path, splits=("train", "val"))
    assert [audit["splits"][split]["scenarios"] for split in ("train", "val")] == [2, 1]
    assert audit["leaks"]["total"] == 0 and audit["division"]["groups"] == 3
    assert audit["splits"]["train"]["tasks"]["mcq"]["multiple_choice"] == 2


def test_reasoning_is_kept_beside_the_answer(tmp_path):
    questions = all_questions(write_tar(tmp_path), tmp_path, reasoning="keep")
    for question in questions:
        answer = QUESTIONS[question.group][1]
        assert question.prompt.endswith(f"\n{INSTRUCTION}") and question.answer == answer
        assert question.reasoning == REASONING
        assert question.trained_answer() == f"<think>{REASONING}</think><answer>{answer}</answer>"
    first = json.loads((tmp_path / "train.json").read_text())[0]
    assert REASONING not in json.dumps(first["conversations"]) and first["reasoning"] == REASONING


def test_entries_read_back_as_they_were_written(tmp_path):
    """What conversion writes by hand and what write_entries writes of the same question is one thing."""
    entries, _ = converted(write_tar(tmp_path, 3), tmp_path, reasoning="keep")
    again = [
        entry_json(
            id=e["id"],
            scenario=e["wts_id"],
            video=e["video"],
            type=e["type"],
            phase=e["phase"],
            human=e["conversations"][0]["value"],
            answer=e["conversations"][1]["value"],
            question=e["question"],
            options=e["options"],
            group=e["group"],
            kind=e.get("answer_kind"),
            reasoning=e["reasoning"],
        )
        for e in entries
    ]
    write_entries(tmp_path / "again.json", again)
    assert (tmp_path / "again.json").read_text() == (tmp_path / "train.json").read_text()


def test_val_may_have_a_folder_of_its_own(tmp_path):
    root = write_tar(tmp_path / "tar", 2, ("bcq",))
    write(root / "val/bcq.json", document("bcq", [item("bcq", "Other/v.mp4")]))
    entries, _ = converted(root, tmp_path, ("train", "val"), tasks=("bcq",), split=None)
    assert [entry["video"] for entry in entries] == ["Other/v.mp4"]


def test_without_a_validation_the_remedy_is_said(tmp_path):
    root = write_tar(tmp_path / "tar", 2, ("bcq",))
    with pytest.raises(ValueError, match=r"val/bcq.json: no such file.*data.split: \{val: 0.1\} takes it out of train"):
        converted(root, tmp_path, ("train", "val"), tasks=("bcq",), split=None)


def test_the_test_has_items_of_all_tasks_and_no_answer(tmp_path):
    root = write_tar(tmp_path / "tar", 2)
    items = [item(t, "v.mp4", answer="", item_index=f"{n:016x}", task_type=t) for n, t in enumerate(TASKS)]
    write(root / "test/test.json", document("all", items))
    section = Data(source="tar", root=str(root), split={"val": 0.5}, files={"test": "test/test.json"}, reasoning="keep")
    job = SplitJob("test", catalog.open_source(section, "test"), str(tmp_path / "test.json"))
    convert([job], NO_VIDEOS, 1)
    questions = list(read_questions(tmp_path / "test.json"))
    assert [(q.id, q.group, q.answer, q.reasoning) for q in questions] == [
        (f"{n:016x}", task, "", "") for n, task in enumerate(TASKS)
    ]
    assert all(q.prompt.endswith(INSTRUCTION) for q in questions)


def test_an_item_of_the_test_whose_task_is_no_name_is_one_line(tmp_path):
    root = tmp_path / "tar"
    write(root / "test/test.json", document("all", [item("mcq", "v.mp4", answer="", task_type=["mcq"])]))
    section = Data(source="tar", root=str(root), tasks=["mcq"], split={"val": 0.5}, files={"test": "test/test.json"})
    job = SplitJob("test", catalog.open_source(section, "test"), str(tmp_path / "test.json"))
    with pytest.raises(Malformed, match=r"items\[0\].task_type: expected .*, found a list"):
        convert([job], NO_VIDEOS, 1)


BAD_ITEMS = {
    "no object": ("bcq", None, "items[1]: expected an object with video_id, question and answer, found null"),
    "no video": ("bcq", {"video_id": ""}, "items[1].video_id: expected the name of a file"),
    "a video elsewhere": ("bcq", {"video_id": "../v.mp4"}, "items[1].video_id: '../v.mp4' leads outside"),
    "no question": ("bcq", {"question": " "}, "items[1].question: expected text, found an empty one"),
    "neither yes nor no": ("bcq", {"answer": "Maybe"}, "items[1].answer: expected Yes or No, found 'Maybe'"),
    "no options": ("mcq", {"question": "Which way?"}, "items[1].question: expected options, one a line"),
    "an option that isn't there": ("mcq", {"answer": "F) Down"}, "items[1].answer: expected one of A, B, C, D"),
    "no span": (
        "temporal_localization",
        {"answer": "early"},
        'expected {"start": "MM:SS", "end": "MM:SS"} (no interval)',
    ),
    "a span backwards": ("temporal_localization", {"answer": '{"start": "00:02", "end": "00:01"}'}, "(backwards)"),
    "no answer": ("open_qa", {"answer": ""}, "items[1].answer: expected text, found an empty one"),
    "another task": ("bcq", {"task_type": "mcq"}, "items[1].task_type: expected bcq, found 'mcq'"),
    "no reasoning": ("open_qa", {"reasoning": ""}, "items[1].reasoning: expected text, found an empty one"),
    "a tag in the reasoning": ("open_qa", {"reasoning": "a </think> b"}, "items[1].reasoning: holds the tag </think>"),
    "a tag in the answer": ("open_qa", {"answer": "a </answer>"}, "items[1].answer: holds the tag </answer>"),
    "a window that nobody reads": ("open_qa", {"timestamp": {"start": 1}}, "items[1].timestamp: unknown key"),
}


@pytest.mark.parametrize("name", BAD_ITEMS)
def test_a_bad_item_is_one_line_with_its_place(name, tmp_path):
    task, changes, expected = BAD_ITEMS[name]
    root = write_tar(tmp_path / "tar", 3)
    bad = changes if changes is None else item(task, "b.mp4") | changes
    items = [item(task, "a.mp4"), bad, item(task, "c.mp4")]
    write(root / f"train/{task}.json", document(task, items))
    tasks = tuple(dict.fromkeys(("bcq", task)))
    with pytest.raises(Malformed) as error:
        converted(root, tmp_path, tasks=tasks, reasoning="keep")
    assert expected in str(error.value) and str(error.value).startswith(f"{root}/train/{task}.json: items[1]")
    _, audit = converted(root, tmp_path, ("train", "val"), SKIPPED, tasks=tasks, reasoning="keep")
    assert audit["splits"]["train"]["left_out"]["total"] == 1  # and the next item is read


BAD_FILES = {
    "another format": ({"format": "metropolis-v3.0"}, "format: expected an object of the format 'tao-vl-reason-v1.0'"),
    "a list": ([], "format: expected an object of the format 'tao-vl-reason-v1.0', found an empty list"),
    "no items": ({"items": {}}, "items: expected a list of items, found an object"),
    "another task's file": ({"metadata": {"task": "mcq"}}, "metadata.task: expected 'bcq', as the file is called"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_of_another_kind_is_refused(name, tmp_path):
    change, expected = BAD_FILES[name]
    root = write_tar(tmp_path / "tar", 2, ("bcq",))
    value = document("bcq", []) | change if isinstance(change, dict) else change
    write(root / "train/bcq.json", value)
    with pytest.raises(Malformed) as error:
        converted(root, tmp_path, tasks=("bcq",))
    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"answer_kind": "number"}, "entry 0: answer_kind: expected one of binary, interval, text, found 'number'"),
        ({"reasoning": 3}, "entry 0: reasoning: expected text, found 3"),
    ],
)
def test_entries_of_another_kind_are_refused(change, expected, tmp_path):
    entry = {"id": "1", "video": "v.mp4", "conversations": [{"from": "human", "value": "<video>\nWhy?"}]}
    path = write(tmp_path / "x.json", [entry | change])
    with pytest.raises(ValueError, match=expected):
        list(read_questions(path))
