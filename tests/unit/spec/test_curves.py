"""Which ablations are points of one learning curve: alike but for `train.share`, its seed, and how long they are trained."""

import pytest

from roadtrain.spec.curves import learning_curves
from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec
from roadtrain.spec.resolved import resolve

EIGHT, SIXTEEN = {"nframes": 8}, {"nframes": 16}


def curves(ablations: dict, **more) -> list:
    spec = {"ablations": {name: {"vision": vision, "train": train} for name, (vision, train) in ablations.items()}}
    return learning_curves(resolve(read_spec(spec | more, "s"))["ablations"])


def test_shares_of_one_setting_are_a_curve_and_seeds_are_of_one_point():
    ablations = {"all": (EIGHT, {}), "half": (EIGHT, {"share": 0.5}), "tenth": (EIGHT, {"share": 0.1})}
    assert curves(ablations) == [{0.1: ["tenth"], 0.5: ["half"], 1.0: ["all"]}]
    (curve,) = curves(ablations, repeat={"seeds": [0, 1]})
    assert curve[0.5] == ["half-seed0", "half-seed1"] and list(curve) == [0.1, 0.5, 1.0]
    by_hand = {"a": (EIGHT, {"share": 0.5, "seed": 1}), "b": (EIGHT, {"share": 0.5, "seed": 2}), "c": (EIGHT, {})}
    assert curves(by_hand) == [{0.5: ["a", "b"], 1.0: ["c"]}]


def test_what_differs_otherwise_is_another_curve():
    ablations = {
        "a": (EIGHT, {}),
        "b": (EIGHT, {"share": 0.5}),
        "c": (SIXTEEN, {}),
        "d": (SIXTEEN, {"share": 0.5}),
        "e": (EIGHT, {"share": 0.5, "learning_rate": 1e-4}),
    }
    assert curves(ablations) == [{0.5: ["b"], 1.0: ["a"]}, {0.5: ["d"], 1.0: ["c"]}]


def test_a_smaller_share_may_be_trained_for_longer():
    ablations = {"a": (EIGHT, {"epochs": 2, "warmup_steps": 60}), "b": (EIGHT, {"share": 0.5, "epochs": 4})}
    assert curves(ablations) == [{0.5: ["b"], 1.0: ["a"]}]


def test_two_lengths_of_one_share_are_no_point():
    """Their mean would say nothing; those of one length are a curve."""
    ablations = {
        "a": (EIGHT, {"epochs": 2}),
        "b": (EIGHT, {"epochs": 2, "share": 0.5}),
        "c": (EIGHT, {"epochs": 4, "share": 0.5}),
    }
    assert curves(ablations) == [{0.5: ["b"], 1.0: ["a"]}]


def test_without_shares_there_is_none():
    assert curves({"a": (EIGHT, {}), "b": (SIXTEEN, {})}) == []
    assert curves({"a": (EIGHT, {"share": 0.5}), "b": (EIGHT, {"share": 0.5, "seed": 3})}) == []


@pytest.mark.parametrize(
    "share, says", [(0, "greater than 0"), (1.01, "less than or equal to 1"), ("half", "number"), (-0.5, "0")]
)
def test_a_share_is_more_than_nothing_and_at_most_all(share, says):
    with pytest.raises(SpecError) as error:
        curves({"a": (EIGHT, {"share": share})})
    assert f"ablations.a.train.share: {share}" in str(error.value).replace("'", "") and says in str(error.value)
