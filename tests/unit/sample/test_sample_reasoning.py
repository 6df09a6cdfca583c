"""The sample's questions with reasoning, in TAR's layout: read by its source, true, and not to be known from their words."""

import json
from collections import Counter

import pytest
from pydantic import ValidationError

import make_sample
from roadtrain.data.convert import Rules, SplitJob, convert
from roadtrain.data.llava import read_questions
from roadtrain.data.sources import catalog
from roadtrain.sample.reasoning import CHOICES, SEEN, YES_NO, tar_documents, tar_items
from roadtrain.sample.scenes import scenes
from roadtrain.sample.tree import TAR_TASKS, TAR_TEST, SampleSpec, sample_scenarios, tree_files
from roadtrain.sample.write import make_room
from roadtrain.spec.data import Data
from roadtrain.spec.yaml_text import spec_values
from support.annotations import write
from support.programs import ROOT

SPEC = SampleSpec(seed=5, train=12, val=4, test=2, tar=True)
SECTION = {
    "source": "tar",
    "tasks": list(TAR_TASKS),
    "reasoning": "keep",
    "files": {"test": TAR_TEST},
    "sample": {"seed": 5, "train": 12, "val": 4, "test": 2},
}


def scenarios(spec=SPEC):
    return list(zip(sample_scenarios(spec), scenes(spec), strict=True))


def test_every_scene_is_asked_five_questions_and_each_is_true(tmp_path):
    for path, text in tar_documents(SPEC, scenarios()):
        write(tmp_path / path, text)
    data = Data(**SECTION, root=str(tmp_path))
    jobs = [SplitJob(split, catalog.open_source(data, split), str(tmp_path / f"{split}.json")) for split in data.splits]
    audit = convert(jobs, Rules(check="none"), 1).report()
    assert {
        split: sum(task["entries"] for task in part["tasks"].values()) for split, part in audit["splits"].items()
    } == {"train": 60, "val": 20, "test": 10}
    by_video = {scenario.overhead[0]: scene for scenario, scene in scenarios()}
    for question in [q for split in ("train", "val") for q in read_questions(tmp_path / f"{split}.json")]:
        answers = {name: answer.lower() for name, answer in by_video[question.video.split("/")[-1]].answers.items()}
        said = next(name for name, words in SEEN.items() if question.reasoning.startswith(words.format(answers[name])))
        if question.group == "bcq":
            assert question.correct == ("Yes" if answers[said] in question.text.lower() else "No")
        elif question.group == "mcq":
            assert question.options[question.correct].lower() == answers[said]
        else:
            assert f"traffic volume is {answers['traffic']} " in question.answer
    test = list(read_questions(tmp_path / "test.json"))
    assert all(q.answer == "" and q.reasoning == "" for q in test) and len({q.id for q in test}) == 10


def test_no_answer_is_known_from_the_words():
    """Of 2,000 scenes: yes as often as no whatever is asked about, every letter as often."""
    spec = SampleSpec(seed=9, train=2000, val=0, tar=True)
    yes, letters = Counter(), Counter()
    for scenario, scene in scenarios(spec):
        for task, item in tar_items(scenario, scene):
            if task == "bcq":
                yes[item["question"], item["answer"]] += 1
            elif task == "mcq":
                letters[item["question"].split("\n")[0], item["answer"][0]] += 1
    for question in {question for question, _ in yes}:
        share = yes[question, "Yes"] / (yes[question, "Yes"] + yes[question, "No"])
        assert 0.4 < share < 0.6, question
    assert len(CHOICES) == len({question for question, _ in letters}) and len(YES_NO) == 2
    for (question, letter), count in letters.items():
        of_question = {key: n for key, n in letters.items() if key[0] == question}
        assert count == pytest.approx(2000 / len(of_question), rel=0.15), letter


def test_the_program_writes_what_it_lists(tmp_path):
    spec = SampleSpec(seed=5, train=1, val=1, test=1, tar=True)
    files = make_sample.make_sample(spec, tmp_path)
    listed = tree_files(spec)
    assert files == len(listed) and all((tmp_path / path).is_file() for path in listed)
    assert {path for path in listed if path.startswith(("train/", "val/", "test/"))} == {
        TAR_TEST,
        *(f"{split}/{task}.json" for split in ("train", "val") for task in TAR_TASKS),
    }
    items = json.loads((tmp_path / "train/bcq.json").read_text())["items"]
    assert all((tmp_path / "videos" / item["video_id"]).is_file() for item in items)
    make_room(tmp_path, SampleSpec(seed=5, train=1, val=1))  # without: they go
    assert not (tmp_path / "train").exists() and not (tmp_path / "test").exists()
    assert "tar" not in json.loads((tmp_path / ".sample.json").read_text()), "another sample's mark is what it was"


def test_the_spec_knows_its_files_before_they_are_rendered(tmp_path):
    data = Data(**SECTION, root=str(tmp_path))
    every = set(catalog.sample_files(data))
    assert every == {f"{tmp_path}/{path}" for path in tree_files(SPEC)}
    assert set(catalog.input_files(data)) < every and len(catalog.input_files(data)) == 2 * len(TAR_TASKS) + 1
    assert catalog.input_files(data, "test") == [f"{tmp_path}/{TAR_TEST}"]
    assert len(catalog.sample_videos(data)) == 18 and set(catalog.sample_videos(data)) < every


MISTAKES = [
    ({"files": {}}, f"files.test: None: the bundled sample's test is {TAR_TEST}"),
    ({"sample": {"train": 2, "val": 2}}, f"files.test: {TAR_TEST}: the bundled sample's test is"),
    ({"tasks": ["bcq", "open_qa"]}, "tasks: open_qa: the bundled sample has bcq, mcq, scene_description"),
    ({"split": {"val": 0.5}}, "sample: the bundled sample has its own validation"),
    ({"root": "data/{x}"}, "isn't rendered below a name with"),
    ({"media": "."}, "sample: the bundled sample has its own validation, and its videos in videos"),
]


@pytest.mark.parametrize(("change", "says"), MISTAKES)
def test_another_sample_than_there_is_is_refused(change, says):
    with pytest.raises(ValidationError, match=says):
        Data(**(SECTION | change))


def test_the_specs_section_is_accepted():
    values = spec_values([str(ROOT / "specs/sample-reasoning.yaml")], [])
    assert Data(**values["data"]).sample is not None
