"""The real packer, sampler, collation and HF wrapper of cosmos-rl on the committed tiny base, on a CPU, in its own Python
environment (cosmos_cpu.py). What only a GPU has is left out: FSDP, NCCL, the worker around the trainer.
"""

import contextlib
import copy
import dataclasses
import os
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

import torch
from cosmos_rl.policy.config import Config
from cosmos_rl.policy.model import ModelRegistry
from cosmos_rl.policy.trainer.base import TrainerRegistry
from cosmos_rl.policy.trainer.optm import build_lr_schedulers
from cosmos_rl.policy.worker.sft_worker import SFTDataset, collate_fn
from safetensors.torch import load_file
from torch._dynamo.backends.debugging import aot_eager

from roadtrain.model import attention
from roadtrain.train.cosmos import heartbeat, hooks, own_forward
from roadtrain.train.cosmos.data import QuestionDataset, SequencePacker, StepSampler
from roadtrain.train.optimizer import learning_rate


class Step(NamedTuple):
    """An optimizer step up to its gradients."""

    loss: float
    gradients: dict[str, torch.Tensor]
    tokens: int
    passes: int


def report(shared_toml: str, apart_toml: str) -> dict:
    """What the tests compare."""
    hooks.check_versions()
    hooks.attend_by_sdpa()
    hooks.register_trainer()
    config = read(shared_toml)
    with transformers_forward():
        result, shared = stock_report(config, read(apart_toml))
    own_forward.register_model()
    own = {kind: own_report(config, kind, shared) for kind in ("segments", "dense", "flex")}
    return result | {"own": own, "phases": phases(config)}


@contextlib.contextmanager
def transformers_forward():
    """cosmos-rl's own model and transformers' forward."""
    os.environ[own_forward.FORWARD] = "stock"
    yield
    del os.environ[own_forward.FORWARD]


def own_report(config: Config, kind: str, stock: Step) -> dict:
    """The local engine's forward in cosmos-rl's model: the same step as transformers' forward takes, attending in one of
    the ways that ship."""
    model = build(config)
    load(model, load_file(Path(config.policy.model_name_or_path, "model.safetensors")))
    own_forward.prepare(model, config)
    model.set_gradient_checkpointing_enabled(True)
    attention.set_attention(model.model, kind)
    graphs = compiled_layers(model.model) if kind == "flex" else []
    model.train()
    padded = 128 if kind == "flex" else 1
    step = one_step(model, config, padded=padded)
    config.train.train_policy.mini_batch = 2
    two = one_step(model, config, padded=padded)
    config.train.train_policy.mini_batch = 1
    return {
        "pairs": {"loss": two.loss, "passes": two.passes, "worst_gradient": worst(two.gradients, stock.gradients)},
        "model": type(model).__name__,
        "attention": attention.attention_kind(model.model),
        "loss": step.loss,
        "passes": step.passes,
        "worst_gradient": worst(step.gradients, stock.gradients),
        "parameters": sorted(step.gradients) == sorted(stock.gradients),
        "graphs": [len(graphs), *sorted(set(graphs))],
    }


def compiled_layers(qwen) -> list[str]:
    """Layers as a GPU compiles them, up to the code that would be generated: one graph each, or an error. What was traced."""
    traced = []

    def trace(graph, inputs):
        traced.append(type(graph).__name__)
        return aot_eager(graph, inputs)

    torch.nn.attention.flex_attention._validate_device = lambda *_: None  # refuses gradients on a CPU
    for layer in [*qwen.model.visual.blocks, *qwen.model.language_model.layers]:
        layer.forward = torch.compile(layer.forward, backend=trace, fullgraph=True)
    return traced


def phases(config: Config) -> list[str]:
    """What a launcher is told that the first rank does, where layers are compiled: in a step's passes, the first twice."""
    packer, data = SequencePacker(), QuestionDataset(config)
    packer.setup(config)
    sampler = StepSampler(data, num_replicas=1, rank=0)
    packer.follow(sampler)
    packer.execution = dataclasses.replace(packer.execution, attention="flex")
    told = []
    with tempfile.TemporaryDirectory() as folder:
        beats = Path(folder, "alive")
        os.environ |= {heartbeat.VARIABLE: str(beats), "LOCAL_RANK": "0"}
        step = next(iter(sampler))
        for batch in ([step[0]], [step[0]]):
            packer.batch_size(batch)
            told.append(beats.read_text())
            one = packer.slice_batch(batch, 0, 1)
            packer.sft_collate_fn(one, computed_max_len=packer.sft_compute_max_len(one), ignore_label_id=-100)
            told.append(beats.read_text())
    for name in (heartbeat.VARIABLE, "LOCAL_RANK"):
        del os.environ[name]
    return told


def stock_report(config: Config, apart_config: Config) -> tuple[dict, Step]:
    """Of cosmos-rl's HF wrapper with transformers' forward."""
    model = build(config)
    base = load_file(Path(config.policy.model_name_or_path, "model.safetensors"))
    result = {
        "attention": [
            model.model.config.text_config._attn_implementation,
            model.model.config.vision_config._attn_implementation,
        ],
        "missing": load(model, base),
        "exported_names_differ": sorted(exported_names(model) ^ base.keys()),
        "trainer": [one.__name__ for one in TrainerRegistry.get_trainer_cls("roadtrain").__mro__[:2]],
    }
    model.set_gradient_checkpointing_enabled(True)
    model.train()
    shared, apart = one_step(model, config), one_step(model, apart_config)
    for kind, step in {"shared": shared, "apart": apart}.items():
        result[kind] = {"loss": step.loss, "tokens": step.tokens, "passes": step.passes}
    report = result | {
        "worst_gradient": worst(shared.gradients, apart.gradients),
        "parameters": [len(shared.gradients), len(list(model.named_parameters()))],
        "vision_gradient": float(sum(grad.norm() for name, grad in shared.gradients.items() if "visual" in name)),
        "two_ranks": two_ranks(model, config, shared),
        "pairs": pairs(model, config, shared),
        "ids": first_prefix(config),
        "positions": positions(model, config),
        "rates": max(abs(a - b) for a, b in rates(config)),
    }
    return report, shared


def worst(gradients: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """Largest relative difference of a parameter's gradient."""
    return float(max((gradients[name] - grad).norm() / grad.norm().clamp_min(1e-12) for name, grad in expected.items()))


def two_ranks(model, config: Config, alone: Step) -> dict:
    """The same step on two ranks with half the batch each, averaged as FSDP averages."""
    config.train.train_batch_per_replica //= 2
    steps = [one_step(model, config, ranks=2, rank=rank) for rank in (0, 1)]
    config.train.train_batch_per_replica *= 2
    mean = {name: (steps[0].gradients[name] + steps[1].gradients[name]) / 2 for name in alone.gradients}
    return {
        "loss": sum(step.loss for step in steps) / 2,
        "passes": [step.passes for step in steps],
        "worst_gradient": worst(mean, alone.gradients),
    }


def pairs(model, config: Config, alone: Step) -> dict:
    """The same with two clips a pass."""
    config.train.train_policy.mini_batch = 2
    step = one_step(model, config)
    result = {
        "loss": step.loss,
        "passes": step.passes,
        "worst_gradient": worst(step.gradients, alone.gradients),
        "two_ranks": two_ranks(model, config, alone),
    }
    config.train.train_policy.mini_batch = 1
    return result


def exported_names(model) -> set[str]:
    """What the parameters are called in an export."""
    names = [model.weight_mapper.policy_map_local_key_to_hf_key(local) for local, _ in model.named_parameters()]
    return set(names)


def read(path: str) -> Config:
    return Config.from_dict(copy.deepcopy(tomllib.loads(Path(path).read_text())))


def build(config: Config):
    """cosmos-rl's own construction, on the meta device, then on the CPU."""
    model = ModelRegistry.build_model(config)
    model._apply(lambda t: torch.empty_like(t, device="cpu") if t.device.type == "meta" else t, recurse=True)
    model.post_to_empty_hook(config)
    return model


def load(model, base: dict) -> list[str]:
    with torch.no_grad():
        missing = model.model.load_state_dict(base, strict=False)
    model.model.tie_weights()
    return [name for name in [*missing.missing_keys, *missing.unexpected_keys] if name != "lm_head.weight"]


def one_step(model, config: Config, ranks: int = 1, rank: int = 0, padded: int = 1) -> Step:
    """The first optimizer step of the first epoch, as SFTTrainer.step_training does it up to the gradients."""
    packer = SequencePacker()
    packer.setup(config)
    data = QuestionDataset(config)
    dataset = SFTDataset(config.train.train_policy, dataset=data, data_packer=packer, is_user_dataset=True)
    sampler = StepSampler(data, num_replicas=ranks, rank=rank)
    packer.follow(sampler)
    loader = torch.utils.data.DataLoader(
        dataset, num_workers=1, prefetch_factor=2, batch_sampler=sampler, collate_fn=collate_fn
    )
    sampler.set_epoch(0)
    assert len(loader) == len(sampler) > 0
    batch = next(iter(loader))
    model.zero_grad()
    total, tokens, passes, count = 0.0, 0, 0, packer.batch_size(batch)
    mini_batch = config.train.train_policy.mini_batch
    for i in range(0, count, mini_batch):
        raw = packer.slice_batch(batch, i, i + mini_batch)
        passes += 1
        longest = min(config.policy.model_max_length, packer.sft_compute_max_len(raw))
        inputs = packer.sft_collate_fn(raw, computed_max_len=longest, ignore_label_id=-100)
        labels = inputs.pop("label_ids")
        inputs["position_ids"], _, _ = model.get_position_ids(**inputs)
        if sequence := inputs.get("sequence"):
            inputs["sequence"] = sequence.padded(padded)
            assert inputs["is_last"] == (i + mini_batch >= count)
        tokens += longest
        loss = hooks.pass_loss(model(**inputs).logits, labels, output_packing_mask=None, loss_scaling_factor=1 / count)
        loss.backward()
        total += loss.item()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return Step(total, gradients, tokens, passes)


def first_prefix(config: Config) -> dict:
    packer = SequencePacker()
    packer.setup(config)
    entry = QuestionDataset(config).entries[0]
    prefix, segment = packer.prompter.prefix(packer.frames.read(entry.clip)), packer.prompter.segment(entry)
    return {
        "prefix": prefix.input_ids.tolist(),
        "segment": segment.prompt_ids,
        "answer": segment.answer_ids,
        "pixels": [float(prefix.pixels.double().sum()), float(prefix.pixels.double().square().sum())],
    }


def positions(model, config: Config) -> int:
    """Largest difference between our M-RoPE positions of a prefix and those of transformers 4.57."""
    from roadtrain.model.sequences import vision_positions

    packer = SequencePacker()
    packer.setup(config)
    entry = QuestionDataset(config).entries[0]
    prefix = packer.prompter.prefix(packer.frames.read(entry.clip))
    ours, _ = vision_positions(prefix, packer.video_token)
    theirs, _ = model.model.model.get_rope_index(prefix.input_ids[None], None, prefix.grid)
    return int((ours - theirs[:, 0]).abs().max())


def rates(config: Config):
    """Our learning rate of every step and cosmos-rl's, for several schedules."""
    for warmup, schedule in ((0, "cosine"), (5, "cosine"), (3, "linear"), (1, "linear"), (0, "none")):
        config.train.optm_warmup_steps, config.train.optm_decay_type = warmup, schedule
        config.train.optm_warmup_start_factor = 1 / warmup if warmup else 0.0
        weight = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.AdamW([weight], lr=config.train.optm_lr)

        class Container:
            optimizers, model_parts = [[optimizer]], [torch.nn.Module()]

            def __len__(self):
                return 1

        schedulers = build_lr_schedulers(Container(), config, 20)
        for step in range(20):
            ours = learning_rate(
                step,
                peak=config.train.optm_lr,
                schedule="constant" if schedule == "none" else schedule,
                warmup=warmup,
                total=20,
            )
            yield ours, optimizer.param_groups[0]["lr"]
            optimizer.step()
            schedulers.step()
