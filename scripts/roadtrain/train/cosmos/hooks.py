"""What is replaced in cosmos-rl, and why. Every replacement names its place; nothing works on another release.

attend_by_sdpa     it hard-codes flash_attention_2, which can't express the mask of shared-video sequences (and has
                   to be compiled): the language model and the vision tower attend by SDPA
listen_locally     its redis listens on every interface without a password, and wants to write to /opt
own_forward.py     its model computes with transformers' forward, a frame pair and a layer at a time
register_trainer   its loss is a mean of means: a clip with two questions weighs as much as one with sixteen
"""

import os
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from roadtrain.cli import UserError
from roadtrain.train.cosmos import heartbeat, own_forward, schema

TRANSFORMERS = "4.57.6"  # cosmos-rl's own patch of Qwen3-VL's forward is written for this one


def check_versions() -> None:
    """Raises UserError naming what is installed, what these replacements were written for, and how to get it."""
    for package, release in {"cosmos-rl": schema.VERSION, "transformers": TRANSFORMERS}.items():
        try:
            installed = version(package)
        except PackageNotFoundError:
            installed = "not installed"
        if installed != release:
            raise UserError(
                f"{package} is {installed}: scripts/cosmos_sft.py replaces parts of cosmos-rl {schema.VERSION} on transformers"
                f" {TRANSFORMERS} and of nothing else: pip install {package}=={release}, or make cosmos"
            )
    import torch.distributed.pipelining.stage as stage

    if not hasattr(stage, "_RootArgPlaceholder"):
        raise UserError(
            f"torch is {version('torch')}: cosmos-rl {schema.VERSION} imports a private name that torch lost in 2.12:"
            " pip install torch==2.11.0, or make cosmos"
        )


def attend_by_sdpa() -> None:
    """Language model and vision tower, in models that are built from here on."""
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
        path: str = original(*args, **kwargs)
        text = Path(path).read_text()
        settings = {"bind": "127.0.0.1", "protected-mode": "yes", "dir": folder, "logfile": Path(folder, "redis.log")}
        for name, value in settings.items():
            line = f'{name} "{value}"'.replace("\\", "\\\\")  # a backslash would be an escape
            text, count = re.subn(rf"^{name} .*$", line, text, flags=re.MULTILINE)
            if count != 1:
                raise RuntimeError(
                    f"{path}: expected one line {name!r}, found {count}: not cosmos-rl {schema.VERSION}'s"
                )
        Path(path).write_text(text)
        return path

    network_util.write_redis_config = write


class PassTargets(NamedTuple):
    """What the loss of a pass is computed from, in the place of cosmos-rl's label tensor: A answer tokens."""

    tokens: Any  # int64 [A]
    questions: Any  # int64 [A]: which question of the pass each token answers
    share: float  # what a question adds to the rank's loss


def pass_loss(logits: Any, targets: PassTargets, **_: Any) -> Any:
    """The local engine's loss of a pass, times its questions' share: averaged over the ranks and summed over a step's
    passes it is the mean over the step's questions. logits: [A, vocabulary] or [1, A, vocabulary]. cosmos-rl's own scaling (by the number of
    passes) is left aside."""
    from roadtrain.model.loss import answer_loss

    return targets.share * answer_loss(logits.flatten(0, -2), targets.tokens, targets.questions)


def register_trainer() -> None:
    """trainer_type "roadtrain": cosmos-rl's SFT trainer with our loss, and exports that are whole before the state is saved."""
    from cosmos_rl.policy.trainer.base import TrainerRegistry
    from cosmos_rl.policy.trainer.llm_trainer.sft_trainer import SFTTrainer
    from cosmos_rl.utils.model_export import finish_model_export

    class RoadtrainTrainer(SFTTrainer):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.loss_fn = pass_loss

        def export_safetensors(self, *args: Any, **kwargs: Any) -> None:
            """cosmos-rl exports in a thread, saves the state meanwhile, and a kill in between loses the epoch's export:
            a resume would go on after it."""
            heartbeat.begin_phase("saving")
            super().export_safetensors(*args, **kwargs)
            finish_model_export(self)

    TrainerRegistry.register("roadtrain")(RoadtrainTrainer)


def install() -> None:
    """Replace all of it, in this process."""
    check_versions()
    attend_by_sdpa()
    listen_locally(os.environ.get("ROADTRAIN_COSMOS_FOLDER", "/tmp"))
    if os.environ.get("COSMOS_ROLE") == "Policy":
        register_trainer()
        if own_forward.is_on():
            own_forward.register_model()
