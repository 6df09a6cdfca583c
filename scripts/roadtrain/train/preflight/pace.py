"""How long training takes on GPUs: work by a rate, what each pass and each optimizer step takes beside it.

Constants are of H100s and H200s (bench_gpu.json, bench_adapt.json, bench_cosmos.json and bench_many_gpus.json in docs/figures;
tests/unit/train/test_pace.py compares every row): both engines train through one forward, so that they have the same.
"""

from roadtrain.model.flops import Architecture
from roadtrain.train.memory import Learning, MemoryPlan

RATE = 400e12  # operations a second of one GPU, while it computes
RECOMPUTED = 0.22  # more, where all layers are checkpointed; the compiled ones keep little in any case
# Seconds a layer of both towers in which a CPU issues a pass's kernels, forward and backward: a pass takes no less.
ISSUED, ISSUED_IN_UNITS = 3.0e-3, 3.9e-3  # one GPU; several, where each layer's weights are exchanged by themselves
STEP = 0.05  # seconds a step beside its passes: starting and ending, clipping
WEIGHT = 22e-12  # seconds a trained weight and step, spread over the ranks: AdamW, copies, gradients that add up
ADAPTED, ADAPTED_WIDTH = 0.14, 2048  # more with adapters, in a model of this width: thin products of their own


def seconds(
    arch: Architecture,
    learning: Learning,
    plan: MemoryPlan,
    operations: float,
    *,
    passes: float,
    steps: int,
    gpus: int,
    adapters: bool = False,
) -> float:
    """Of `steps` optimizer steps with `operations` and `passes` in all, on all `gpus` together. `adapters`: a LoRA."""
    computed = operations * (1 + RECOMPUTED * plan.checkpointed) / RATE / gpus
    if adapters:
        computed *= 1 + ADAPTED * ADAPTED_WIDTH / arch.width
    layers = arch.layers + (arch.vision_layers if learning.encodes else 0)
    issued = (ISSUED if gpus == 1 else ISSUED_IN_UNITS) * layers * max(passes / gpus, steps)
    return max(computed, issued) + steps * (STEP + WEIGHT * learning.weights / gpus)
