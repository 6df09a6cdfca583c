"""The spec: every mistake is one clear line that names the key, the value and what is allowed."""

import copy
import math
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from roadtrain.spec.mistakes import SpecError
from roadtrain.spec.reading import read_spec
from roadtrain.spec.vision import Vision

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
    "word for a number": ("train/epochs", "three", "train.epochs: 'three': should be a whole number"),
    "boolean for a number": ("train/epochs", True, "train.epochs: True: a number is wanted"),
    "fraction for an integer": ("train/epochs", 2.5, "train.epochs: 2.5: should be a whole number"),
    "text for a list": ("quantize/precisions", "fp8", "quantize.precisions: 'fp8': should be a list, as [a, b]"),
    "text for a section": ("data/files", "a.csv", "data.files: 'a.csv': should be a section of keys, as {key: value}"),
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
    "more GPUs than the engine takes": ("train/gpus", 9, "nodes: 1: engine: local takes at most 8 of a node"),
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
    "run leaves results/": ("run", "../elsewhere", "run: '../elsewhere': characters allowed"),
    "ablation takes a folder's name": ("ablations/data", {"vision": {"nframes": 8}}, "can't be called data"),
    "ablation with a slash": ("ablations/x\\y", {"vision": {"nframes": 8}}, "characters allowed"),
    "line break in a name": ("deploy/served_name", "a\nb", "deploy.served_name: 'a\\nb': characters allowed"),
    "section is a list": ("train", [1], "train: [1]: should be"),
    "precision twice": (
        "quantize/precisions",
        ["fp8", "fp8"],
        "quantize.precisions: ['fp8', 'fp8']: one is there twice: fp8",
    ),
    "task twice": ("data/tasks", ["environment", "environment"], "one is there twice: environment"),
    "copy twice": ("logs/to", ["wandb", "wandb"], "one is there twice: wandb"),
    "question twice": ("open_questions/questions", ["Why?", "Why?"], "one is there twice: Why?"),
    "drop above one": ("quantize/max_accuracy_drop", 5, "should be less than or equal to 1"),
    "no calibration": ("quantize/calibration_videos", 0, "should be greater than or equal to 1"),
    "negative GPUs": ("train/gpus", -1, "train.gpus: -1: should be greater than or equal to 0"),
    "rate of zero": ("train/learning_rate", 0, "train.learning_rate: 0: should be greater than 0"),
    "huge rate": ("train/learning_rate", 1e10, "should be less than or equal to 1"),
    "rate below float32": ("train/learning_rate", 1e-300, "float32 has no smaller numbers"),
    "seed beyond numpy's": ("train/seed", 2**32, "should be less than or equal to 4294967295"),
    "a day without progress": ("frames/timeout", 1e308, "should be less than or equal to 86400"),
    "memory of no machine": ("frames/memory_gb", 1e308, "should be less than or equal to 100000"),
    "no memory": ("frames/memory_gb", 1e-9, "should be greater than or equal to 0.1"),
    "a scale beyond float32": ("train/lora", {"alpha": 1e308}, "less than or equal to 1000000"),
    "hours beyond a year": ("cluster/train/hours", 1e308, "should be less than or equal to 8760"),
    "more jobs than videos": (
        "evaluate/shards",
        61,
        "evaluate.shards: 61 is more than data.sample.val: 60",
    ),
    "frames in pairs": (
        "ablations/b/vision",
        {"fps": 1, "min_frames": 5, "max_frames": 5},
        "min_frames: 5 is more than max_frames: 5, in pairs of frames",
    ),
    "total below the least": (
        "ablations/a/vision",
        {"nframes": 8, "total_pixels": 131072},
        "total_pixels: 131072 is less than 4 pairs of frames of min_pixels: 131072 have (its default)",
    ),
    "validation is training": (
        "data",
        {"source": "mcq", "files": {"train": "a.csv", "val": "a.csv"}},
        "data.files.val: a.csv: is data.files.train",
    ),
    "media of WTS": ("data/media", "clips", "media goes with the sources llava and mcq"),
    "the project as data": ("data/root", ".", "root: .: the project lies in it"),
    "above the project": ("data/root", "../", "the project lies in it"),
    "results as data": ("data/root", "results/x", "root: results/x: results/ lies in it"),
    "number for a text": ("run", 3, "run: 3: should be text: put it in quotes"),
    "blank text": ("model", "  ", "model: '  ': characters allowed: one line of text that isn't blank"),
    "nothing": ("train/epochs", None, "train.epochs: is empty"),
    "neither of two kinds": (
        "train/questions_per_video",
        "some",
        "train.questions_per_video: 'some': should be a whole number or 'all'",
    ),
    "key with a bracket": ("train/x[0]", 1, "train.x[0]: unknown key"),
    "key with a line break": ("train/a\nb", 1, "train.a\\nb: unknown key"),
    "key called as a type": ("train/int", 1, "train.int: unknown key; known here"),
    "ablation with a bracket": (
        "ablations/x[",
        {"vision": {"nframes": 8}},
        "ablations.x[: 'x[': characters allowed: A-Z",
    ),
    "override of the other engine": (
        "ablations/a/train",
        {"dataloader_num_workers": 2},
        "ablations.a.train.dataloader_num_workers: engine: local doesn't read it",
    ),
    "override that makes an impossible whole": (
        "ablations/a/train",
        {"sequences": "per-question", "questions_per_video": 2},
        "ablations.a.train: questions_per_video only goes with sequences: shared-video",
    ),
    "override that isn't a section": (
        "ablations/a/train",
        [1],
        "ablations.a.train: [1]: should be a section of keys, as {key: value}",
    ),
    "served, of what isn't quantized": (
        "deploy",
        {"verify": "served", "checkpoint": "best"},
        "deploy: verify: served: the gate judges quantized checkpoints, and checkpoint: best deploys none",
    ),
    "verified by whom": ("deploy/verify", "nim", "deploy.verify: 'nim': should be 'offline' or 'served'"),
    "port": ("deploy/port", 70000, "deploy.port: 70000: should be less than or equal to 65535"),
}


@pytest.mark.parametrize("path, value, says", MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_clear_line(path, value, says):
    spec = changed(path, value)
    if path == "evaluate/shards":
        spec["data"] = {"sample": {}}
    with pytest.raises(SpecError) as caught:
        read_spec(spec, "my.yaml")
    (line,) = str(caught.value).splitlines()
    assert line.startswith("my.yaml: ") and says in line, line


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


NUMBERS = {
    "min_pixels": st.integers(1024, 4096),
    "max_pixels": st.integers(8192, 2**27),
    "total_pixels": st.integers(2**24, 2**39),
}
OF_FPS = {"min_frames": st.integers(2, 100), "max_frames": st.integers(102, 1000)}
FPS = st.floats(0.001, 1000) | st.sampled_from([1.0, 2.0, 0.5, 2.0000001, 29.97, 30000 / 1001])
SETTINGS = st.fixed_dictionaries({"fps": FPS}, optional=NUMBERS | OF_FPS) | st.fixed_dictionaries(
    {"nframes": st.integers(1, 10).map(lambda pairs: 2 * pairs)}, optional=NUMBERS
)


@given(SETTINGS, SETTINGS, st.sampled_from([*NUMBERS, *OF_FPS, "fps"]))
def test_two_settings_share_a_folder_only_when_they_are_one(first, second, key):
    """Frames of another setting would be trained on without a word."""
    first, second = ({"min_pixels": 1024} | setting for setting in (first, second))
    near = first | ({key: math.nextafter(first[key], 1.5) if key == "fps" else first[key] + 2} if key in first else {})
    for other in (second, near):
        one, two = Vision(**first), Vision(**other)
        assert (one.name == two.name) == (one.settings() == two.settings())
    assert re.fullmatch(r"[a-z0-9_.e-]+", Vision(**first).name)


@pytest.mark.parametrize(
    "setting, name",
    [
        ({"nframes": 4, "min_pixels": 4096, "max_pixels": 17408}, "nframes4_min4096_max17408"),
        ({"fps": 2, "min_pixels": 4096, "total_pixels": 98304}, "fps2_min4096_total98304"),
        ({"fps": 0.5, "min_frames": 4, "max_frames": 8}, "fps0.5_minf4_maxf8"),
        ({"fps": 1.0000001}, "fps1.0000001"),
    ],
)
def test_usual_settings_keep_their_names(setting, name):
    assert Vision(**setting).name == name


def test_every_wrong_override_is_named_and_a_thousand_are_counted():
    spec = changed("ablations/a/train", {"epochs": 0}) | {}
    spec["ablations"]["b"]["train"] = {"seed": -1}
    with pytest.raises(SpecError) as caught:
        read_spec(spec, "s")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "ablations.a.train.epochs",
        "ablations.b.train.seed",
    ]
    spec["ablations"] = {f"a{n}": {"vision": {"nframes": 8}, "train": {"epochs": 0}} for n in range(1000)}
    with pytest.raises(SpecError) as caught:
        read_spec(spec, "s")
    assert len(str(caught.value).splitlines()) == 21 and str(caught.value).endswith("s: and 980 more mistakes")


def test_overrides_as_text_are_typed_in_what_is_written():
    spec = read_spec(changed("ablations/a/train", {"epochs": "5", "learning_rate": "1e-6"}), "s")
    assert spec.ablations["a"].train == {"epochs": 5, "learning_rate": 1e-6}
    typed = read_spec(changed("ablations/a/train", {"epochs": 5, "learning_rate": 1e-6}), "s")
    assert spec.results() == typed.results()


def test_home_is_meant_by_its_sign(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    spec = changed("ablations/a/model", "~/x") | {"model": "~/y", "data": {"root": "~/z"}}
    resolved = read_spec(spec, "s")
    assert resolved.ablation("a").model == "/home/somebody/x" and resolved.ablation("b").model == "/home/somebody/y"
    assert resolved.data.root == "/home/somebody/z"


def test_hash_changes_with_what_decides_accuracy_only():
    base = read_spec(GOOD, "s")
    assert read_spec(changed("deploy/port", 9000), "s").hash("a") == base.hash("a")
    assert read_spec(changed("train/seed", 1), "s").hash("a") != base.hash("a")
    other = changed("ablations/a/train", {"seed": 1})
    assert read_spec(other, "s").hash("a") != base.hash("a") and read_spec(other, "s").hash("b") == base.hash("b")
