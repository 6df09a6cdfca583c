"""`name@revision`: a model of the hub at a branch, a tag or a commit, wherever a model is named."""

import json

import huggingface_hub
import pytest

from roadtrain.cli import UserError
from roadtrain.model import adapters, flops, sizes
from roadtrain.model.hub import download_command, name_and_revision, needs_token, terms_page
from roadtrain.model.loading import locate
from roadtrain.spec.spec import Spec
from roadtrain.train.preflight.model_files import find_model

ABLATIONS = {"a": {"vision": {"nframes": 8}}}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache, with one model at two commits: main is the second, v1 the first."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "hub/models--org--model"
    for commit in (COMMIT, COMMIT[::-1]):
        (folder / "snapshots" / commit).mkdir(parents=True)
        (folder / "snapshots" / commit / "config.json").write_text("{}")
        (folder / "snapshots" / commit / "model.safetensors").write_text("x")
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text(COMMIT[::-1])
    (folder / "refs/v1").write_text(COMMIT)
    return folder / "snapshots"


def test_a_name_is_read_with_its_revision(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert name_and_revision("org/model") == ("org/model", None)
    assert name_and_revision("org/model@v1") == ("org/model", "v1") and name_and_revision("org/model@") == (
        "org/model",
        "",
    )
    (tmp_path / "mine@home").mkdir()
    assert name_and_revision("mine@home") == ("mine@home", None), "a folder"
    assert name_and_revision("x" * 5000 + "@v1") == ("x" * 5000, "v1")
    assert download_command("org/model@v1") == "hf download org/model --revision v1"
    assert download_command("org/model") == "hf download org/model"
    assert terms_page("nvidia/model@v1") == "https://huggingface.co/nvidia/model"


@pytest.mark.parametrize(
    ("model", "commit"),
    [
        ("org/model", COMMIT[::-1]),
        ("org/model@main", COMMIT[::-1]),
        ("org/model@v1", COMMIT),
        (f"org/model@{COMMIT}", COMMIT),
    ],
)
def test_the_cache_is_looked_at_for_that_revision(cache, model, commit):
    place = find_model(model)
    assert place.state == "here" and place.words.endswith(f"{cache / commit}/")


def test_another_revision_is_not_here(cache):
    assert find_model("org/model@v2").state == find_model(f"org/model@{'f' * 40}").state == "elsewhere"
    for model in ("org/model@", "org/model@../../x", "org/model@a b", "org/model@v1@v2"):
        assert find_model(model).state == "wrong", model


def test_that_revision_is_fetched(cache, monkeypatch):
    calls = []

    def snapshot_download(name, revision=None, **more):
        calls.append((name, revision))
        return str(cache / COMMIT)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    assert locate("org/model@v1") == cache / COMMIT and locate("org/model") == cache / COMMIT
    assert calls == [("org/model", "v1"), ("org/model", None)]
    with pytest.raises(UserError, match="no revision after the @"):
        locate("org/model@")


def test_what_cannot_be_fetched_is_said_with_the_revision(cache, monkeypatch):
    def snapshot_download(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(UserError, match="hf download org/other --revision v3"):
        locate("org/other@v3")


def test_sizes_and_tokens_are_those_of_the_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    for name in sizes.CONFIGS:
        assert flops.architecture(f"{name}@main") == flops.architecture(name) is not None
    assert needs_token("nvidia/Cosmos-Reason2-2B@main") and not needs_token("Qwen/Qwen3-VL-2B-Instruct@main")


def test_stock_peft_finds_the_base_of_an_adapter_at_its_revision(tmp_path):
    import torch

    weights = {f"model.language_model.layers.0.mlp.up_proj.lora_{x}": torch.zeros(2, 2) for x in "AB"}

    class Settings:
        rank, alpha, dropout, rslora = 2, 4.0, 0.0, False

    for model, expected in (("org/model@v1", ("org/model", "v1")), ("org/model", ("org/model", None))):
        adapters.write_adapter(tmp_path / "x", weights, Settings, {"model": model, "sha256": "0"})
        config = json.loads((tmp_path / "x/adapter_config.json").read_text())
        assert (config["base_model_name_or_path"], config.get("revision")) == expected
        assert adapters.base_of(tmp_path / "x") == model


def test_the_home_folder_is_read_in_every_place_that_names_one(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    spec = Spec.model_validate(
        {"model": "~/base", "data": {"root": "~/clips"}, "ablations": {"a": ABLATIONS["a"] | {"model": "~/other"}}}
    )
    assert (spec.model, spec.data.root) == ("/home/me/base", "/home/me/clips")
    assert spec.ablation("a").model == "/home/me/other"
    assert Spec.model_validate({"model": "org/model@v1", "ablations": ABLATIONS}).model == "org/model@v1"
