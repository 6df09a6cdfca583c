"""Operations, time and memory of a training run, with either kind of sequences.

Work is counted in floating-point operations: 2 for each weight and token forward, twice that backward (Kaplan et al.
2020, section 2.1), and for attention 4 * width for each pair of tokens that see each other.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NotRequired, TypedDict

from roadtrain.frames.sampling import TEMPORAL, Picture, Sampling
from roadtrain.media import Clip
from roadtrain.model import flops
from roadtrain.train import memory
from roadtrain.train.preflight.exchange import exchanged_bytes
from roadtrain.train.preflight.media import ClipPlan, SeveralPlans
from roadtrain.train.preflight.tokens import ClipTokens
from roadtrain.train.toml_config import TrainRun

# Rates for the time estimate, in operations a second of one GPU, model FLOPs counted as below; 2B, bf16, one H100, 16 questions
# of 80 tokens (docs/performance.md): the slowest that the local engine's shared sequences were at 2,880 and 7,733 vision tokens
# (the fastest: 395). For a sequence a question only stock transformers was measured, 184 to 220.
GPU_RATES = {"shared-video": 338e12, "per-question": 184e12}
# Of cosmos-rl's own steps on an H200 (docs/cosmos-rl.md): 294 to 310 and, on two GPUs, 281; 362. With two clips a pass 387.
COSMOS_RL_RATES = {"shared-video": 290e12, "per-question": 360e12}
COSMOS_RL_SEVERAL = COSMOS_RL_RATES | {"shared-video": 385e12}
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
    rates = rates_of(run)
    estimates = {}
    for kind, rate in rates.items():
        together = kind == "shared-video"
        work = sum(
            operations
            for clip in tokens
            for operations in _pass_flops(run, arch, plans[clip][0], tokens[clip], together)
        )
        longest = max(tokens[clip].longest_sequence(None if together else 1) for clip in tokens)
        operations = work * run.epochs
        plan = _memory_plan(run, arch, longest, patches, gpus)
        passes = run.epochs * (len(tokens) if together else sum(len(clip.questions) for clip in tokens.values()))
        seconds = operations / (rate * gpus if gpus else CPU_RATE)
        estimates[kind] = SequencesEstimate(
            training_flops=operations,
            seconds=round(seconds, 1),
            gpu_hours=round(seconds * gpus / 3600, 3),
            memory_gib_per_gpu=round(plan.bytes / 2**30, 2),
            exchanged_bytes=exchanged_bytes(run, plan, _learning(run, arch), steps, passes / run.mini_batch),
        )
    shared, apart = estimates["shared-video"], estimates["per-question"]
    speeds = f"{' and '.join(f'{rate / 1e12:g}' for rate in rates.values())} TFLOP/s a GPU (shared, per question)"
    estimate: Estimate = {
        "shared-video": shared,
        "per-question": apart,
        "shared_video_saves": round(apart["training_flops"] / shared["training_flops"], 2),
        "assumes": f"{speeds if gpus else f'{CPU_RATE / 1e12:g} TFLOP/s'}; memory: scripts/roadtrain/train/memory.py",
    }
    if run.reads_features:
        estimate["features_bytes"] = _features_bytes(run, arch, plans, gpus)
    return estimate


def rates_of(run: TrainRun) -> dict[str, float]:
    """Operations a second of one GPU with either kind of sequences."""
    if run.engine != "cosmos-rl":
        return GPU_RATES
    return COSMOS_RL_RATES if run.mini_batch == 1 else COSMOS_RL_SEVERAL


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
    # Forward, and backward as much for the gradient of what came in and as much for that of the weights.
    times = 0 if run.reads_features else 1 if "vision" in run.frozen_parts else 3
    vision = times * flops.vision_forward(arch, patches, pairs)
    text = 2 if run.lora or "language" in run.freeze else 3  # an adapter's own work is a hundredth
    return [vision + text * flops.text_forward(arch, tokens.prefix, segments) for segments in passes]


def _patch_pairs(plan: Sampling | Picture) -> float:
    """Pairs of patches that see each other in the vision tower: those of one frame pair."""
    steps = 1 if isinstance(plan, Picture) else len(plan.indices) / TEMPORAL
    return steps * (PATCHES_PER_TOKEN * plan.vision_tokens / steps) ** 2


def _learning(run: TrainRun, arch: flops.Architecture) -> memory.Learning:
    adapters = flops.adapter_weights(arch, run.lora.rank, run.lora.targets) if run.lora else 0
    learning = memory.Learning.of(arch, run.frozen_parts, adapters, run.reads_features)
    return replace(learning, frozen_master=4) if run.engine == "cosmos-rl" else learning


def _memory_plan(run: TrainRun, arch: flops.Architecture, tokens: int, patches: int, gpus: int) -> memory.MemoryPlan:
    """How a GPU's (or a CPU's) memory is used in passes of so many tokens and patches."""
    sizes: dict[str, Any] = {
        "ranks": max(1, gpus),
        "tokens": tokens * run.mini_batch,
        "patches": patches * run.mini_batch,
    }
    if gpus:  # both engines choose by the GPU's memory
        sizes |= {"width": 2 if run.dtype == "bfloat16" else 4, "learning": _learning(run, arch)}
        return memory.choose(arch, GPU_MEMORY * 2**30, run.gradient_checkpointing, **sizes)
    way: dict[str, Any] = {"checkpointed": float(run.gradient_checkpointing == "on"), "gather_always": False}
    return memory.MemoryPlan(**way, bytes=memory.estimate(arch, width=4, **sizes, **way))
