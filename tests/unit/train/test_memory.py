"""What the memory plan promises: it takes the fastest way that fits, and its estimates are those of the measured runs."""

import pytest

from dev import bench_model
from roadtrain.cli import UserError
from roadtrain.model import flops
from roadtrain.train import memory
from support import tiny

GIB = 2**30
ARCH = flops.of_config(bench_model.config("2B").to_dict())
SIZES = {"tokens": 4224, "patches": 11520}


def test_the_sizes_are_those_of_the_published_model():
    known = flops.KNOWN["nvidia/Cosmos-Reason2-2B"]
    assert ARCH.keys() == known.keys()
    assert all(ARCH[name] == pytest.approx(known[name], rel=0.02) for name in ARCH)
    big = flops.of_config(bench_model.config("8B").to_dict())
    assert all(
        big[name] == pytest.approx(value, rel=0.02) for name, value in flops.KNOWN["nvidia/Cosmos-Reason2-8B"].items()
    )


def test_weights_are_all_counted():
    """Of a model that is here: all but embeddings of positions, norms and biases."""
    config = tiny.model("float32").config.to_dict()
    arch = flops.of_config(config)
    real = sum(p.numel() for p in tiny.model("float32").parameters())
    assert 0.95 < arch["parameters"] / real <= 1


def test_as_few_layers_as_must_be_are_checkpointed():
    choose = lambda gib, wanted="auto", **more: memory.choose(ARCH, gib * GIB, wanted, ranks=1, **SIZES | more)
    assert choose(80).checkpointed == 0 and choose(80, "on").checkpointed == 1 and choose(40, "off").checkpointed == 0
    less = [choose(gib).checkpointed for gib in (52, 50, 48, 46)]
    assert less == sorted(less) and 0 <= less[0] < less[-1] <= 1
    assert choose(20).checkpointed == 1  # nothing fits: the smallest
    plans = [choose(gib) for gib in (80, 52, 50)]
    assert all(plan.bytes <= memory.SHARE * gib * GIB for plan, gib in zip(plans, (80, 52, 50)))


def test_several_gpus_share_and_gather_only_when_they_must():
    big = flops.of_config(bench_model.config("8B").to_dict())
    assert memory.choose(ARCH, 80 * GIB, "auto", ranks=2, **SIZES).gather_always is False
    two = memory.choose(big, 80 * GIB, "auto", ranks=2, **SIZES)
    assert two.gather_always
    assert memory.choose(big, 80 * GIB, "auto", ranks=8, **SIZES).bytes < two.bytes
    assert (
        two.checkpointed == 1
    )  # two passes of a step: the first one's gradients are there beside the second one's activations
    assert memory.choose(big, 140 * GIB, "auto", ranks=2, **SIZES) == memory.choose(
        big, 140 * GIB, "off", ranks=2, **SIZES
    )


@pytest.mark.parametrize("share, on", [(0, 0), (0.25, 1), (1, 4)])
def test_the_first_layers_are_checkpointed(share, on):
    model = tiny.model("float32")
    memory.Plan(share, False, 0).apply(model)
    for layers in (model.model.visual.blocks, model.model.language_model.layers):
        assert [layer.gradient_checkpointing for layer in layers] == [n < on for n in range(4)]


def test_out_of_memory_says_what_to_do():
    import torch

    with pytest.raises(UserError, match="gradient_checkpointing: on"), memory.explained():
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.\nmore")
    with pytest.raises(RuntimeError, match="another"), memory.explained():
        raise RuntimeError("another error")
