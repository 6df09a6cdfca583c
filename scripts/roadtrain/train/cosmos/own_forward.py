"""The local engine's forward in cosmos-rl's model: what one GPU needs 0.9 s a clip for takes a quarter of that.

cosmos-rl builds the model that is registered here: its own HFModel, with the same modules, weights and names. Its loading, exports,
states, clipping and optimizer see no difference. What differs is what the local engine does as well:

forward    model/forward.py: frame pairs together, flex_attention compiled for few lengths, the head at answers
memory     as few layers are checkpointed as the GPU's memory demands (train/memory.py), where cosmos-rl checkpoints all or none
FSDP2      fewer units: the model as one on a GPU alone, a unit a layer on several. Copies of the weights stay and gradients add up
           until a step's last pass. Inputs of a unit are not cast: the tables of the rotary positions are float32 on purpose

On a CPU, and where nothing can be compiled, it is the same forward, uncompiled.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from roadtrain.model import attention, compiled, flops
from roadtrain.model.forward import answer_logits
from roadtrain.model.loading import load_processor
from roadtrain.model.prompts import Prompter
from roadtrain.train import batches, memory
from roadtrain.train.cosmos.run import run_of_config
from roadtrain.train.distributed import Ranks, announce_pass
from roadtrain.train.execution import Execution
from roadtrain.train.passes import PassBuilder
from roadtrain.train.questions import read_frame_index, usable_questions
from roadtrain.train.toml_config import TrainRun

FORWARD = "ROADTRAIN_COSMOS_FORWARD"  # in the environment; "stock": transformers' own, to compare with


def is_on() -> bool:
    """Whether the model computes as this module says. Raises ValueError for a word that means nothing."""
    word = os.environ.get(FORWARD, "own")
    if word not in ("own", "stock"):
        raise ValueError(f"{FORWARD}={word}: own or stock")
    return word == "own"


def execution_of(run: TrainRun) -> Execution:
    """How this rank computes."""
    dist = torch.distributed
    rank, count = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
    return Execution.fastest(Ranks(rank, count, device), run.dtype)


def register_model() -> None:
    """cosmos-rl builds this model from here on."""
    from cosmos_rl.policy.model.base import BaseModel, ModelRegistry
    from cosmos_rl.policy.model.hf_models import HFModel
    from cosmos_rl.policy.model.hf_models.weight_mapper import HFModelWeightMapper
    from transformers.modeling_outputs import CausalLMOutput

    class RoadtrainModel(HFModel):
        plan: memory.MemoryPlan

        @property
        def parallelize_fn(self) -> tuple[Any, Any]:
            return parallelize, self

        def set_gradient_checkpointing_enabled(self, enabled: bool) -> None:
            """As the plan has it; `enabled` is the TOML's yes or no, which the plan has read."""
            BaseModel.set_gradient_checkpointing_enabled(self, bool(self.plan.checkpointed))
            self.plan.apply(self.model)
            if not self.plan.gather_always and hasattr(self.model, "set_reshard_after_forward"):
                self.model.set_reshard_after_forward(False)

        def forward(self, sequence: Any, is_last: bool, **_: Any) -> Any:
            """A pass: TokenSequence -> logits [A, U]. `is_last`: of its optimizer step."""
            if hasattr(self.model, "unshard"):
                announce_pass(self.model, is_last, self.plan.gather_always)
            return CausalLMOutput(logits=self.model(sequence))

    ModelRegistry.register(HFModelWeightMapper, allow_override=True)(RoadtrainModel)


def parallelize(model: Any, parallel_dims: Any, config: Any, pp_loss_fn: Any = None) -> Any:
    """In the place of cosmos-rl's function, which it calls: before layers are sharded they are compiled."""
    from cosmos_rl.policy.model.hf_models import parallelize as theirs

    prepare(model, config)
    with _own_units(theirs, model.model, parallel_dims.dp_shard):
        return theirs.parallelize(model, parallel_dims, config, pp_loss_fn=pp_loss_fn)


def prepare(model: Any, config: Any) -> None:
    """A model that computes as this module says, before it is sharded."""
    run = run_of_config(config)
    execution, qwen = execution_of(run), model.model
    model.plan = memory_plan(run, execution, model)
    if execution.ranks.first:
        print(f"{execution.attention}, {model.plan}", flush=True)
    attention.set_attention(qwen, execution.attention)
    if execution.attention == "flex":
        compiled.compile_layers(qwen)
    qwen.forward = partial(answer_logits, qwen)
    if qwen.config.tie_word_embeddings:  # FSDP2 must see one weight
        qwen.lm_head.weight = qwen.model.language_model.embed_tokens.weight


@contextlib.contextmanager
def _own_units(theirs: Any, qwen: Any, ranks: int) -> Iterator[None]:
    """cosmos-rl's parallelize shards these modules only, and casts no inputs."""
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    core, units = qwen.model, {qwen}
    if ranks > 1:
        units |= {*core.visual.blocks, *core.language_model.layers}
        if not qwen.config.tie_word_embeddings:  # tied ones have to be gathered together, with the model
            units |= {core.language_model.embed_tokens}

    def shard(module: Any, **options: Any) -> Any:
        return fully_shard(module, **options) if module in units else module

    originals = theirs.fully_shard, theirs.MixedPrecisionPolicy
    theirs.fully_shard = shard
    theirs.MixedPrecisionPolicy = partial(MixedPrecisionPolicy, cast_forward_inputs=False)
    try:
        yield
    finally:
        theirs.fully_shard, theirs.MixedPrecisionPolicy = originals


def memory_plan(run: TrainRun, execution: Execution, model: Any) -> memory.MemoryPlan:
    """What fits the GPU, by the largest passes of the first epoch."""
    if not execution.on_gpu:
        return memory.MemoryPlan(float(run.gradient_checkpointing == "on"), False, 0)
    frames, processor = read_frame_index(run), load_processor(run.model)
    builder = PassBuilder(
        run, frames, Prompter(processor, run.system_prompt), model.model.config.video_token_id, execution
    )
    steps = batches.epoch_batches(run, usable_questions(run, frames), epoch=1, ranks=execution.ranks.count)
    tokens, patches = builder.largest([group] for step in steps for group in step)
    architecture = flops.architecture(run.model)
    assert architecture is not None  # a model's directory has a config.json
    return memory.choose(
        architecture,
        torch.cuda.mem_get_info()[1],
        run.gradient_checkpointing,
        ranks=execution.ranks.count,
        tokens=tokens * run.mini_batch,
        patches=patches * run.mini_batch,
        width=2 if run.dtype == "bfloat16" else 4,
        learning=replace(memory.Learning.of(architecture, run.frozen_parts), frozen_master=4),
    )
