"""Runs in cosmos-rl's own environment, started by test_cosmos_rl.py: the real packer, sampler, collation and HF wrapper of
cosmos-rl on the committed tiny base, on a CPU. Prints one JSON object.

What only a GPU has is left out: FSDP, NCCL, the worker around the trainer.
"""

import copy
import json
import os
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
os.environ.update(COSMOS_ROLE="Policy", HF_HUB_OFFLINE="1")

import torch  # noqa: E402
import torch.distributed.pipelining.stage as stage  # noqa: E402

# cosmos-rl's trainer imports a private name, for pipeline parallelism, that torch 2.12 lost; the only CPU build that
# everybody can have is newer. Nothing here uses it, and scripts/cosmos_sft.py refuses such a torch.
if not hasattr(stage, "_RootArgPlaceholder"):
    stage._RootArgPlaceholder = object

from roadtrain import torchvision_cpu

torchvision_cpu.ensure()
torch.set_num_threads(1)

from cosmos_rl.policy.config import Config  # noqa: E402
from cosmos_rl.policy.model import ModelRegistry  # noqa: E402
from cosmos_rl.policy.trainer.base import TrainerRegistry  # noqa: E402
from cosmos_rl.policy.trainer.optm import build_lr_schedulers  # noqa: E402
from cosmos_rl.policy.worker.sft_worker import SFTDataset, collate_fn  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from roadtrain.train.cosmos import data as cosmos_data
from roadtrain.train.cosmos import hooks as cosmos_hooks
from roadtrain.train.optimizer import learning_rate  # noqa: E402


def main(shared_toml: str, apart_toml: str) -> None:
    found: dict = {}
    cosmos_hooks.check_versions()
    cosmos_hooks.attend_by_sdpa()
    cosmos_hooks.register_trainer()
    config = read(shared_toml)
    model = build(config)
    found["attention"] = [
        model.model.config.text_config._attn_implementation,
        model.model.config.vision_config._attn_implementation,
    ]
    base = load_file(Path(config.policy.model_name_or_path, "model.safetensors"))
    found["missing"] = load(model, base)
    names = {
        name
        for local, _ in model.named_parameters()
        for name in [model.weight_mapper.policy_map_local_key_to_hf_key(local)]
    }
    found["exported_names_differ"] = sorted(names ^ base.keys())
    model.set_gradient_checkpointing_enabled(True)
    model.train()
    found["trainer"] = [c.__name__ for c in TrainerRegistry.get_trainer_cls("roadtrain").__mro__[:2]]

    shared = one_step(model, config)
    apart = one_step(model, read(apart_toml))
    for kind, (loss, _, tokens, passes) in {"shared": shared, "apart": apart}.items():
        found[kind] = {"loss": loss, "tokens": tokens, "passes": passes}
    worst = max((shared[1][name] - apart[1][name]).norm() / apart[1][name].norm().clamp_min(1e-12) for name in apart[1])
    found["worst_gradient"] = float(worst)
    found["parameters"] = [len(shared[1]), len(list(model.named_parameters()))]
    found["vision_gradient"] = float(sum(g.norm() for n, g in shared[1].items() if "visual" in n))
    config.train.train_batch_per_replica //= 2
    two = [one_step(model, config, ranks=2, rank=rank) for rank in (0, 1)]  # FSDP averages over the ranks
    config.train.train_batch_per_replica *= 2
    found["two_ranks"] = {
        "loss": sum(loss for loss, *_ in two) / 2,
        "passes": [passes for *_, passes in two],
        "worst_gradient": float(
            max(
                ((two[0][1][n] + two[1][1][n]) / 2 - shared[1][n]).norm() / shared[1][n].norm().clamp_min(1e-12)
                for n in shared[1]
            )
        ),
    }
    found["ids"] = first_prefix(config)
    found["positions"] = positions(model, config)
    found["rates"] = max(abs(a - b) for a, b in rates(config))
    print("FOUND " + json.dumps(found))


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


def one_step(model, config: Config, ranks: int = 1, rank: int = 0) -> tuple[float, dict, int, int]:
    """The first optimizer step of the first epoch, as SFTTrainer.step_training does it up to the gradients."""
    packer = cosmos_data.Packer()
    packer.setup(config)
    data = cosmos_data.Questions(config)
    dataset = SFTDataset(config.train.train_policy, dataset=data, data_packer=packer, is_user_dataset=True)
    sampler = cosmos_data.Steps(data, num_replicas=ranks, rank=rank)
    loader = torch.utils.data.DataLoader(
        dataset, num_workers=1, prefetch_factor=2, batch_sampler=sampler, collate_fn=collate_fn
    )
    sampler.set_epoch(0)
    assert len(loader) == len(sampler) > 0
    batch = next(iter(loader))
    model.zero_grad()
    total, tokens, count = 0.0, 0, packer.batch_size(batch)
    for i in range(count):
        raw = packer.slice_batch(batch, i, i + 1)
        longest = min(config.policy.model_max_length, packer.sft_compute_max_len(raw))
        inputs = packer.sft_collate_fn(raw, computed_max_len=longest, ignore_label_id=-100)
        labels = inputs.pop("label_ids")
        inputs["position_ids"], _, _ = model.get_position_ids(**inputs)
        tokens += inputs["input_ids"].shape[1]
        assert longest == inputs["input_ids"].shape[1]
        loss = cosmos_hooks.answer_loss(
            model(**inputs).logits, labels, output_packing_mask=None, loss_scaling_factor=1 / count
        )
        loss.backward()
        total += loss.item()
    gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    return total, gradients, tokens, count


def first_prefix(config: Config) -> dict:
    packer = cosmos_data.Packer()
    packer.setup(config)
    entry = cosmos_data.Questions(config).entries[0]
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

    packer = cosmos_data.Packer()
    packer.setup(config)
    entry = cosmos_data.Questions(config).entries[0]
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


if __name__ == "__main__":
    main(*sys.argv[1:])
