"""`cluster`: what jobs ask for."""

import pytest
from pydantic import ValidationError

from roadtrain.spec.spec import Spec

ABLATIONS = {"fps2": {"vision": {"fps": 2}}, "large": {"vision": {"nframes": 8}, "train": {"gpus": 6}}}


def test_gpus_are_shared_out_to_nodes_evenly():
    spec = {"ablations": ABLATIONS, "train": {"gpus": 8}, "cluster": {"train": {"nodes": 2}}}
    assert Spec.model_validate(spec).cluster.train.nodes == 2
    spec["cluster"]["train"]["nodes"] = 4
    with pytest.raises(ValidationError, match=r"nodes: 4 can't share out train.gpus: 6 evenly \(ablations.large\)"):
        Spec.model_validate(spec)


@pytest.mark.parametrize(
    "engine, gpus, nodes, fault",
    [
        ("local", 16, 2, None),
        ("local", 0, 3, None),
        ("local", 16, 1, "train.gpus: 16 on cluster.train.nodes: 1: engine: local takes at most 8 of a node"),
        ("cosmos-rl", 16, 2, None),
        ("cosmos-rl", 6, 1, "train.gpus: 6 on cluster.train.nodes: 1: engine: cosmos-rl takes 1, 2, 4 or 8 of a node"),
        (
            "cosmos-rl",
            12,
            2,
            "train.gpus: 12 on cluster.train.nodes: 2: engine: cosmos-rl takes 1, 2, 4 or 8 of a node",
        ),
    ],
)
def test_a_node_has_as_many_gpus_as_the_engine_can_use(engine, gpus, nodes, fault):
    """Refused when the spec is read, not when the job has waited for its nodes."""
    spec = {
        "ablations": {"fps2": {"vision": {"fps": 2}}},
        "train": {"engine": engine, "gpus": gpus},
        "cluster": {"train": {"nodes": nodes}},
    }
    if fault is None:
        assert Spec.model_validate(spec).train.gpus == gpus
        return
    with pytest.raises(ValidationError, match=fault):
        Spec.model_validate(spec)


def test_only_training_has_several_nodes():
    with pytest.raises(ValidationError):
        Spec.model_validate({"ablations": ABLATIONS, "cluster": {"evaluate": {"nodes": 2}}})
