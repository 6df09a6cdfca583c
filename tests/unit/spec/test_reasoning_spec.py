"""TAR and reasoning in the spec: what is trained can be said when it is asked, and impossible settings are one line."""

import copy

import pytest

from roadtrain.evaluate.wording import Wording, wording_of
from roadtrain.spec.data import TAR_TASKS
from roadtrain.spec.evaluate import Evaluate
from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec
from support import tiny

SPEC = {
    "data": {"source": "tar", "root": "data/tar", "split": {"val": 0.1}, "reasoning": "keep"},
    "evaluate": {"reasoning": {"max_new_tokens": 700}},
    "ablations": {"a": {"vision": {"nframes": 8}}},
}
WTS = {"ablations": SPEC["ablations"]}


def spec_with(base, changes):
    spec = copy.deepcopy(base)
    for path, value in changes.items():
        section, key = path.split("/")
        spec.setdefault(section, {})[key] = value
    return read_spec(spec, "s")


def test_tar_is_read_whole_where_it_is_downloaded():
    data = spec_with(SPEC, {}).data
    assert tuple(data.tasks) == TAR_TASKS and len(TAR_TASKS) == 10 and data.media == "videos"
    assert spec_with(SPEC, {"data/tasks": ["bcq", "mcq"], "data/media": "clips"}).data.tasks == ["bcq", "mcq"]


def test_a_spec_without_it_is_what_it_was():
    """Another value of a rule's parameter would make finished runs anew."""
    spec = read_spec(WTS, "s")
    assert "reasoning" not in spec.data.conversion() + spec.evaluate.asking()
    assert '"reasoning"' in spec_with(SPEC, {}).data.conversion()
    assert '"reasoning":{"max_new_tokens":700}' in spec_with(SPEC, {}).evaluate.asking()
    assert spec_with(SPEC, {}).hash("a") != spec_with(SPEC, {"evaluate/reasoning": {}}).hash("a")


MISTAKES = [
    (SPEC, {"evaluate/reasoning": None}, "data.reasoning: keep: evaluate.reasoning is missing"),
    (SPEC, {"evaluate/answers": "letters"}, "evaluate: answers: letters: a response that is a letter has no room"),
    (SPEC, {"evaluate/cameras": "probabilities"}, "evaluate: cameras: probabilities: letters have none"),
    (SPEC, {"evaluate/reasoning": {"max_new_tokens": 4}}, "evaluate.reasoning.max_new_tokens: 4: should be"),
    (
        SPEC,
        {"data/reasoning": "drop", "evaluate/reasoning": None},
        "evaluate.max_new_tokens: 16: bcq_openended is answered in sentences",
    ),
    (SPEC, {"data/tasks": ["open_qa"]}, "data: tasks: texts and intervals have no accuracy to choose an epoch by"),
    (SPEC, {"data/tasks": ["environment"]}, "data: tasks: environment: the source tar has bcq, "),
    (SPEC, {"data/files": {"train": "x.json"}}, "data: files: x.json: the source tar finds train/<task>.json itself"),
    (WTS, {"data/tasks": ["bcq"]}, "data: tasks: bcq: the source wts has environment, "),
    (WTS, {"data/reasoning": "keep"}, "data: reasoning goes with the source tar, not with wts"),
]


@pytest.mark.parametrize("number", range(len(MISTAKES)))
def test_what_can_not_be_is_refused(number):
    base, changes, expected = MISTAKES[number]
    with pytest.raises(SpecError) as error:
        spec_with(base, changes)
    assert expected in str(error.value)


def test_short_answers_need_no_room():
    changes = {"data/reasoning": "drop", "evaluate/reasoning": None, "data/tasks": ["bcq", "mcq"]}
    assert spec_with(SPEC, changes).evaluate.max_new_tokens == 16


def test_questions_have_the_length_of_reasoning():
    question = tiny.entries(1)[0]
    assert wording_of(question, Evaluate(max_new_tokens=3)) == Wording(3)
    assert wording_of(question, Evaluate(max_new_tokens=3, reasoning={"max_new_tokens": 99})) == Wording(99)
