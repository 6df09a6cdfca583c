"""Real llmcompressor on a tiny model: only the language model's Linears, loads again, answers nearly the same."""

import json
from pathlib import Path

import pytest
import torch

from roadtrain.data.llava import entry_json, multiple_choice, write_entries
from roadtrain.files import read_json, write_json
from roadtrain.model.checkpoints import describe
from roadtrain.model.forward import answer_logits
from roadtrain.model.loading import load_model, load_processor
from roadtrain.model.prompts import Prompter
from roadtrain.model.sequences import build
from support import tiny
from support.clips import decode, render
from support.programs import run_program

VISION = {"nframes": 4, "min_pixels": 4096, "max_pixels": 8192}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("quantize")
    values = []
    for n in range(3):
        render(root / f"media/v{n}.mp4", frames=12, seed=n)
        human = multiple_choice("What?", {"a": "one", "b": "two"})
        values.append(
            entry_json(id=f"v{n}", scenario=str(n), video=f"v{n}.mp4", type="t", phase="p", human=human, answer="A")
        )
    write_entries(root / "x.llava.json", values)
    decode(root, VISION)
    write_json(
        root / "epoch_1.json",
        describe(tiny.BASE, precision="bfloat16", base_model="b", epoch=1, step=3) | {"checkpoint": "epoch_1"},
    )
    write_json(
        root / "best.json", {"checkpoint": "epoch_1", "manifest": str(root / "epoch_1.json"), "path": str(tiny.BASE)}
    )
    return root


def quantize(root: Path, precision: str, **options):
    settings = {"calibration_videos": 2} | options
    return run_program(
        "quantize.py",
        best=root / "best.json",
        precision=precision,
        llava=root / "x.llava.json",
        frames=root / "index.json",
        system_prompt="You are a helpful assistant.",
        weights=root / "w" / precision,
        manifest=root / f"{precision}.json",
        quantize=json.dumps(settings),
    )


@pytest.mark.parametrize("precision", ["fp8", "fp8_dynamic"])
def test_a_quantized_checkpoint(root, precision):
    process = quantize(root, precision)
    assert process.returncode == 0, process.stderr
    manifest = read_json(root / f"{precision}.json")
    directory = root / "w" / precision
    assert (manifest["checkpoint"], manifest["precision"], manifest["parent"]) == (precision, precision, "epoch_1")
    # 6 layers of 4 attention and 3 feed-forward Linears; nothing of the vision tower, not the head
    layers = manifest["quantized_layers"]
    assert len(layers) == 42 and all(".language_model.layers." in name for name in layers)
    from safetensors import safe_open

    with safe_open(directory / "model.safetensors", framework="pt") as tensors:
        types = {key: tensors.get_tensor(key).dtype for key in tensors.keys()}
        assert {key.removesuffix(".weight") for key, dtype in types.items() if dtype == torch.float8_e4m3fn} == set(
            layers
        )
        static = [key for key in tensors.keys() if key.endswith("input_scale")]
    assert len(static) == (42 if precision == "fp8" else 0)
    assert manifest["calibration_videos"] == (2 if precision == "fp8" else 0)
    assert 0.5 < manifest["size_ratio"] < 0.9
    for name in ("chat_template.jinja", "tokenizer.json", "processor_config.json", "generation_config.json"):
        assert (directory / name).is_file()
    # near the parent, and not the parent
    assert 1e-3 < difference(directory) < 0.2


def difference(directory: Path) -> float:
    """Of the logits from the parent's, relative."""
    prompter = Prompter(load_processor(directory), "You are a helpful assistant.")
    sequence = build(
        [(prompter.prefix(tiny.clip()), [prompter.segment(e) for e in tiny.entries(4)])],
        load_model(tiny.BASE).config.video_token_id,
    )
    with torch.no_grad():
        a, b = (
            answer_logits(m, sequence)
            for m in (load_model(tiny.BASE, "float32").eval(), load_model(directory, "float32").eval())
        )
    return ((a - b).norm() / a.norm()).item()


def test_nvfp4_and_scales_for_the_key_value_cache(root):
    """4-bit weights, two a byte, in the language model's Linears only; a scale for keys and for values in each layer."""
    process = quantize(root, "nvfp4", kv_cache="fp8")
    assert process.returncode == 0, process.stderr
    manifest, directory = read_json(root / "nvfp4.json"), root / "w/nvfp4"
    assert len(manifest["quantized_layers"]) == 42 and manifest["calibration_videos"] == 2
    assert (manifest["kv_cache"], manifest["kv_cache_scales"]) == ("fp8", 12) and manifest["size_ratio"] < 0.7
    from safetensors import safe_open

    with safe_open(directory / "model.safetensors", framework="pt") as tensors:
        packed = {
            key.removesuffix(".weight_packed"): tensors.get_tensor(key)
            for key in tensors.keys()
            if key.endswith(".weight_packed")
        }
        scale = tensors.get_tensor("model.language_model.layers.0.self_attn.k_scale")
    assert sorted(packed) == manifest["quantized_layers"] and all(t.dtype == torch.uint8 for t in packed.values())
    assert float(scale) > 0
    config = read_json(directory / "config.json")
    assert (
        config["quantization_config"]["kv_cache_scheme"]["num_bits"] == 8 and config["text_config"]["use_cache"] is True
    )
    assert 1e-3 < difference(directory) < 0.5


def test_what_is_there_is_not_made_again_unless_something_changed(root):
    assert quantize(root, "fp8_dynamic").returncode == 0
    weights = root / "w/fp8_dynamic/model.safetensors"
    before, manifest = weights.stat().st_mtime_ns, (root / "fp8_dynamic.json").read_bytes()
    assert quantize(root, "fp8_dynamic").returncode == 0
    assert weights.stat().st_mtime_ns == before and (root / "fp8_dynamic.json").read_bytes() == manifest
    weights.write_bytes(weights.read_bytes()[:-10])
    process = quantize(root, "fp8_dynamic")
    assert process.returncode == 1 and "differs from the checkpoint's manifest" in process.stderr


def test_calibration_never_sees_half_a_video(root):
    process = quantize(root, "fp8", calibration_max_length=64, calibration_videos=3)
    assert process.returncode == 1 and "more than calibration_max_length 64" in process.stderr
