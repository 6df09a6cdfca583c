"""`logs`: copies of the training log for programs that draw it. Apart from `train`: changing it trains nothing again."""

from typing import Annotated, Literal

from pydantic import Field

from roadtrain.spec.section import Line, Once, Section


class Logs(Section):
    """Where train_log.jsonl is copied to after training, whatever the engine. The file itself is always there."""

    to: Annotated[list[Literal["tensorboard", "wandb"]], Once] = Field(
        [], description="copies: below `logs/<run>/tensorboard` and `logs/<run>/wandb`"
    )
    wandb_mode: Literal["offline", "online"] = Field(
        "offline",
        description="offline: files only, `wandb sync` sends them; online: the key comes from WANDB_API_KEY or `wandb login`",
    )
    wandb_project: Line = Field("roadtrain", description="the project's name on Weights & Biases")
