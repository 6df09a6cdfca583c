"""specs/one-gpu.yaml: the five models that it names, and what each takes on one GPU."""

import re

import pytest

from roadtrain.model import flops, sizes
from roadtrain.spec.reading import read_spec
from roadtrain.spec.yaml_text import parse_values
from roadtrain.train import memory
from roadtrain.train.preflight.fitting import PATCHES, RANK, TARGETS, TOKENS, fit_model
from support.programs import ROOT

TEXT = (ROOT / "specs/one-gpu.yaml").read_text(encoding="utf-8")
ROW = re.compile(r"^#   (\S+/\S+) +(\d+) \((\d+)\) +(\d+) \((\d+)\)$", re.M)
ROWS = {row[0]: tuple(map(int, row[1:])) for row in ROW.findall(TEXT)}


def test_the_spec_names_the_models_whose_sizes_are_known():
    assert ROWS.keys() == sizes.CONFIGS.keys()


@pytest.mark.parametrize("model", ROWS)
def test_the_numbers_of_the_table_are_the_memory_plans(model):
    arch = flops.architecture(model)
    adapters = flops.adapter_weights(arch, RANK, TARGETS)
    frozen = ("vision", "projector", "embeddings")
    ways = [memory.Learning.of(arch), memory.Learning.of(arch, frozen, adapters, cached=True)]
    sizes_of_pass = {"ranks": 1, "tokens": TOKENS, "patches": PATCHES, "gather_always": False}
    gib = [
        memory.estimate(arch, checkpointed=share, learning=learning, **sizes_of_pass) / 2**30
        for learning in ways
        for share in (0.0, 1.0)
    ]
    assert ROWS[model] == tuple(round(value) for value in gib)


@pytest.mark.parametrize("model", ROWS)
@pytest.mark.parametrize("lora", [False, True])
def test_the_spec_is_right_with_each_model_and_with_its_lines_for_lora(model, lora):
    text = TEXT.replace("model: Qwen/Qwen3-VL-2B-Instruct", f"model: {model}@main")
    if lora:
        text = text.replace("  learning_rate: 2.0e-5 # the published recipe's\n", "")
        text = text.replace("  # lora:", "  lora:").replace("  # learning_rate:", "  learning_rate:")
    spec = read_spec(parse_values(text, "one-gpu.yaml"), "one-gpu.yaml")
    train = spec.ablation("nframes8").train
    assert (train.engine, train.gpus, bool(train.lora)) == ("local", 1, lora)
    assert train.learning_rate == (1e-4 if lora else 2e-5)


def test_a_model_is_trained_whole_where_it_fits_and_by_lora_where_not():
    small, large = (flops.architecture(f"Qwen/Qwen3-VL-{size}-Instruct") for size in ("2B", "8B"))
    assert [fit_model(small, 1, gib).way for gib in (16, 24, 48, 80)] == ["lora", "lora", "full", "full"]
    assert [fit_model(large, 1, gib).way for gib in (16, 24, 80, 141)] == ["none", "lora", "lora", "lora"]
    assert fit_model(large, 4, 80).way == "full", "four GPUs share what is trained"
    assert fit_model(large, 1, 16).gib > memory.SHARE * 16
