"""What a training run will cost, and what is wrong with it, before a GPU is touched. No torch, no frames decoded.

Tokens are exact when the model's tokenizer is on this machine; vision tokens always are. Work is counted in
floating-point operations: 2 for each weight and token forward, twice that backward (Kaplan et al. 2020, section 2.1),
and for attention 4 * width for each pair of tokens that see each other.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from roadtrain.data.question import Question, group_by_clip
from roadtrain.frames.sampling import TEMPORAL, Picture, Sampling
from roadtrain.media import Words
from roadtrain.model import flops
from roadtrain.model.hub import needs_token
from roadtrain.train import batches, memory
from roadtrain.train.cosmos import schema as cosmos_schema
from roadtrain.train.toml_config import TrainRun

# Rates for the time estimate, in operations a second of one GPU, model FLOPs counted as below; 2B, bf16, one H100, 16 questions
# of 80 tokens (docs/performance.md): the slowest that the local engine's shared sequences were at 2,880 and 7,733 vision tokens
# (the fastest: 395). For a sequence a question only stock transformers was measured, 184 to 220.
GPU_RATES = {"shared-video": 338e12, "per-question": 184e12}
COSMOS_RL_RATES = {"shared-video": 85e12, "per-question": 67e12}  # its own steps on an H100: docs/cosmos-rl.md
CPU_RATE = 0.08e12  # two CPU cores, float32, the sample's model: measured in a run of train_local.py
GPU_MEMORY = 80  # GiB
TURN = "<|im_end|>\n<|im_start|>assistant\n"  # between what is asked and what is said


@dataclass(frozen=True)
class Check:
    """One known way for a training run to go wrong."""

    name: str
    ok: bool
    found: str
    remedy: str


@dataclass(frozen=True)
class Several:
    """What the model sees of several media: (plan, frames a second) of each, and the words between them."""

    parts: tuple

    @property
    def media(self) -> list:
        return [part for part in self.parts if isinstance(part, tuple)]

    @property
    def vision_tokens(self) -> int:
        return sum(plan.vision_tokens for plan, _ in self.media)


def prefix_tokens(plan: Sampling | Picture | Several, fps: float | None, count: Any, system_prompt: str) -> int:
    """Tokens of system prompt and media, as the processor of transformers 5 writes them."""
    opening = count(f"<|im_start|>system\n{system_prompt}<|im_end|>\n<|im_start|>user\n")
    if not isinstance(plan, Several):
        return opening + _medium_tokens(plan, fps, count)
    words = [part.text for part in plan.parts if isinstance(part, Words)]
    turns = sum(isinstance(part, Words) and part.speaker == "model" for part in plan.parts)
    between = sum(map(count, words)) + turns * count(f"{TURN}<|im_end|>\n<|im_start|>user\n")
    return opening + between + sum(_medium_tokens(*medium, count) for medium in plan.media)


def _medium_tokens(plan: Sampling | Picture, fps: float | None, count: Any) -> int:
    """Per frame pair a time stamp and the vision tokens between <|vision_start|> and <|vision_end|>, and an outer pair
    around all; a picture has that pair alone."""
    if isinstance(plan, Picture):
        return 2 + plan.vision_tokens
    pairs = zip(plan.indices[::TEMPORAL], plan.indices[1::TEMPORAL])
    stamps = sum(count(f"<{(a / fps + b / fps) / 2:.1f} seconds>") + 2 for a, b in pairs)
    return 2 + stamps + plan.vision_tokens


def segment_tokens(entry: Question, count: Any) -> int:
    before = "".join(f"{turn.prompt}{TURN}{turn.answer}<|im_end|>\n<|im_start|>user\n" for turn in entry.history)
    return count(f"{before}{entry.prompt}{TURN}{entry.answer}<|im_end|>")


def counter(model: str) -> Any:
    """text -> number of tokens by the model's own tokenizer, or None when it isn't on this machine."""
    file = Path(model) / "tokenizer.json"
    if not file.exists():
        return None
    from functools import cache

    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    return cache(lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids))


def _estimated(text: str) -> int:
    """Tokens of a text without its tokenizer: one for three characters, more than English has."""
    return len(text) // 3 + 1


def _forward_flops(
    arch: dict[str, float], plan: Sampling | Picture | Several, prefix: int, segments: list[int]
) -> float:
    """Operations of one forward pass over a clip (`prefix` tokens) and its segments (tokens of each)."""
    pairs = sum(_patch_pairs(one) for one, _ in plan.media) if isinstance(plan, Several) else _patch_pairs(plan)
    return flops.forward(arch, plan.vision_tokens * 4, pairs, prefix, segments)


def _patch_pairs(plan: Sampling | Picture) -> float:
    """Pairs of patches that see each other in the vision tower: those of one frame pair."""
    steps = 1 if isinstance(plan, Picture) else len(plan.indices) / TEMPORAL
    return steps * (plan.vision_tokens * 4 / steps) ** 2


def report(
    run: TrainRun,
    toml: dict[str, Any],
    entries: list[Question],
    plans: dict,
    gpus: int,
    calibration_max_length: int | None = None,
) -> dict[str, Any]:
    """The whole of preflight.json. `plans` is {clip: (Sampling, fps) or the reason why it can't be sampled};
    `calibration_max_length` what quantization takes, None where nothing is quantized."""
    count = counter(run.model)
    arch = flops.architecture(run.model)
    usable = {clip: plan for clip, plan in plans.items() if not isinstance(plan, str)}
    kept = [entry for entry in entries if entry.clip in usable]
    clips = group_by_clip(kept)
    vision = [plan.vision_tokens for plan, _ in usable.values()]
    prefixes, segments = {}, {}
    for clip, of in clips.items():
        plan, fps = usable[clip]
        prefixes[clip] = prefix_tokens(plan, fps, count or _estimated, run.system_prompt)
        segments[clip] = [segment_tokens(entry, count or _estimated) for entry in of]
    per_video = 1 if run.sequences == "per-question" else run.questions_per_video
    longest = max(
        (prefixes[c] + sum(sorted(segments[c])[-(per_video or len(segments[c])) :]) for c in clips), default=0
    )
    ranks = max(1, gpus)
    steps = [
        len(
            batches.steps(
                kept,
                epoch=n + 1,
                seed=run.seed,
                batch_questions=run.batch_questions * ranks,
                questions_per_video=per_video,
            )
        )
        for n in range(run.epochs)
    ]
    if run.engine == "cosmos-rl":  # as many in every epoch: cosmos_plan.py
        steps = steps[:1] * run.epochs
    questions = len(kept)
    out: dict[str, Any] = {
        "model": run.model,
        "sequences": run.sequences,
        "clips": {
            "total": len(plans),
            "left_out": sorted(f"{c.first.file}: {r}" for c, r in plans.items() if isinstance(r, str)),
        },
        "questions": questions,
        "vision_tokens": _summary(vision),
        "tokens_counted": "vision and text"
        if count
        else "vision; text estimated: the model's tokenizer is not on this machine",
        "longest_sequence": longest,
        "longest_question": max((prefixes[c] + max(segments[c]) for c in clips), default=0),
        "model_max_length": run.model_max_length,
        "epochs": run.epochs,
        "steps_per_epoch": steps,
        "steps": sum(steps),
        "gpus": gpus,
        "calibration_max_length": calibration_max_length,
    }
    if arch and clips:
        out["estimate"] = _estimate(run, arch, usable, prefixes, segments, gpus)
    out["checks"] = [asdict(check) for check in checks(run, toml, out, gpus)]
    return out


def _summary(values: list[int]) -> dict[str, float]:
    if not values:
        return {"min": 0, "mean": 0, "max": 0, "total": 0}
    return {"min": min(values), "mean": round(sum(values) / len(values), 1), "max": max(values), "total": sum(values)}


def _estimate(run, arch, plans, prefixes, segments, gpus) -> dict[str, Any]:
    """Operations, time and memory of the run with either kind of sequences."""
    patches = 4 * max(plan.vision_tokens for plan, _ in plans.values())
    out: dict[str, Any] = {}
    rates = COSMOS_RL_RATES if run.engine == "cosmos-rl" else GPU_RATES
    for kind, rate in rates.items():
        together = kind == "shared-video"
        work = sum(
            _forward_flops(arch, plans[c][0], prefixes[c], asked)
            for c in segments
            for asked in ([segments[c]] if together else [[one] for one in segments[c]])
        )
        longest = max(prefixes[c] + (sum if together else max)(segments[c]) for c in segments)
        operations = 3 * work * run.epochs  # forward, and twice that backward
        seconds = operations / (rate * gpus if gpus else CPU_RATE)
        out[kind] = {
            "training_flops": operations,
            "seconds": round(seconds, 1),
            "gpu_hours": round(seconds * gpus / 3600, 3),
            "memory_gib_per_gpu": round(_memory(run, arch, longest, patches, gpus) / 2**30, 2),
        }
    ratio = out["per-question"]["training_flops"] / out["shared-video"]["training_flops"]
    speeds = f"{' and '.join(f'{rate / 1e12:g}' for rate in rates.values())} TFLOP/s a GPU (shared, per question)"
    return out | {
        "shared_video_saves": round(ratio, 2),
        "assumes": f"{speeds if gpus else f'{CPU_RATE / 1e12:g} TFLOP/s'}; memory: scripts/roadtrain/train/memory.py",
    }


def _memory(run: TrainRun, arch: dict[str, float], tokens: int, patches: int, gpus: int) -> float:
    """Bytes on a GPU (or in a CPU's memory) for passes of so many tokens and patches."""
    sizes = {"ranks": max(1, gpus), "tokens": tokens * run.mini_batch, "patches": patches * run.mini_batch}
    if run.engine == "local" and gpus:  # it chooses by the GPU's memory
        width = 2 if run.dtype == "bfloat16" else 4
        return memory.choose(arch, GPU_MEMORY * 2**30, run.gradient_checkpointing, width=width, **sizes).bytes
    checkpointing = run.gradient_checkpointing == "on" or (run.gradient_checkpointing == "auto" and gpus > 0)
    always = run.engine == "cosmos-rl"  # on one GPU, too
    return memory.estimate(
        arch, checkpointed=float(checkpointing), gather_always=always, width=2 if gpus else 4, **sizes
    )


def checks(run: TrainRun, toml: dict[str, Any], found: dict[str, Any], gpus: int) -> list[Check]:
    """One check for each failure that users of cosmos-rl and of the recipe run into."""
    train, policy = toml.get("train", {}), toml.get("policy", {})
    sft, ckpt = train.get("train_policy", {}), train.get("ckpt", {})
    vision, ranks = toml.get("custom", {}).get("vision", {}), max(1, gpus)
    per_rank = -(-found["questions"] // ranks)
    needed = found.get("estimate", {}).get(run.sequences, {}).get("memory_gib_per_gpu")
    calibration = found.get("calibration_max_length")
    rows = [
        (
            "mini-batch-divides-batch",
            run.batch_questions % run.mini_batch == 0,
            f"mini_batch {run.mini_batch}, train_batch_per_replica {run.batch_questions}",
            "set train.mini_batch to a divisor of train.train_batch_per_replica",
        ),
        (
            "batch-fits-data",
            found["questions"] > 0 and run.batch_questions <= per_rank,
            f"{per_rank} questions a rank, train_batch_per_replica {run.batch_questions}",
            "lower train.train_batch_per_replica or train.gpus: an epoch would have no step",
        ),
        (
            "one-frame-rule",
            ("fps" in vision) != ("nframes" in vision),
            f"vision: {', '.join(vision) or 'empty'}",
            "give either nframes or fps: with both, workers fall back silently and deadlock",
        ),
        (
            "sequence-fits-model",
            found["longest_sequence"] <= run.model_max_length,
            f"longest sequence {found['longest_sequence']} tokens, model_max_length {run.model_max_length}",
            "raise train.model_max_length, lower the pixels, or set train.questions_per_video",
        ),
        (
            "policy-is-sft",
            sft.get("type") == "sft",
            f"train_policy.type = {sft.get('type')!r}",
            'keep train.train_policy.type = "sft": without it cosmos-rl trains by reinforcement',
        ),
        (
            "compile-off",
            train.get("compile") is False,
            f"train.compile = {train.get('compile')}",
            "keep train.compile = false: Hugging Face models break under cosmos-rl's compile",
        ),
        (
            "tensor-parallel-is-one",
            policy.get("parallelism", {}).get("tp_size") == 1,
            f"tp_size = {policy.get('parallelism', {}).get('tp_size', 'missing (default 2)')}",
            "keep policy.parallelism.tp_size = 1",
        ),
        (
            "every-epoch-saved",
            ckpt.get("enable_checkpoint") is True and ckpt.get("save_freq_in_epoch") == 1,
            f"enable_checkpoint = {ckpt.get('enable_checkpoint')}, save_freq_in_epoch = {ckpt.get('save_freq_in_epoch')}",
            "keep train.ckpt.enable_checkpoint = true and save_freq_in_epoch = 1",
        ),
        (
            "epochs-are-kept",
            ckpt.get("max_keep", 5) == -1 or ckpt.get("max_keep", 5) >= run.epochs,
            f"max_keep = {ckpt.get('max_keep', 'missing (default 5)')}, {run.epochs} epochs",
            "keep train.ckpt.max_keep above the number of epochs: fewer deletes finished exports",
        ),
        (
            "token-for-gated-model",
            not needs_token(run.model),
            "no token for a gated model" if needs_token(run.model) else "open, or a token is there",
            "accept the model's terms on Hugging Face and set HF_TOKEN",
        ),
        (
            "memory-fits-gpu",
            gpus == 0 or needed is None or needed <= GPU_MEMORY * memory.SHARE,
            "no GPU" if gpus == 0 else f"about {needed} GiB a GPU of {GPU_MEMORY}",
            "use more GPUs, fewer pixels or a smaller model",
        ),
        (
            "calibration-fits",
            calibration is None or found["longest_question"] <= calibration,
            f"longest video and question {found['longest_question']} tokens, calibration_max_length {calibration or 'unused'}",
            "raise quantize.calibration_max_length: shorter ones lose their video",
        ),
    ]
    if run.engine == "cosmos-rl":
        rows.append(("cosmos-rl-reads-it", *_read_by_cosmos_rl(toml)))
    return [Check(*row) for row in rows]


def _read_by_cosmos_rl(toml: dict[str, Any]) -> tuple[bool, str, str]:
    """Every key looked up in the installed cosmos-rl, and the whole validated: (ok, found, remedy)."""
    have = cosmos_schema.installed()
    if have != cosmos_schema.VERSION:
        remedy = f"pip install --no-deps cosmos-rl=={cosmos_schema.VERSION} toml"
        return False, f"cosmos-rl {have or 'is not installed'}: the keys can't be looked up", remedy
    wrong = cosmos_schema.mistakes(toml)
    return not wrong, "; ".join(wrong) or f"every key is known to cosmos-rl {have}", "correct templates/sft.toml.j2"
