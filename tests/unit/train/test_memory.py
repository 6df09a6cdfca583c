"""What the memory plan promises: it takes the fastest way that fits, and its estimates are those of the measured runs."""

import pytest

from dev import bench_model
from roadtrain.cli import UserError
from roadtrain.model import flops
from roadtrain.train import memory
from support import tiny

GIB = 2**30
ARCH, BIG = (flops.of_config(bench_model.config(size).to_dict()) for size in ("2B", "8B"))
SIZES = {"tokens": 4224, "patches": 11520}


def test_the_sizes_are_those_of_the_published_model():
    """Those of NVIDIA's model cards; the benchmarks' models are of the same."""
    assert flops.architecture("nvidia/Cosmos-Reason2-2B") == ARCH and ARCH.parameters == pytest.approx(
        2.13e9, rel=0.005
    )
    assert flops.architecture("nvidia/Cosmos-Reason2-8B") == BIG and BIG.parameters == pytest.approx(8.77e9, rel=0.005)
    assert flops.architecture("somebody/elses") is None


def test_weights_are_all_counted():
    """Of a model that is here: all but embeddings of positions, norms and biases."""
    config = tiny.model("float32").config.to_dict()
    arch = flops.of_config(config)
    real = sum(p.numel() for p in tiny.model("float32").parameters())
    assert 0.95 < arch.parameters / real <= 1


def test_as_few_layers_as_must_be_are_checkpointed():
    def choose(gib, checkpointing="auto"):
        return memory.choose(ARCH, gib * GIB, checkpointing, ranks=1, **SIZES)

    assert choose(80).checkpointed == 0 and choose(80, "on").checkpointed == 1 and choose(40, "off").checkpointed == 0
    less = [choose(gib).checkpointed for gib in (52, 50, 48, 46)]
    assert less == sorted(less) and 0 <= less[0] < less[-1] <= 1
    assert choose(20).checkpointed == 1  # nothing fits: the smallest
    plans = [choose(gib) for gib in (80, 52, 50)]
    assert all(plan.bytes <= memory.SHARE * gib * GIB for plan, gib in zip(plans, (80, 52, 50), strict=False))


def test_several_gpus_share_and_gather_only_when_they_must():
    assert memory.choose(ARCH, 80 * GIB, "auto", ranks=2, **SIZES).gather_always is False
    two = memory.choose(BIG, 80 * GIB, "auto", ranks=2, **SIZES)
    assert two.gather_always
    assert memory.choose(BIG, 80 * GIB, "auto", ranks=8, **SIZES).bytes < two.bytes
    # Two passes of a step: the first one's gradients are there beside the second one's activations.
    assert two.checkpointed == 1
    roomy = [memory.choose(BIG, 140 * GIB, way, ranks=2, **SIZES) for way in ("auto", "off")]
    assert roomy[0] == roomy[1]


@pytest.mark.parametrize("share, on", [(0, 0), (0.25, 1), (1, 4)])
def test_the_first_layers_are_checkpointed(share, on):
    model = tiny.model("float32")
    memory.MemoryPlan(share, False, 0).apply(model)
    for layers in (model.model.visual.blocks, model.model.language_model.layers):
        assert [layer.gradient_checkpointing for layer in layers] == [n < on for n in range(4)]


def test_out_of_memory_says_what_to_do():
    import torch

    with pytest.raises(UserError, match="gradient_checkpointing: on"), memory.explain_out_of_memory():
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.\nmore")
    with pytest.raises(RuntimeError, match="another"), memory.explain_out_of_memory():
        raise RuntimeError("another error")
