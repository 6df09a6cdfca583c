"""`repeat`: every ablation NAME becomes the runs NAME-seed0, NAME-seed1, ..; a spec without it stays as it was."""

import copy
import json

import pytest

from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec
from roadtrain.spec.resolved import resolve

TWO = {"ablations": {"a": {"vision": {"nframes": 8}, "train": {"epochs": 5}}, "b": {"vision": {"fps": 1}}}}


def repeated(seeds, base=TWO):
    return copy.deepcopy(base) | {"repeat": {"seeds": seeds}}


def test_each_ablation_is_trained_once_for_each_seed():
    spec = read_spec(repeated([0, 7]), "s")
    assert list(spec.trained()) == ["a-seed0", "a-seed7", "b-seed0", "b-seed7"]
    run = spec.ablation("a-seed7")
    assert (run.name, run.train.seed, run.train.epochs, run.vision.nframes) == ("a-seed7", 7, 5, 8)
    with pytest.raises(KeyError):
        spec.ablation("a")


def test_runs_of_an_ablation_differ_in_name_and_seed_only():
    spec = read_spec(repeated([3, 4]), "s")
    first, second = (spec.ablation(f"b-seed{n}").model_dump() for n in (3, 4))
    assert first.pop("name") != second.pop("name")
    assert (first["train"].pop("seed"), second["train"].pop("seed")) == (3, 4)
    assert first == second


def test_another_seed_changes_nothing_of_the_others():
    few, more = (read_spec(repeated(seeds), "s") for seeds in ([0, 1], [0, 1, 2]))
    assert set(more.trained()) - set(few.trained()) == {"a-seed2", "b-seed2"}
    for name in few.trained():
        assert few.ablation(name).model_dump_json() == more.ablation(name).model_dump_json()
        assert few.hash(name) == more.hash(name)


def test_a_run_is_what_an_ablation_with_that_seed_is():
    """Nothing else tells a repetition from an ablation that somebody wrote out."""
    by_hand = {"ablations": {"a-seed2": TWO["ablations"]["a"] | {"train": {"epochs": 5, "seed": 2}}}}
    spec, other = read_spec(repeated([2]), "s"), read_spec(by_hand, "s")
    assert spec.ablation("a-seed2") == other.ablation("a-seed2") and spec.hash("a-seed2") == other.hash("a-seed2")


def test_spec_json_says_which_runs_are_repeats_of_which():
    """It is made from the JSON that the rule passes: written once, read again, nothing is repeated twice."""
    spec = read_spec(repeated([0, 1]), "s")
    resolved = resolve(read_spec(json.loads(spec.results()), "--spec"))
    of = {name: ablation["repeat_of"] for name, ablation in resolved["ablations"].items()}
    assert of == {"a-seed0": "a", "a-seed1": "a", "b-seed0": "b", "b-seed1": "b"}
    assert resolved["spec"]["repeat"] == {"seeds": [0, 1]}
    assert resolved["ablations"]["b-seed1"]["train"]["seed"] == 1


def test_without_it_a_spec_is_written_as_before_there_was_the_key():
    spec = read_spec(TWO, "s")
    assert list(spec.trained()) == ["a", "b"] and "repeat" not in spec.results()
    text = json.dumps(resolve(spec))
    assert '"repeat"' not in text and "repeat_of" not in text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (repeated([]), "repeat.seeds: []: should be List should have at least 1 item after validation, not 0"),
        (repeated([1, 1]), "repeat.seeds: [1, 1]: one is there twice: 1"),
        (repeated([-1]), "repeat.seeds.0: -1: should be greater than or equal to 0"),
        (TWO | {"repeat": {"seed": [1]}}, "repeat.seed: unknown key; did you mean seeds?"),
        (
            repeated([0, 1], {"ablations": {"a": {"vision": {"nframes": 8}, "train": {"seed": 3}}}}),
            "ablations.a.train.seed: 3: repeat.seeds: [0, 1] says the seeds of every ablation: leave one of both out",
        ),
        (
            repeated([0], {"ablations": {"n" * 76: {"vision": {"nframes": 8}}}}),
            f"repeat.seeds: {'n' * 76}-seed0 is longer than 80 characters: give the ablation a shorter name",
        ),
    ],
)
def test_mistakes_are_a_line_each(values, words):
    with pytest.raises(SpecError) as error:
        read_spec(values, "s")
    assert f"s: {words}" in str(error.value).splitlines()
