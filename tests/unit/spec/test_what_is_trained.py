"""Keys of `train` that say what of the model learns: frozen parts, their rates, LoRA. A mistake is one line."""

import pytest

from roadtrain.cli import UserError
from roadtrain.model import adapters
from roadtrain.spec.adapter_use import VLLM_RANK
from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec


def spec_with(path: str, value) -> dict:
    """A spec of two ablations with one key set: `train/freeze`."""
    spec: dict = {"ablations": {"a": {"vision": {"nframes": 8}}}}
    *sections, key = path.split("/")
    here = spec
    for section in sections:
        here = here.setdefault(section, {})
    here[key] = value
    return spec


MISTAKES = {
    "a key of 0.2": (
        "train/embedding_learning_rate",
        1e-3,
        "train: embedding_learning_rate: 0.001: is called learning_rates: {embeddings: 0.001} now",
    ),
    "a key of 0.2 in an override": (
        "ablations/a/train",
        {"embedding_learning_rate": 1e-3},
        "ablations.a.train: embedding_learning_rate: 0.001: is called learning_rates: {embeddings: 0.001} now",
    ),
    "a part that doesn't exist": (
        "train/freeze",
        ["tower"],
        "train.freeze.0: 'tower': should be 'vision', 'projector'",
    ),
    "a part twice": ("train/freeze", ["vision", "vision"], "train.freeze: ['vision', 'vision']: each part once"),
    "everything frozen": (
        "train/freeze",
        ["vision", "projector", "language", "embeddings"],
        "nothing is left to train",
    ),
    "a rate of a frozen part": (
        "train",
        {"freeze": ["vision"], "learning_rates": {"vision": 1e-4}},
        "learning_rates.vision: 0.0001: vision is frozen (freeze)",
    ),
    "lora freezes everything": ("train", {"lora": {}, "freeze": ["vision"]}, "freeze: ['vision']: lora freezes every"),
    "a rate where no adapter is": (
        "train",
        {"lora": {"targets": ["language.q_proj"]}, "learning_rates": {"vision": 1e-4}},
        "learning_rates.vision: 0.0001: lora.targets: ['language.q_proj'] leave vision out",
    ),
    "cosmos-rl and lora": ("train", {"engine": "cosmos-rl", "lora": {}}, "lora: engine: cosmos-rl exports adapters"),
    "lora and Muon": ("train", {"lora": {}, "optimizer": "Muon"}, "optimizer: Muon: lora trains"),
    "an unknown target": ("train", {"lora": {"targets": ["q_proj"]}}, "train.lora.targets.0: 'q_proj': should be"),
    "a target twice": (
        "train/lora",
        {"targets": ["vision.qkv", "vision"]},
        "train.lora.targets: ['vision.qkv', 'vision']: vision.qkv is there twice",
    ),
    "no target": ("train/lora", {"targets": []}, "train.lora.targets: []: should"),
    "dropout of everything": ("train/lora", {"dropout": 1}, "train.lora.dropout: 1: should be less than 1"),
    "a rate of no part": (
        "train/learning_rates",
        {"head": 1e-4},
        "train.learning_rates.head: unknown key",
    ),
}


@pytest.mark.parametrize("path, value, says", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_clear_line(path, value, says):
    with pytest.raises(SpecError) as caught:
        read_spec(spec_with(path, value), "my.yaml")
    lines = str(caught.value).splitlines()
    assert any(line.startswith("my.yaml: ") and says in line for line in lines), lines


def test_alpha_is_twice_the_rank_unless_it_is_given():
    for lora, alpha in (({"rank": 8}, 16.0), ({"rank": 8, "alpha": 4}, 4.0)):
        train = read_spec(spec_with("train/lora", lora), "s").ablation("a").train
        assert train.lora is not None and train.lora.settings()["alpha"] == alpha


def test_an_ablation_may_train_otherwise_than_the_spec():
    spec = read_spec(
        spec_with("train", {"freeze": ["vision"]})
        | {
            "ablations": {
                "frozen": {"vision": {"nframes": 8}},
                "all": {"vision": {"nframes": 8}, "train": {"freeze": []}},
                "lora": {"vision": {"nframes": 8}, "train": {"freeze": [], "lora": {}}},
            }
        },
        "s",
    )
    assert [spec.ablation(name).train.freeze for name in spec.ablations] == [["vision"], [], []]
    assert spec.ablation("lora").train.lora is not None


ALONE = {"merge": False, "targets": ["language.q_proj", "projector"]}
UNSERVED = {
    "vLLM": ({"evaluate": {"engine": "vllm"}}, ALONE, "evaluate.engine: vllm: .*language model only, not to projector"),
    "rank": (
        {"evaluate": {"engine": "vllm"}},
        {"merge": False, "rank": 513},
        "evaluate.engine: vllm: .*ranks up to 512, not 513",
    ),
    "NIM": (
        {"deploy": {"checkpoint": "best"}},
        {"merge": False},
        r"deploy.checkpoint: best: .*NIM for VLMs 1\.x serves none",
    ),
}


@pytest.mark.parametrize("sections, lora, says", UNSERVED.values(), ids=UNSERVED.keys())
def test_what_an_adapter_alone_cannot_do_is_refused_before_it_is_trained(sections, lora, says):
    """In an override, too; merged, or asked by the local engine and quantized, it can."""
    good = {"vision": {"nframes": 8}}
    spec = {"ablations": {"good": good, "bad": good | {"train": {"lora": lora}}}} | sections
    with pytest.raises(SpecError, match=rf"my.yaml: {says}") as caught:
        read_spec(spec, "my.yaml")
    assert "ablations.bad: an epoch is an adapter alone (lora.merge: false)" in str(caught.value)
    read_spec(spec | {"ablations": {"good": good | {"train": {"lora": lora | {"merge": True}}}}}, "my.yaml")
    others = {"evaluate": {"engine": "local"}, "deploy": {"checkpoint": "quantized"}}
    read_spec(spec | others, "my.yaml")


def test_the_rank_that_the_spec_refuses_is_the_one_that_the_engine_does():
    assert adapters.vllm_rank(VLLM_RANK) == VLLM_RANK
    with pytest.raises(UserError):
        adapters.vllm_rank(VLLM_RANK + 1)
