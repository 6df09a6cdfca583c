"""Frozen parts: their weights don't move by a bit, cost nothing, and change nothing for the weights that are trained."""

import typing

import pytest
import torch

from roadtrain.model import vision
from roadtrain.model.forward import answer_logits
from roadtrain.model.parts import PARTS, freeze_parts, part_of, trainable
from roadtrain.model.prompts import Prompter
from roadtrain.model.sequences import build
from roadtrain.spec.parts import LearningRates, Part
from roadtrain.train.distributed import ALONE
from roadtrain.train.execution import Execution
from roadtrain.train.memory import MemoryPlan
from roadtrain.train.optimizer import Optimizers
from roadtrain.train.state import Progress, load_state, save_state
from roadtrain.train.step import OptimizerStep
from support import tiny
from support.losses import losses_and_gradients

COMBINATIONS = [("vision",), ("projector",), ("language",), ("embeddings",), ("vision", "projector"), PARTS[:3]]


@pytest.fixture(scope="module")
def sequence():
    prompter = Prompter(tiny.processor(), "You are a helpful assistant.")
    segments = [prompter.segment(entry) for entry in tiny.entries(3)]
    return build([(prompter.prefix(tiny.clip()), segments)], tiny.model("float32").config.video_token_id)


def test_the_spec_the_model_and_the_rates_have_the_same_parts():
    assert typing.get_args(Part) == PARTS == tuple(LearningRates.model_fields)


def test_every_weight_belongs_to_a_part_and_every_part_has_some():
    names = [name for name, _ in tiny.model("float32").named_parameters()]
    assert {part_of(name) for name in names} == set(PARTS)
    assert part_of("model.visual.deepstack_merger_list.1.norm.weight") == part_of("model.visual.merger") == "projector"
    assert {part_of(name) for name in names if ".blocks." in name} == {"vision"}


@pytest.mark.parametrize("freeze", COMBINATIONS, ids="+".join)
def test_the_gradients_of_what_is_trained_are_those_of_full_training(freeze, sequence):
    full, partial = tiny.model("float64"), tiny.model("float64")
    freeze_parts(partial, freeze)
    logits, loss, every_gradient = losses_and_gradients(full, [sequence])
    same_logits, same_loss, gradients = losses_and_gradients(partial, [sequence])
    assert torch.equal(logits, same_logits) and loss == same_loss
    assert gradients.keys() == {name for name in every_gradient if part_of(name) not in freeze}
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, every_gradient[name], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("freeze", COMBINATIONS, ids="+".join)
def test_frozen_weights_stay_bit_for_bit_and_the_others_move(freeze, sequence):
    model = tiny.model("float32")
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    freeze_parts(model, freeze)
    execution = Execution.fastest(ALONE, "float32")
    answer_model = execution.prepare_model(model, MemoryPlan(1.0, False, 0))
    optimizer = Optimizers(model, "AdamW", 1e-3, 0.1)
    step = OptimizerStep(answer_model, optimizer, execution, max_grad_norm=1.0)
    for number in (1, 2):
        step([sequence], [1 / 3], 1e-3, number)
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert {part_of(name) for name in moved} == set(PARTS) - set(freeze)
    assert {name.split("/", 1)[1] for name in optimizer.state()} == set(trainable(model))


def test_a_frozen_tower_keeps_no_graph_and_is_not_checkpointed(sequence, monkeypatch):
    model = tiny.model("float32")
    freeze_parts(model, ["vision"])
    MemoryPlan(1.0, False, 0).apply(model)
    assert not any(block.gradient_checkpointing for block in model.model.visual.blocks)
    assert all(layer.gradient_checkpointing for layer in model.model.language_model.layers)
    grid = tuple(map(tuple, sequence.grid.tolist()))
    states = vision.hidden_states(model.model.visual, sequence.pixels, grid)
    assert len(states) == 4 and not any(state.requires_grad for state in states)
    tokens, levels = vision.features(model.model.visual, sequence.pixels, grid)
    assert tokens.requires_grad and all(level.requires_grad for level in levels)  # the mergers are trained
    graphs = []
    monkeypatch.setattr(vision, "_run_blocks", lambda *_: graphs.append(torch.is_grad_enabled()) or states)
    answer_logits(model, sequence)
    assert graphs == [False]


def test_the_state_of_a_run_leaves_frozen_weights_out(tmp_path):
    from safetensors import safe_open

    model, again = tiny.model("float32"), tiny.model("float32", seed=1)
    untouched = tiny.model("float32", seed=1)
    for one in (model, again):
        freeze_parts(one, PARTS[1:])
    save_state(tmp_path, model, Optimizers(model, "AdamW", 1e-3, 0.0), Progress(1, 3, 0.1))
    with safe_open(tmp_path / "state/rank_0.safetensors", "pt") as file:
        assert {part_of(name) for name in file.keys()} == {"vision"}
    load_state(tmp_path, again, Optimizers(again, "AdamW", 1e-3, 0.0))
    for (name, here), there, before in zip(
        again.named_parameters(), model.parameters(), untouched.parameters(), strict=True
    ):
        assert torch.equal(here, there if part_of(name) == "vision" else before)


def test_weights_have_the_type_that_they_need(monkeypatch):
    """bfloat16 where a GPU would compute so; a frozen weight needs no float32 master."""
    model = tiny.model("bfloat16")
    freeze_parts(model, ["vision", "embeddings"])
    execution = Execution(ALONE, "bfloat16", "flex")
    monkeypatch.setattr(Execution, "sharded", True)
    execution.set_types(model)
    for name, parameter in model.named_parameters():
        assert parameter.dtype == (torch.float32 if parameter.requires_grad else torch.bfloat16), name
    assert model.lm_head.weight is model.model.language_model.embed_tokens.weight
    monkeypatch.setattr(Execution, "sharded", False)  # autocast rounds float32 weights itself
    execution.set_types(model)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_part_that_the_model_lacks_is_an_error():
    model = tiny.model("float32")
    del model.model.visual
    with pytest.raises(ValueError, match=r"train\.freeze: vision: Qwen3VL\w+ has no such weights"):
        freeze_parts(model, ["vision"])
