"""What a plan and a dry run say of the machine: what is there, what is wrong, what can't be known here."""

import json

import pytest

from roadtrain.spec.reading import read_spec
from roadtrain.train.preflight.absent import absent, absent_tables
from roadtrain.train.preflight.machine import machine_checks
from roadtrain.train.preflight.model_files import find_model


def model_folder(folder, shards=0):
    """A model's files, empty but for a byte."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    names = [f"model-{n}.safetensors" for n in range(shards)] or ["model.safetensors"]
    for name in names:
        (folder / name).write_bytes(b"x")
    if shards:
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"weight_map": {str(n): name for n, name in enumerate(names)}})
        )
    return folder


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A machine without a token, a cache of the hub's, or GPUs; its project is `tmp_path`."""
    for name in ("HF_TOKEN", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_models_folder_is_one_with_all_its_files(alone):
    assert find_model(str(model_folder(alone / "one"))).state == "here"
    several = model_folder(alone / "several", shards=3)
    assert find_model(str(several)).state == "here"
    (several / "model-1.safetensors").unlink()
    (alone / "file").write_text("x")
    (alone / "empty").mkdir()
    config_only = alone / "config-only"
    config_only.mkdir()
    (config_only / "config.json").write_text("{}")
    cut_off = model_folder(alone / "cut-off")
    (cut_off / "model.safetensors").write_bytes(b"")
    broken = model_folder(alone / "broken", shards=1)
    (broken / "model.safetensors.index.json").write_text("[]")
    expected = {
        "several": "model-1.safetensors is missing: 2 of 3 files of weights are there",
        "file": "a file, not a model's folder",
        "empty": "no config.json in it",
        "config-only": "no weights (*.safetensors) in it",
        "cut-off": "no weights (*.safetensors) in it",
        "broken": "is not an index of weights",
        "empty/nowhere": "no such folder",
        "/nowhere": "no such folder",
        "./nowhere": "no such folder",
        "a/b/c": "no such folder",
        "x" * 300: "",
    }
    for name, says in expected.items():
        place = find_model(name)
        assert place.state == "wrong" and place.words.startswith(name) and says in place.words, place


def test_a_model_of_the_hub_is_here_when_its_cache_has_it_whole(alone, monkeypatch):
    assert find_model("org/model").state == "elsewhere"
    snapshot = model_folder(alone / "home/.cache/huggingface/hub/models--org--model/snapshots/abc")
    assert find_model("org/model").state == "here" and str(snapshot) in find_model("org/model").words
    (snapshot / "model.safetensors").unlink()
    assert find_model("org/model").state == "elsewhere"
    monkeypatch.setenv("HF_HUB_CACHE", str(alone / "cache"))
    model_folder(alone / "cache/models--org--model/snapshots/abc")
    assert find_model("org/model").state == "here"


def states(model, gpus):
    return {check.name: check for check in machine_checks(model, gpus)}


def test_a_model_that_must_be_downloaded_is_not_checked(alone):
    checks = states("org/model", 0)
    assert checks["model-is-there"].state == "not checked" and "hf download org/model" in checks["model-is-there"].found
    assert checks["token-for-gated-model"].state == "not checked"
    assert states("/nowhere", 0)["model-is-there"].state == "problem"


def test_a_gated_model_needs_a_token_only_where_it_is_not_here(alone, monkeypatch):
    assert states("nvidia/x", 0)["token-for-gated-model"].state == "problem"
    monkeypatch.setenv("HF_TOKEN", "x")
    assert states("nvidia/x", 0)["token-for-gated-model"].state == "ok"
    monkeypatch.delenv("HF_TOKEN")
    model_folder(alone / "home/.cache/huggingface/hub/models--nvidia--x/snapshots/abc")
    assert states("nvidia/x", 0)["token-for-gated-model"].state == "ok"


def test_gpus_that_are_not_here_are_not_ok(alone, monkeypatch):
    assert states("org/m", 0)["gpus-are-there"].state == "ok"
    for devices, count, state in (("", 1, "not checked"), ("0", 2, "not checked"), ("0,1", 2, "ok")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
        check = states("org/m", count)["gpus-are-there"]
        assert check.state == state and f"train.gpus: {count}" in check.found and "GPU" in check.found


# ------------------------------------------------------------------------------------------------ a dry run
def lines(**changes):
    spec = {"ablations": {"a": {"vision": {"nframes": 8}}}, "model": "org/model"} | changes
    return absent(read_spec(spec, "s"))


def test_a_dry_run_names_what_is_absent_by_key(alone):
    table = {"source": "mcq", "root": "data", "media": "clips", "files": {"train": "t.csv", "val": "v.csv"}}
    assert lines(data=table) == ["data.root: data: no such folder"]
    (alone / "data").mkdir()
    assert lines(data=table) == [
        "data.files.train: t.csv: no such file below data.root: data",
        "data.files.val: v.csv: no such file below data.root: data",
        "data.media: clips: no such folder below data.root: data",
    ]
    for name in ("t.csv", "v.csv"):
        (alone / "data" / name).write_text("")
    (alone / "data/clips").mkdir()
    assert lines(data=table) == []
    wts = [f"data.root: data: no annotations of {split} for data.tasks: environment" for split in ("train", "val")]
    assert lines(data={"root": "data"}) == wts
    assert lines(data={"root": "data", "files": {"test": "x.json"}})[0].startswith(
        "data.files.test: x.json: no such file"
    )
    (alone / "file").write_text("")
    assert lines(data={"root": "file"}) == ["data.root: file: a file, not a folder"]
    assert lines(data={"sample": {}}) == []


def test_once_conversations_are_there_only_a_missing_table_is_named(alone):
    """Raw data may be elsewhere; a folder that has lost a table alone would be converted anew, and that fail."""
    table = {"source": "mcq", "root": "data", "media": "clips", "files": {"train": "t.csv", "val": "v.csv"}}
    spec = read_spec({"ablations": {"a": {"vision": {"nframes": 8}}}, "model": "org/model", "data": table}, "s")
    assert absent(spec, converted=True) == [] == absent_tables(spec)
    (alone / "data").mkdir()
    (alone / "data/t.csv").write_text("")
    assert absent(spec, converted=True) == ["data.files.val: v.csv: no such file below data.root: data"]
    assert absent_tables(spec) == absent(spec, converted=True)


def test_a_dry_run_names_models_that_cannot_be_used(alone):
    (alone / "file").write_text("x")
    ablations = {name: {"vision": {"nframes": 8}, "model": model} for name, model in (("a", "file"), ("b", "/no"))}
    of_ablations = ["ablations.a.model: file: a file, not a model's folder", "ablations.b.model: /no: no such folder"]
    assert lines(data={"sample": {}}, ablations=ablations, model="/unused") == of_ablations
    ablations["b"] = {"vision": {"nframes": 8}}
    assert lines(data={"sample": {}}, ablations=ablations, model="~/x")[0] == f"model: {alone}/home/x: no such folder"
