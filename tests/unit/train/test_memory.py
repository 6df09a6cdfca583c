"""What the memory plan promises: it takes the fastest way that fits, and its estimates are those of the measured runs."""

import dataclasses

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


def test_frozen_weights_take_two_bytes_and_a_frozen_tower_keeps_nothing():
    def gib(arch, *freeze, cached=False, **more):
        learning = memory.Learning.of(arch, freeze, cached=cached)
        settings = {"ranks": 1, "checkpointed": 0.0, "gather_always": False, **SIZES} | more
        return memory.estimate(arch, learning=learning, **settings) / GIB

    arch = ARCH
    assert arch.vision + arch.projector + arch.weights + arch.head == arch.parameters
    everything, frozen, cached = gib(arch), gib(arch, "vision"), gib(arch, "vision", "projector", cached=True)
    assert everything > frozen > cached
    # One weight less to train: float32 master, two moments, gradient, copy of 18 bytes in all, or 22; two stay.
    few = {"tokens": 1, "patches": 1}
    saving = (gib(arch, **few) - gib(arch, "embeddings", **few)) * GIB / arch.head
    assert 16 <= saving <= 20
    learning = memory.Learning.of(BIG, adapters=4e7)
    assert learning.weights == 4e7 and learning.frozen == BIG.parameters


def test_cosmos_rl_keeps_frozen_weights_in_float32_too():
    settings = {"ranks": 2, "checkpointed": 0.0, "gather_always": False, **SIZES}
    learning = memory.Learning.of(ARCH, ["vision"])
    master = dataclasses.replace(learning, frozen_master=4)
    more = memory.estimate(ARCH, learning=master, **settings) - memory.estimate(ARCH, learning=learning, **settings)
    assert more == pytest.approx(4 * ARCH.vision / 2)


def test_frozen_weights_are_sharded_only_when_they_must_be():
    learning = memory.Learning.of(BIG, adapters=4e7)
    sizes = {"ranks": 2, **SIZES, "learning": learning}
    roomy, tight = (memory.choose(BIG, gib * GIB, "on", **sizes) for gib in (80, 16))
    assert not roomy.shard_frozen and tight.shard_frozen and tight.bytes < roomy.bytes


@pytest.mark.parametrize(
    "arch, videos, learning, gib",
    [
        (ARCH, 4, memory.Learning.of(ARCH, ["vision"], adapters=17e6, cached=True), 28.8),
        (BIG, 1, memory.Learning.of(BIG, ["vision"], adapters=44e6), 31.4),
        (BIG, 2, memory.Learning.of(BIG, ["vision"], adapters=44e6, cached=True), 46.1),
    ],
    ids=["2B", "8B", "8B cached"],
)
def test_a_lora_takes_what_was_measured(arch, videos, learning, gib):
    """Peaks of passes of so many videos of 2,880 tokens with 16 questions of 80 tokens on an H100."""
    plan = memory.choose(
        arch, 80 * GIB, "off", ranks=1, tokens=4224 * videos, patches=11520 * videos, learning=learning
    )
    assert plan.bytes / GIB == pytest.approx(gib, rel=0.1)


def test_out_of_memory_says_what_to_do():
    import torch

    with pytest.raises(UserError, match="gradient_checkpointing: on"), memory.explain_out_of_memory():
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.\nmore")
    with pytest.raises(RuntimeError, match="another"), memory.explain_out_of_memory():
        raise RuntimeError("another error")
