"""Program: two optimizer steps of a LoRA on the tiny model, alone or as one of torchrun's ranks; its losses as JSON.

lora_step.py whole | shards: how frozen weights lie on the ranks.
"""

import json
import sys

from roadtrain.model.lora import LoraSettings, add_adapters
from roadtrain.model.prompts import Prompter
from roadtrain.model.sequences import build
from roadtrain.train.distributed import full_tensor, join_ranks, leave_ranks, passes_of_rank
from roadtrain.train.execution import Execution
from roadtrain.train.memory import MemoryPlan
from roadtrain.train.optimizer import Optimizers
from roadtrain.train.step import OptimizerStep
from support import tiny


def main(shards: bool) -> None:
    ranks = join_ranks()
    model = tiny.model("float32")
    add_adapters(model, LoraSettings(4, 8.0, targets=("language", "vision.qkv")))
    execution = Execution.fastest(ranks, "float32")
    plan = MemoryPlan(0.0, shards, 0, shard_frozen=shards)
    answer_model = execution.prepare_model(model, plan)
    optimizer = Optimizers(model, "AdamW", 1e-2, 0.1)
    step = OptimizerStep(answer_model, optimizer, execution, max_grad_norm=1.0, gather_always=shards)
    prompter = Prompter(tiny.processor(), "You are a helpful assistant.")
    segments = [prompter.segment(entry) for entry in tiny.entries(3)]
    passes = [build([(prompter.prefix(tiny.clip(n)), segments)], model.config.video_token_id) for n in range(3)]
    losses = []
    for number in (1, 2):
        share = passes_of_rank(passes, ranks)
        result = step([one for one, _ in share], [counts / 9 for _, counts in share], 1e-2, number)
        losses.append([result.loss, result.grad_norm])
    held = sum(p.to_local().numel() if hasattr(p, "to_local") else p.numel() for p in model.parameters())
    total = sum(full_tensor(parameter).double().sum().item() for parameter in model.parameters())
    if ranks.first:
        print(json.dumps({"losses": losses, "held": held, "sum": total}))
    leave_ranks()


if __name__ == "__main__":
    main(sys.argv[1] == "shards")
