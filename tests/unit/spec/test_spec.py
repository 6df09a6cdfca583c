"""The spec: every mistake is one clear line that names the key, the value and what is allowed."""

import copy
from pathlib import Path

import pytest
import yaml

from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec

ROOT = Path(__file__).parents[3]
GOOD = {"ablations": {"a": {"vision": {"nframes": 8}}, "b": {"vision": {"fps": 1, "total_pixels": 8388608}}}}


def changed(path: str, value) -> dict:
    """GOOD with one key set: `train.epochs`, 3."""
    spec = copy.deepcopy(GOOD)
    *sections, key = path.split("/")
    here = spec
    for section in sections:
        here = here.setdefault(section, {})
    here[key] = value
    return spec


@pytest.mark.parametrize("file", ["config.yaml", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("specs/*.yaml"))])
def test_shipped_specs_are_right(file):
    read_spec(yaml.safe_load((ROOT / file).read_text()), file)


def test_defaults_are_the_recipe():
    train = read_spec(GOOD, "s").ablation("a").train
    assert (train.learning_rate, train.weight_decay, train.warmup_steps, train.schedule) == (2e-5, 0.01, 0, "cosine")
    assert (train.epochs, train.train_batch_per_replica, train.mini_batch, train.model_max_length) == (3, 32, 1, 32768)


@pytest.mark.parametrize("text", ["2e-5", "2E-5", "2.0e-5", "0.00002"])
def test_yaml_1_1_exponents_are_numbers(text):
    """YAML 1.1 reads 2e-5 as a string, and DVC writes it so."""
    spec = changed("train/learning_rate", yaml.safe_load(text))
    assert read_spec(spec, "s").train.learning_rate == 2e-5


def test_overrides_reach_one_ablation_only():
    spec = read_spec(changed("ablations/a/train", {"epochs": 5, "learning_rate": "1e-6"}), "s")
    assert spec.ablation("a").train.epochs == 5 and spec.ablation("a").train.learning_rate == 1e-6
    assert spec.ablation("b").train.epochs == 3
    assert read_spec(changed("ablations/a/model", "other/model"), "s").ablation("a").model == "other/model"


MISTAKES = {
    # path, value, what the line must say
    "unknown top key": ("trian", {}, "trian: unknown key; did you mean train?"),
    "unknown key": ("train/learnin_rate", 1, "train.learnin_rate: unknown key; did you mean learning_rate?"),
    "unknown key far from any": ("data/zzz", 1, "data.zzz: unknown key; known here: "),
    "unknown vision key": (
        "ablations/a/vision/frames",
        8,
        "ablations.a.vision.frames: unknown key; did you mean nframes?",
    ),
    "unknown override": ("ablations/a/train", {"lr": 1}, "ablations.a.train.lr: unknown key"),
    "word for a number": ("train/epochs", "three", "train.epochs: 'three': should be a valid integer"),
    "boolean for a number": ("train/epochs", True, "train.epochs: True: a number is wanted"),
    "fraction for an integer": ("train/epochs", 2.5, "train.epochs: 2.5: should be a valid integer"),
    "zero epochs": ("train/epochs", 0, "train.epochs: 0: should be greater than or equal to 1"),
    "nan": ("train/learning_rate", float("nan"), "train.learning_rate: nan: should be"),
    "negative rate": ("train/learning_rate", -1, "train.learning_rate: -1: should be greater than 0"),
    "bad override value": ("ablations/a/train", {"epochs": 0}, "ablations.a.train.epochs: 0: should be"),
    "unknown engine": ("train/engine", "trl", "train.engine: 'trl': should be 'cosmos-rl' or 'local'"),
    "unknown task": ("data/tasks", ["wheather"], "data.tasks.0: 'wheather': should be "),
    "no task": ("data/tasks", [], "data.tasks: []: should be"),
    "no ablation": ("ablations", {}, "ablations: {}: should be"),
    "both fps and nframes": ("ablations/a/vision/fps", 1, "ablations.a.vision: give either nframes or fps, not both"),
    "neither": ("ablations/a/vision", {}, "ablations.a.vision: give either nframes or fps, not neither"),
    "odd frames": ("ablations/a/vision/nframes", 7, "nframes: 7 is odd"),
    "min_frames without fps": ("ablations/a/vision/min_frames", 4, "min_frames only goes with fps"),
    "max below the default min": (
        "ablations/a/vision/max_pixels",
        5000,
        "is less than min_pixels: 131072 (its default)",
    ),
    "micro-batch does not divide": ("train/mini_batch", 5, "mini_batch: 5 must divide train_batch_per_replica: 32"),
    "more GPUs than the engine takes": ("train/gpus", 9, "gpus: 9: engine: local takes those of one machine"),
    "cosmos-rl on a CPU": (
        "train",
        {"engine": "cosmos-rl", "gpus": 0},
        "gpus: 0: engine: cosmos-rl needs an NVIDIA GPU",
    ),
    "cosmos-rl has no Muon": (
        "train",
        {"engine": "cosmos-rl", "optimizer": "Muon"},
        "optimizer: Muon: engine: cosmos-rl has AdamW only",
    ),
    "cosmos-rl has one rate": (
        "train",
        {"engine": "cosmos-rl", "learning_rates": {"vision": 1e-4}},
        "learning_rates: {'vision': 0.0001}: engine: cosmos-rl has one learning_rate",
    ),
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
    "cosmos-rl with several sequences": (
        "train",
        {"engine": "cosmos-rl", "sequences": "per-question", "mini_batch": 2},
        "mini_batch: 2 must be 1 with engine: cosmos-rl",
    ),
    "run leaves results/": ("run", "../elsewhere", "run: '../elsewhere': characters allowed"),
    "ablation takes a folder's name": ("ablations/data", {"vision": {"nframes": 8}}, "can't be called data"),
    "ablation with a slash": ("ablations/x\\y", {"vision": {"nframes": 8}}, "characters allowed"),
    "line break in a name": ("deploy/served_name", "a\nb", "deploy.served_name: 'a\\nb': characters allowed"),
    "section is a list": ("train", [1], "train: [1]: should be"),
    "port": ("deploy/port", 70000, "deploy.port: 70000: should be less than or equal to 65535"),
}


@pytest.mark.parametrize("path, value, says", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_clear_line(path, value, says):
    with pytest.raises(SpecError) as caught:
        read_spec(changed(path, value), "my.yaml")
    lines = str(caught.value).splitlines()
    assert any(line.startswith("my.yaml: ") and says in line for line in lines), lines


def test_every_mistake_is_named():
    spec = changed("train/epochs", 0) | {"foo": 1, "run": ""}
    with pytest.raises(SpecError) as caught:
        read_spec(spec, "s")
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("values", [None, [], "text", 3])
def test_a_spec_is_a_mapping(values):
    with pytest.raises(SpecError, match="must be a mapping"):
        read_spec(values, "s")


def test_vision_names_are_folders_and_tell_settings_apart():
    spec = read_spec(GOOD, "s")
    assert spec.ablation("a").vision.name == "nframes8"
    assert spec.ablation("b").vision.name == "fps1_total8388608"
    half = read_spec(changed("ablations/b/vision/fps", 0.5), "s").ablation("b").vision.name
    assert half == "fps0.5_total8388608"


def test_hash_changes_with_what_decides_accuracy_only():
    base = read_spec(GOOD, "s")
    assert read_spec(changed("deploy/port", 9000), "s").hash("a") == base.hash("a")
    assert read_spec(changed("train/seed", 1), "s").hash("a") != base.hash("a")
    other = changed("ablations/a/train", {"seed": 1})
    assert read_spec(other, "s").hash("a") != base.hash("a") and read_spec(other, "s").hash("b") == base.hash("b")
