"""What is replaced in cosmos-rl, and why. Every replacement names its place; nothing works on another release.

attend_by_sdpa     it hard-codes flash_attention_2, which can't express the mask of shared-video sequences (and has
                   to be compiled): the language model and the vision tower attend by SDPA
listen_locally     its redis listens on every interface without a password, and wants to write to /opt
register_trainer   its loss is a mean of means: a clip with two questions weighs as much as one with sixteen
"""

import os
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from roadtrain.cli import UserError
from roadtrain.train.cosmos import heartbeat
from roadtrain.train.cosmos import schema as cosmos_schema

TRANSFORMERS = "4.57.6"  # cosmos-rl's own patch of Qwen3-VL's forward is written for this one


def check_versions() -> None:
    """Raises UserError naming what is installed, what these replacements were written for, and how to get it."""
    for package, wanted in {"cosmos-rl": cosmos_schema.VERSION, "transformers": TRANSFORMERS}.items():
        try:
            have = version(package)
        except PackageNotFoundError:
            have = "not installed"
        if have != wanted:
            raise UserError(
                f"{package} is {have}: scripts/cosmos_sft.py replaces parts of cosmos-rl {cosmos_schema.VERSION} on transformers"
                f" {TRANSFORMERS} and of nothing else: pip install {package}=={wanted}, or make cosmos"
            )
    import torch.distributed.pipelining.stage as stage

    if not hasattr(stage, "_RootArgPlaceholder"):
        raise UserError(
            f"torch is {version('torch')}: cosmos-rl {cosmos_schema.VERSION} imports a private name that torch lost in 2.12:"
            " pip install torch==2.11.0, or make cosmos"
        )


def attend_by_sdpa() -> None:
    import cosmos_rl.policy.model.hf_models as hf_models

    original = hf_models.pre_hf_models_patch

    def patch(config: Any) -> None:
        original(config)
        config._attn_implementation = "sdpa"

    hf_models.pre_hf_models_patch = patch


def listen_locally(folder: str | Path) -> None:
    """Redis on 127.0.0.1, its files in `folder`. SFT with one replica never talks to it from another node."""
    import cosmos_rl.utils.network_util as network_util

    original = network_util.write_redis_config

    def write(*args: Any, **kwargs: Any) -> str:
        path = original(*args, **kwargs)
        text = Path(path).read_text()
        settings = {"bind": "127.0.0.1", "protected-mode": "yes", "dir": folder, "logfile": Path(folder, "redis.log")}
        for name, value in settings.items():
            text, count = re.subn(rf"^{name} .*$", lambda _: f'{name} "{value}"', text, flags=re.MULTILINE)
            if count != 1:
                raise RuntimeError(
                    f"{path}: expected one line {name!r}, found {count}: not cosmos-rl {cosmos_schema.VERSION}'s"
                )
        Path(path).write_text(text)
        return path

    network_util.write_redis_config = write


class Targets(NamedTuple):
    """What a rank's loss is computed from, in the place of cosmos-rl's label tensor: A answer tokens."""

    tokens: Any  # int64 [A]
    weights: Any  # float32 [A]: share of the question / tokens of its answer


def answer_loss(logits: Any, targets: Targets, **_: Any) -> Any:
    """Cross-entropy of the answers' tokens, weighted: averaged over the ranks and summed over a step's passes it is the
    mean over the step's questions, as in the local engine. logits: [1, A, vocabulary]. cosmos-rl's own scaling (by the
    number of passes) is left aside."""
    import torch.nn.functional as F

    losses = F.cross_entropy(logits[0].float(), targets.tokens.to(logits.device), reduction="none")
    return (losses * targets.weights.to(logits.device)).sum()


def register_trainer() -> None:
    """trainer_type "roadtrain": cosmos-rl's SFT trainer with our loss, and exports that are whole before the state is saved."""
    from cosmos_rl.policy.trainer.base import TrainerRegistry
    from cosmos_rl.policy.trainer.llm_trainer.sft_trainer import SFTTrainer
    from cosmos_rl.utils.model_export import finish_model_export

    class Trainer(SFTTrainer):
        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **kwargs)
            self.loss_fn = answer_loss

        def export_safetensors(self, *args: Any, **kwargs: Any) -> None:
            """cosmos-rl exports in a thread, saves the state meanwhile, and a kill in between loses the epoch's export:
            a resume would go on after it."""
            heartbeat.enter("saving")
            super().export_safetensors(*args, **kwargs)
            finish_model_export(self)

    TrainerRegistry.register("roadtrain")(Trainer)


def install() -> None:
    """All of them."""
    check_versions()
    attend_by_sdpa()
    listen_locally(os.environ.get("ROADTRAIN_COSMOS_FOLDER", "/tmp"))
    if os.environ.get("COSMOS_ROLE") == "Policy":
        register_trainer()
