"""What the nodes of a training run send each other, and how long that takes.

FSDP2: before a pass a rank gathers the others' shards of the weights, in the passes' type; after it gradients are summed,
each rank for its own shard, in float32. In a ring of N ranks every link carries (N-1)/N of what is gathered or summed, those
between nodes included, however many GPUs a node has: so it is what a node sends, and what it receives.
"""

from roadtrain.train.memory import Learning, MemoryPlan
from roadtrain.train.toml_config import TrainRun

GRADIENT_BYTES = 4  # a number of what is summed: float32 with both engines
MUON_BYTES = 2  # a number of what Muon gathers (train/muon.py): bfloat16
GLOO_SUMS = 2  # Gloo, between CPUs, sums whole gradients on every rank: as much again comes back


def exchanged_bytes(run: TrainRun, plan: MemoryPlan, learning: Learning, steps: int, passes: float) -> float:
    """Bytes that are gathered or summed in a run of so many optimizer steps and, of all ranks together, passes: once a
    step where memory allows it, else in every pass. cosmos-rl keeps frozen weights in shards, too."""
    width = 2 if run.dtype == "bfloat16" else 4
    gathered = width * (learning.weights + (learning.frozen if plan.shard_frozen or learning.frozen_master else 0))
    summed = GRADIENT_BYTES * learning.weights * (1 if run.gpus else GLOO_SUMS)
    muon = steps * MUON_BYTES * learning.muon
    if not plan.gather_always:
        return steps * (gathered + summed) + muon
    return passes / run.ranks * (2 * gathered + summed) + muon  # forward and backward


def link_bytes(exchanged: float, ranks: int) -> float:
    """Bytes that a node sends, and as many that it receives."""
    return exchanged * (ranks - 1) / ranks


def seconds_of_nodes(computing: float, exchanged: float, ranks: int, gbit: float) -> tuple[float, float]:
    """Between what and what a run takes on several nodes with a network of `gbit` Gbit/s a node: all of the exchange
    while GPUs compute, or none. `computing`: seconds on that many GPUs of one node."""
    sending = link_bytes(exchanged, ranks) * 8 / (gbit * 1e9)
    return max(computing, sending), computing + sending
