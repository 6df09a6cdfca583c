"""Real llmcompressor on a tiny model: only the language model's Linears, loads again, answers nearly the same."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from roadtrain.data.llava import entry_json, multiple_choice, write_entries
from roadtrain.files import read_json, write_json
from roadtrain.frames.features import write_features
from roadtrain.model import vision
from roadtrain.model.checkpoints import checkpoint_hash, describe, read_manifest
from roadtrain.model.forward import answer_logits
from roadtrain.model.loading import load_model, load_processor
from roadtrain.model.lora import LoraSettings, adapted_layers, add_adapters
from roadtrain.model.parts import freeze_parts
from roadtrain.model.prompts import Prompter
from roadtrain.model.sequences import build
from roadtrain.quantize import recipe
from roadtrain.quantize.calibration_data import CalibrationData
from roadtrain.quantize.checkpoint import quantize_checkpoint
from roadtrain.train.export import AdapterExport, export_checkpoint
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


@pytest.mark.slow
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
    # Plain modules: where each use of a weight asks where it lies, a step of decoding took twice as long.
    assert {type(module._parameters) for module in load_model(directory).modules()} == {dict}


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


@pytest.mark.slow
def test_nvfp4_and_scales_for_the_key_value_cache(root):
    """4-bit weights, two a byte, in the language model's Linears only; a scale for keys and for values in each layer."""
    process = quantize(root, "nvfp4", kv_cache="fp8")
    assert process.returncode == 0, process.stderr
    manifest, directory = read_json(root / "nvfp4.json"), root / "w/nvfp4"
    assert len(manifest["quantized_layers"]) == 42 and manifest["calibration_videos"] == 2
    assert (manifest["kv_cache"], manifest["kv_cache_scales"]) == ("fp8", 12) and manifest["size_ratio"] < 0.7
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
    # vLLM's environment has compressed-tensors 0.17, which asks the whole model's config for these.
    config = load_model(directory).config
    from compressed_tensors.utils import helpers

    assert (helpers.get_num_attn_heads(config), helpers.get_num_kv_heads(config), helpers.get_head_dim(config)) == (
        6,
        6,
        32,
    )


@pytest.mark.slow
def test_what_is_there_is_not_made_again_unless_something_changed(root):
    assert quantize(root, "fp8_dynamic").returncode == 0
    weights = root / "w/fp8_dynamic/model.safetensors"
    before, manifest = weights.stat().st_mtime_ns, (root / "fp8_dynamic.json").read_bytes()
    assert quantize(root, "fp8_dynamic").returncode == 0
    assert weights.stat().st_mtime_ns == before and (root / "fp8_dynamic.json").read_bytes() == manifest
    weights.write_bytes(weights.read_bytes()[:-10])
    process = quantize(root, "fp8_dynamic")
    assert process.returncode == 1 and "differs from the checkpoint's manifest" in process.stderr


@pytest.mark.slow
def test_calibration_never_sees_half_a_video(root):
    process = quantize(root, "fp8", calibration_max_length=64, calibration_videos=3)
    assert process.returncode == 1 and "more than calibration_max_length 64" in process.stderr


def calibrated(root: Path, folder: Path, cut: str | None) -> dict[str, torch.Tensor]:
    """FP8 weights and scales of a checkpoint whose training kept vision features up to `cut`, or kept none."""
    from safetensors.torch import load_file

    parent = read_manifest(root / "best.json")
    if cut:
        parent["features"] = cut
    data = CalibrationData(str(root / "x.llava.json"), str(root / "index.json"), "Be brief.", 2, 4096)
    quantize_checkpoint(parent, "fp8", "none", data, folder / f"fp8_{cut}", threads=1)
    return load_file(folder / f"fp8_{cut}" / "model.safetensors")


@pytest.mark.slow
def test_calibration_reads_kept_vision_features_and_scales_have_the_same_bits(root, tmp_path):
    folder = root / "features"
    computed = calibrated(root, tmp_path, None)
    assert not folder.exists()
    for cut, count in (("projector", 2), ("tower", 4)):
        kept = calibrated(root, tmp_path, cut)
        assert len(list(folder.glob("*/*.safetensors"))) == count  # a file for each of the two clips
        assert kept.keys() == computed.keys() and all(torch.equal(kept[name], computed[name]) for name in kept)
    # They are read, not computed: with other numbers in the files scales are others.
    for path in folder.glob("*/*.safetensors"):
        with safe_open(path, framework="pt") as tensors:
            levels = [tensors.get_tensor(str(n)) for n in range(len(tensors.keys()))]
        write_features(path, [level.flip(0) for level in levels], {})
    other = calibrated(root, tmp_path, "projector")
    assert any(not torch.equal(other[name], computed[name]) for name in computed if name.endswith("input_scale"))


@pytest.mark.parametrize("cut", ["projector", "tower"])
def test_transformers_forward_takes_features_in_the_place_of_pixels(cut):
    """Bit for bit what it gives from pixels, of videos and pictures; and near what its own tower gives."""
    model, prompter = tiny.model("float32").eval(), Prompter(tiny.processor(), "Be brief.")
    freeze_parts(model, ["vision", "projector"])
    tower, prefix = model.model.visual, prompter.prefix(tiny.clip())
    grid = tuple(map(tuple, prefix.grid.tolist()))
    with torch.no_grad():
        states = vision.hidden_states(tower, prefix.pixels, grid)
        tokens, levels = vision.project(tower, states)
        kept = tuple(states) if cut == "tower" else (tokens, *levels)
        segments, video = [prompter.segment(entry) for entry in tiny.entries(2)], model.config.video_token_id
        sequences = [build([(one, segments)], video) for one in (prefix, replace(prefix, features=kept))]
        ours = []
        for sequence in sequences:
            with recipe.tower_takes_features(tower):
                ours.append(model(**recipe.model_inputs(sequence, torch.float32)).logits)
        stock = model(**recipe.model_inputs(sequences[0], torch.float32)).logits
        picture = replace(sequences[1], features=(), image_features=kept, image_grid=prefix.grid, grid=prefix.grid[:0])
        assert recipe.model_inputs(picture, torch.float32)["pixel_values"].shape == (4, *kept[0].shape)
    assert torch.equal(*ours)
    assert torch.allclose(ours[0], stock, atol=1e-4) and not torch.equal(ours[0], torch.zeros_like(stock))


@pytest.mark.slow
def test_an_adapter_alone_is_quantized_to_the_bits_of_the_merged_checkpoint(root, tmp_path):
    """train.lora.merge: false changes what an epoch leaves, not what is deployed."""
    from safetensors.torch import load_file

    model, settings = load_model(tiny.BASE, "float32"), LoraSettings(4, 8.0)
    add_adapters(model, settings)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, layer in adapted_layers(model):
            layer.lora_B.copy_(0.02 * torch.randn(layer.lora_B.shape, generator=generator))
    export = AdapterExport(settings, {"model": str(tiny.BASE), "sha256": checkpoint_hash(tiny.BASE)}, merge=False)
    results = []
    for merge in (False, True):
        path = tmp_path / f"epoch_{merge}"
        export_checkpoint(path, model, tiny.processor(), adapter=replace(export, merge=merge))
        parent = describe(path, precision="bfloat16", base_model="b", epoch=1, step=3)
        data = CalibrationData(str(root / "x.llava.json"), str(root / "index.json"), "Be brief.", 2, 4096)
        manifest = quantize_checkpoint(parent, "fp8", "none", data, tmp_path / f"fp8_{merge}", threads=1)
        results.append(load_file(tmp_path / f"fp8_{merge}" / "model.safetensors"))
        assert 0.5 < manifest["size_ratio"] < 0.9
    alone, merged = results
    assert alone.keys() == merged.keys() and all(torch.equal(alone[name], merged[name]) for name in merged)
