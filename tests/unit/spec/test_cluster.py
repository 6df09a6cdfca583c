"""`cluster`: what jobs ask for."""

import pytest
from pydantic import ValidationError

from roadtrain.spec.spec import Spec

ABLATIONS = {"fps2": {"vision": {"fps": 2}}, "large": {"vision": {"nframes": 8}, "train": {"gpus": 6}}}


def test_gpus_are_shared_out_to_nodes_evenly():
    spec = {"ablations": ABLATIONS, "train": {"gpus": 8}, "cluster": {"train": {"nodes": 2}}}
    assert Spec.model_validate(spec).cluster.train.nodes == 2
    spec["cluster"]["train"]["nodes"] = 4
    with pytest.raises(ValidationError, match=r"nodes: 4 can't share out the GPUs of large evenly \(train.gpus: 6\)"):
        Spec.model_validate(spec)


def test_only_training_has_several_nodes():
    with pytest.raises(ValidationError):
        Spec.model_validate({"ablations": ABLATIONS, "cluster": {"evaluate": {"nodes": 2}}})
