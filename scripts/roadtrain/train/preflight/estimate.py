"""Operations, time and memory of a training run, with either kind of sequences.

Work is counted in floating-point operations: 2 for each weight and token forward, twice that backward (Kaplan et al.
2020, section 2.1), and for attention 4 * width for each pair of tokens that see each other.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, NotRequired, TypedDict

from roadtrain.frames.sampling import TEMPORAL, Picture, Sampling
from roadtrain.media import Clip
from roadtrain.model import flops
from roadtrain.train import memory
from roadtrain.train.preflight import pace
from roadtrain.train.preflight.exchange import exchanged_bytes
from roadtrain.train.preflight.media import ClipPlan, SeveralPlans
from roadtrain.train.preflight.tokens import ClipTokens
from roadtrain.train.toml_config import TrainRun

KINDS: tuple[Literal["shared-video", "per-question"], ...] = ("shared-video", "per-question")
CPU_RATE = 0.08e12  # two CPU cores, float32, the sample's model: measured in a run of train_local.py
GPU_MEMORY = 80  # GiB
PATCHES_PER_TOKEN = 4  # 2 x 2 patches of a frame pair become one vision token


class SequencesEstimate(TypedDict):
    """What a run costs with one kind of sequences."""

    training_flops: float
    seconds: float
    gpu_hours: float
    memory_gib_per_gpu: float
    exchanged_bytes: NotRequired[float]  # weights and gradients, in the whole run (exchange.py); absent: written by 0.2


# Its keys are the kinds of sequences, as the spec has them.
Estimate = TypedDict(
    "Estimate",
    {
        "shared-video": SequencesEstimate,
        "per-question": SequencesEstimate,
        "shared_video_saves": float,
        "assumes": str,
        "features_bytes": NotRequired[int],  # on the disk, of the training split's media (train.cache_features)
    },
)


def estimate_run(
    run: TrainRun,
    arch: flops.Architecture,
    plans: Mapping[Clip, ClipPlan],
    tokens: Mapping[Clip, ClipTokens],
    gpus: int,
    steps: int,
) -> Estimate:
    """`arch`: the model's sizes (flops.architecture). `plans` and `tokens` of the clips that are trained on; 0 `gpus`: a
    CPU. `steps`: of the optimizer, in all epochs."""
    patches = PATCHES_PER_TOKEN * max(plan.vision_tokens for plan, _ in plans.values())
    learning = learning_of(run, arch)
    estimates = {}
    for kind in KINDS:
        together = kind == "shared-video"
        work = sum(
            operations
            for clip in tokens
            for operations in _pass_flops(run, arch, plans[clip][0], tokens[clip], together)
        )
        longest = max(tokens[clip].longest_sequence(None if together else 1) for clip in tokens)
        operations = work * run.epochs
        plan = _memory_plan(run, arch, longest, patches, gpus)
        sequences = len(tokens) if together else sum(len(clip.questions) for clip in tokens.values())
        passes = run.epochs * sequences / run.mini_batch
        seconds = operations / CPU_RATE
        if gpus:
            counts: dict[str, Any] = {"passes": passes, "steps": steps, "gpus": gpus}
            seconds = pace.seconds(arch, learning, plan, operations, **counts, adapters=run.lora is not None)
        estimates[kind] = SequencesEstimate(
            training_flops=operations,
            seconds=round(seconds, 1),
            gpu_hours=round(seconds * gpus / 3600, 3),
            memory_gib_per_gpu=round(plan.bytes / 2**30, 2),
            exchanged_bytes=exchanged_bytes(run, plan, learning, steps, passes),
        )
    shared, apart = estimates["shared-video"], estimates["per-question"]
    rate = f"{pace.RATE / 1e12:g} TFLOP/s a GPU and what a step adds" if gpus else f"{CPU_RATE / 1e12:g} TFLOP/s"
    estimate: Estimate = {
        "shared-video": shared,
        "per-question": apart,
        "shared_video_saves": round(apart["training_flops"] / shared["training_flops"], 2),
        "assumes": f"{rate} (scripts/roadtrain/train/preflight/pace.py); memory: scripts/roadtrain/train/memory.py",
    }
    if run.reads_features:
        estimate["features_bytes"] = _features_bytes(run, arch, plans, gpus)
    return estimate


def _features_bytes(run: TrainRun, arch: flops.Architecture, plans: Mapping[Clip, ClipPlan], gpus: int) -> int:
    """Of the vision features of clips, as model/features.py stores them."""
    width = 2 if gpus and run.dtype == "bfloat16" else 4
    numbers = arch.width if "projector" in run.frozen_parts else PATCHES_PER_TOKEN * arch.vision_width
    return sum(plan.vision_tokens for plan, _ in plans.values()) * numbers * arch.mergers * width


def _pass_flops(
    run: TrainRun,
    arch: flops.Architecture,
    plan: Sampling | Picture | SeveralPlans,
    tokens: ClipTokens,
    together: bool,
) -> list[float]:
    """Operations of each pass, forward and backward, over a clip and its questions: one, or one a question."""
    pairs = sum(_patch_pairs(one) for one, _ in plan.media) if isinstance(plan, SeveralPlans) else _patch_pairs(plan)
    patches = PATCHES_PER_TOKEN * plan.vision_tokens
    passes = [tokens.questions] if together else [[question] for question in tokens.questions]
    return [pass_operations(run, arch, patches, pairs, tokens.prefix, segments) for segments in passes]


def pass_operations(
    run: TrainRun, arch: flops.Architecture, patches: int, pairs: float, prefix: int, segments: list[int]
) -> float:
    """Of one pass over a clip's `patches`, of which `pairs` see each other, and its segments (tokens of each)."""
    # Forward, and backward as much for the gradient of what came in and as much for that of the weights.
    times = 0 if run.reads_features else 1 if "vision" in run.frozen_parts else 3
    linear = 2 if run.lora or "language" in run.freeze else 3  # an adapter's own work is a hundredth
    text = linear * flops.text_linear(arch, prefix, segments) + 3 * flops.text_attention(arch, prefix, segments)
    return times * flops.vision_forward(arch, patches, pairs) + text


def _patch_pairs(plan: Sampling | Picture) -> float:
    """Pairs of patches that see each other in the vision tower: those of one frame pair."""
    steps = 1 if isinstance(plan, Picture) else len(plan.indices) / TEMPORAL
    return steps * (PATCHES_PER_TOKEN * plan.vision_tokens / steps) ** 2


def learning_of(run: TrainRun, arch: flops.Architecture) -> memory.Learning:
    """Which weights a run trains."""
    adapters = flops.adapter_weights(arch, run.lora.rank, run.lora.targets) if run.lora else 0
    optimizer = run.optimizer if run.engine == "local" else "AdamW"
    learning = memory.Learning.of(arch, run.frozen_parts, adapters, run.reads_features, optimizer)
    return replace(learning, frozen_master=4) if run.engine == "cosmos-rl" else learning


def _memory_plan(run: TrainRun, arch: flops.Architecture, tokens: int, patches: int, gpus: int) -> memory.MemoryPlan:
    """How a GPU's (or a CPU's) memory is used in passes of so many tokens and patches."""
    sizes: dict[str, Any] = {
        "ranks": max(1, gpus),
        "tokens": tokens * run.mini_batch,
        "patches": patches * run.mini_batch,
    }
    if gpus:  # both engines choose by the GPU's memory
        sizes |= {"width": 2 if run.dtype == "bfloat16" else 4, "learning": learning_of(run, arch)}
        return memory.choose(arch, GPU_MEMORY * 2**30, run.gradient_checkpointing, **sizes)
    way: dict[str, Any] = {"checkpointed": float(run.gradient_checkpointing == "on"), "gather_always": False}
    return memory.MemoryPlan(**way, bytes=memory.estimate(arch, width=4, **sizes, **way))
