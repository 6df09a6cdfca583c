"""Low-rank adapters: exact gradients, merged and unmerged alike, and files that stock PEFT reads as we do."""

import json
from functools import partial

import pytest
import torch

from roadtrain.cli import UserError
from roadtrain.files import read_json
from roadtrain.model import adapters, flops
from roadtrain.model.adapters import is_adapter, load_adapter, write_adapter
from roadtrain.model.checkpoints import checkpoint_hash
from roadtrain.model.forward import answer_logits
from roadtrain.model.loading import load_model
from roadtrain.model.lora import LoraSettings, adapted_layers, add_adapters, merge_adapters, target_layers
from roadtrain.model.parts import part_of, trainable
from roadtrain.model.prompts import Prompter
from roadtrain.model.sequences import build
from support import tiny
from support.losses import compute_exactly, difference, losses_and_gradients, stock_logits

EVERYWHERE = ("language", "vision", "projector")
SOME = ("language.q_proj", "language.down_proj", "vision.qkv", "projector.linear_fc2")


@pytest.fixture(scope="module")
def parts():
    """[the shared sequence], and each of its questions alone."""
    prompter = Prompter(tiny.processor(), "You are a helpful assistant.")
    prefix, segments = prompter.prefix(tiny.clip()), [prompter.segment(entry) for entry in tiny.entries(3)]
    video = tiny.model("float32").config.video_token_id
    return build([(prefix, segments)], video), [build([(prefix, [segment])], video) for segment in segments]


def adapted(dtype: str = "float64", targets: tuple[str, ...] = EVERYWHERE, **settings):
    """The tiny model with adapters that add something."""
    model = tiny.model(dtype)
    add_adapters(model, LoraSettings(4, 8.0, targets=targets, **settings))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _, layer in adapted_layers(model):
            layer.lora_B.copy_(0.02 * torch.randn(layer.lora_B.shape, generator=generator))
    return model


def write(directory, model, targets=EVERYWHERE, base=None):
    weights = {name: parameter.detach() for name, parameter in trainable(model).items()}
    note = base or {"model": "somebody/base", "sha256": "x"}
    write_adapter(directory, weights, LoraSettings(4, 8.0, targets=targets), note)
    return directory


@pytest.mark.parametrize("rslora", [False, True], ids=["alpha/rank", "rslora"])
@pytest.mark.parametrize("targets", [EVERYWHERE, SOME], ids=["everywhere", "some layers"])
def test_gradients_are_those_of_the_merged_weights(targets, rslora, parts, monkeypatch):
    """W' = W + s B A: dL/dB = s dL/dW' A^T and dL/dA = s B^T dL/dW'; the loss is the same. In float64."""
    compute_exactly(monkeypatch)
    shared, _ = parts
    model, merged = (adapted(targets=targets, rslora=rslora) for _ in range(2))
    layers = dict(adapted_layers(model))
    assert layers.keys() == target_layers(tiny.model("float32"), targets).keys()
    merge_adapters(merged)
    merged.requires_grad_(True)
    logits, loss, gradients = losses_and_gradients(model, [shared])
    merged_logits, merged_loss, of_merged = losses_and_gradients(merged, [shared])
    assert difference(logits, merged_logits) < 1e-10 and loss == pytest.approx(merged_loss, rel=1e-12)
    assert gradients.keys() == {f"{name}.{matrix}" for name in layers for matrix in ("lora_A", "lora_B")}
    for name, layer in layers.items():
        gradient = of_merged[f"{name}.weight"]
        scale = 8 / (4**0.5 if rslora else 4)
        assert difference(gradients[f"{name}.lora_B"], scale * gradient @ layer.lora_A.T) < 1e-9, name
        assert difference(gradients[f"{name}.lora_A"], scale * layer.lora_B.T @ gradient) < 1e-9, name


def test_a_new_adapter_adds_nothing_and_is_the_same_for_a_seed(parts):
    shared, _ = parts
    plain, model, twin, other = (tiny.model("float32") for _ in range(4))
    for one, seed in ((model, 3), (twin, 3), (other, 4)):
        add_adapters(one, LoraSettings(4, 8.0), seed)
    with torch.no_grad():
        assert torch.equal(answer_logits(plain, shared), answer_logits(model, shared))
    drawn = [torch.cat([layer.lora_A.flatten() for _, layer in adapted_layers(one)]) for one in (model, twin, other)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert {part_of(name) for name in trainable(model)} == {"language"}


def test_the_sizes_that_plans_reckon_with_are_the_adapters():
    arch = flops.of_config(tiny.model("float32").config.to_dict())
    for targets in (EVERYWHERE, SOME, ("language",)):
        model = tiny.model("float32")
        add_adapters(model, LoraSettings(4, 8.0, targets=targets))
        assert flops.adapter_weights(arch, 4, targets) == sum(p.numel() for p in trainable(model).values())


@pytest.mark.parametrize("target", ["language.qkv", "head", "vision.patch_embed"])
def test_a_target_that_matches_nothing_is_an_error(target):
    with pytest.raises(ValueError, match=rf"train\.lora\.targets: {target}: Qwen3VL\w+ has no such linear layer"):
        add_adapters(tiny.model("float32"), LoraSettings(4, 8.0, targets=("language", target)))


@pytest.mark.parametrize("targets", [EVERYWHERE, SOME], ids=["everywhere", "some layers"])
def test_stock_peft_and_transformers_answer_as_we_do(targets, parts, tmp_path):
    """PEFT puts the adapter into the same layers, with the same weights; transformers' own forward gives our logits."""
    from peft import PeftModel

    shared, separate = parts
    model = adapted("float32", targets)
    path = write(tmp_path / "adapter", model, targets)
    with torch.no_grad():
        ours = answer_logits(model, shared)
        theirs = PeftModel.from_pretrained(tiny.model("float32"), path)
        names = {name.replace(".default", "") for name, _ in theirs.named_parameters() if "lora_" in name}
        assert names == {f"{adapters.PREFIX}{name}.weight" for name in trainable(model)}
        stock = torch.cat([stock_logits(theirs.base_model.model, part) for part in separate])
        merged = torch.cat([stock_logits(theirs.merge_and_unload(), part) for part in separate])
    assert difference(ours, stock) < 1e-4 and difference(ours, merged) < 1e-4
    assert difference(ours, answer_logits(tiny.model("float32"), shared)) > 1e-3  # the adapter does something


def test_the_file_has_the_keys_that_peft_writes(tmp_path):
    from peft import LoraConfig, PeftModel, get_peft_model
    from safetensors.torch import load_file

    path = write(tmp_path / "ours", adapted("float32", SOME), SOME)
    config = LoraConfig.from_pretrained(path)
    assert (config.r, config.lora_alpha, config.use_rslora) == (4, 8.0, False)
    unknown = read_json(path / adapters.CONFIG).keys() - LoraConfig().to_dict().keys()
    assert not unknown
    peft: PeftModel = get_peft_model(tiny.model("float32"), LoraConfig(r=4, target_modules=config.target_modules))
    peft.save_pretrained(tmp_path / "theirs")
    ours, theirs = (load_file(tmp_path / who / adapters.WEIGHTS) for who in ("ours", "theirs"))
    assert {name: tensor.shape for name, tensor in ours.items()} == {name: t.shape for name, t in theirs.items()}


def test_an_adapter_is_read_back_and_loads_with_its_base(parts, tmp_path):
    shared, _ = parts
    tiny.model("float32").save_pretrained(tmp_path / "base")
    base = {"model": str(tmp_path / "base"), "sha256": checkpoint_hash(tmp_path / "base")}
    model = adapted("float32", SOME)
    path = write(tmp_path / "adapter", model, SOME, base)
    assert is_adapter(path) and not is_adapter(tmp_path / "base") and adapters.adapter_rank(path) == 4
    beside, merged = (load_model(path, "float32", merge=merge).train() for merge in (False, True))
    assert list(adapted_layers(beside)) and not list(adapted_layers(merged))
    with torch.no_grad():
        expected = answer_logits(model, shared)
        assert torch.equal(answer_logits(beside, shared), expected)
        assert difference(answer_logits(merged, shared), expected) < 1e-5


def test_an_adapter_refuses_another_base(tmp_path):
    tiny.model("float32", seed=5).save_pretrained(tmp_path / "base")
    path = write(tmp_path / "adapter", adapted("float32"), base={"model": str(tmp_path / "base"), "sha256": "another"})
    with pytest.raises(ValueError, match="adapter: was trained on another"):
        load_model(path)


def test_an_adapter_whose_weights_are_not_its_layers_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    path = write(tmp_path / "adapter", adapted("float32"))
    weights = load_file(path / adapters.WEIGHTS)
    lost = sorted(weights)[0]
    save_file({name: tensor for name, tensor in weights.items() if name != lost}, path / adapters.WEIGHTS)
    with pytest.raises(ValueError, match="in the model or in the adapter only"):
        load_adapter(tiny.model("float32"), path)
    save_file({**weights, f"{adapters.PREFIX}lm_head.lora_A.weight": torch.zeros(4, 8)}, path / adapters.WEIGHTS)
    with pytest.raises(ValueError, match="other layers than the model's linear ones"):
        load_adapter(tiny.model("float32"), path)


def test_matrices_of_another_rank_are_refused_not_repeated(tmp_path):
    """copy_ would spread one row over the rank: four times the adapter without a word."""
    from safetensors.torch import load_file, save_file

    path = write(tmp_path / "adapter", adapted("float32"))
    weights = load_file(path / adapters.WEIGHTS)
    name = sorted(weights)[0]
    save_file(weights | {name: weights[name][:1].contiguous()}, path / adapters.WEIGHTS)
    layer = name.removeprefix(adapters.PREFIX).removesuffix(".weight")
    with pytest.raises(ValueError, match=rf"{adapters.WEIGHTS}: {layer}: is \[1, \d+\], and should be \[4, \d+\]"):
        load_adapter(tiny.model("float32"), path)


@pytest.mark.parametrize("read", [lambda path: load_adapter(tiny.model("float32"), path), adapters.check_language_only])
def test_a_damaged_adapter_is_named(read, tmp_path):
    """Before vLLM reads it, too."""
    path = write(tmp_path / "adapter", adapted("float32"))
    (path / adapters.WEIGHTS).write_bytes((path / adapters.WEIGHTS).read_bytes()[:-8])
    with pytest.raises(ValueError, match=rf"{adapters.WEIGHTS}: not a whole safetensors file"):
        read(path)


@pytest.mark.parametrize(
    "change, says",
    [
        ({"use_dora": True}, "use_dora: True: such an adapter isn't computed here"),
        ({"bias": "all"}, "bias: all: such"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save: .*: such"),
        ({"rank_pattern": {"q_proj": 8}}, "rank_pattern: .*: such"),
        ({"r": None}, "r is missing"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights: pissa: such"),
        ({"r": "8"}, "r: '8' is no such number"),
        ({"r": True}, "r: True is no such number"),
        ({"lora_alpha": float("nan")}, "lora_alpha: nan is no such number"),
        ({"use_rslora": "no"}, "use_rslora: 'no': true or false"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_adapter_of_another_kind_is_refused_not_computed_as_a_plain_one(change, says, tmp_path):
    path = write(tmp_path / "adapter", adapted("float32"))
    config = {key: value for key, value in (read_json(path / adapters.CONFIG) | change).items() if key != "r" or value}
    (path / adapters.CONFIG).write_text(json.dumps(config))
    for read in (partial(load_adapter, tiny.model("float32")), adapters.check_language_only):
        with pytest.raises(ValueError, match=rf"{adapters.CONFIG}: {says}"):
            read(path)


def test_what_peft_writes_itself_is_taken(tmp_path):
    """An adapter that stock PEFT made and saved computes here what it computes there."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    theirs = get_peft_model(
        tiny.model("float32"), LoraConfig(r=4, lora_alpha=8, target_modules="model.language_model.*(q|down)_proj")
    )
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    theirs.save_pretrained(tmp_path)
    ours = tiny.model("float32")
    load_adapter(ours, tmp_path)
    layers = dict(adapted_layers(ours))
    assert len(layers) == 8
    merged = theirs.merge_and_unload()
    merge_adapters(ours)
    expected = dict(merged.named_parameters())
    for name, weight in ours.named_parameters():
        assert torch.allclose(weight, expected[name], atol=1e-6), name


def test_the_pattern_of_layers_matches_them_whole_and_no_others():
    import re

    model = tiny.model("float32")
    for targets in (EVERYWHERE, SOME):
        layers = target_layers(model, targets)
        pattern = adapters.layer_pattern(layers)
        assert {name for name, _ in model.named_modules() if re.fullmatch(pattern, name)} == set(layers)
        json.dumps(pattern)


def test_dropout_drops_only_while_training(parts):
    shared, _ = parts
    model = adapted("float32", dropout=0.5)
    with torch.no_grad():
        torch.manual_seed(1)
        first, again = answer_logits(model, shared), answer_logits(model, shared)
        assert difference(first, again) > 1e-6
        model.eval()
        assert torch.equal(answer_logits(model, shared), answer_logits(model, shared))


def test_vllm_serves_an_adapter_beside_its_base(tmp_path):
    from roadtrain.deploy.serving import server_command, setting_of

    tiny.model("float32").save_pretrained(tmp_path / "base")
    base = {"model": str(tmp_path / "base"), "sha256": checkpoint_hash(tmp_path / "base")}
    targets = ("language.q_proj",)
    path = write(tmp_path / "epoch_2", adapted("float32", targets), targets, base)
    command = server_command(setting_of(str(path)), {"limit_mm_per_prompt": {}}, "127.0.0.1", 8000)
    assert command[command.index("--model") + 1] == str(tmp_path / "base") and "--enable-lora" in command
    assert command[command.index("--max-lora-rank") + 1] == "8"
    assert json.loads(command[command.index("--lora-modules") + 1]) == {"name": "epoch_2", "path": str(path)}
    everywhere = write(tmp_path / "everywhere", adapted("float32"), base=base)
    with pytest.raises(ValueError, match=r"everywhere: .*vLLM applies adapters to the language model only"):
        server_command(setting_of(str(everywhere)), {"limit_mm_per_prompt": {}}, "127.0.0.1", 8000)


@pytest.mark.parametrize("rank, most", [(1, 8), (8, 8), (9, 16), (64, 64), (300, 320), (512, 512)])
def test_ranks_that_vllm_takes(rank, most):
    assert adapters.vllm_rank(rank) == most


def test_a_rank_that_vllm_does_not_take_is_named():
    with pytest.raises(UserError, match=r"train\.lora\.rank: 600: vLLM takes adapters of rank 512 at most"):
        adapters.vllm_rank(600)
