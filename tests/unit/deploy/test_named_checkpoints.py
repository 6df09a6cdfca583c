"""A checkpoint by the name of its run: the best epoch, any other, and what there is when there is no such one."""

import subprocess
import sys

import pytest

from roadtrain.cli import UserError
from roadtrain.deploy.serving import setting_of
from roadtrain.files import write_json
from support.launching import conversations
from support.programs import ROOT

VISION = {"nframes": 8}


@pytest.fixture(autouse=True)
def run(tmp_path, monkeypatch):
    """A run with two epochs, of which the first is the best, and a base model that lies elsewhere."""
    monkeypatch.chdir(tmp_path)
    ablation = {"vision": VISION, "train": {"model_max_length": 2048}}
    spec = {"data": {"system_prompt": "Be brief."}, "frames": {"reader": "decord"}}
    write_json("results/r/spec.json", {"run": "r", "spec": spec, "ablations": {"a": ablation, "b": ablation}})
    for name in ("epoch_1", "epoch_2", "epoch_10"):
        checkpoint(name, f"weights/r/a/{name}", "checkpoints")
    checkpoint("zero_shot", "elsewhere/base", "checkpoints")
    checkpoint("fp8", "weights/r/a/fp8", "quantized")
    write_json("results/r/a/quantized/gate.json", {"passed": True})
    best = {"checkpoint": "epoch_1", "manifest": "results/r/a/checkpoints/epoch_1.json", "path": "weights/r/a/epoch_1"}
    write_json("results/r/a/best.json", best)
    return tmp_path


def checkpoint(name, path, kind):
    write_json(f"{path}/config.json", {})
    manifest = {"checkpoint": name, "path": path, "sha256": "", "files": {}}
    write_json(f"results/r/a/{kind}/{name}.json", manifest)


@pytest.mark.parametrize(
    "name, path",
    [
        ("r/a", "weights/r/a/epoch_1"),
        ("r/a/epoch_2", "weights/r/a/epoch_2"),
        ("r/a/zero_shot", "elsewhere/base"),
        ("r/a/fp8", "weights/r/a/fp8"),
        ("weights/r/a/epoch_2", "weights/r/a/epoch_2"),
        ("results/r/a/best.json", "weights/r/a/epoch_1"),
        ("results/r/a/checkpoints/zero_shot.json", "elsewhere/base"),
    ],
)
def test_a_name_brings_weights_and_the_setting_of_its_run(name, path):
    """Of the base model, too, which lies below no run: it is asked as the evaluation asked it."""
    setting = setting_of(name)
    assert str(setting.path) == path
    assert (setting.vision, setting.system_prompt, setting.reader) == (VISION, "Be brief.", "decord")


@pytest.mark.parametrize(
    "name, words",
    [
        ("r", "name an ablation of the run: r/a, r/b"),
        ("r/c", "name an ablation of the run: r/a, r/b"),
        (
            "r/a/epoch_3",
            "no checkpoint epoch_3; there is r/a/epoch_1, r/a/epoch_2, r/a/epoch_10, r/a/fp8, r/a/zero_shot",
        ),
        ("r/b", "its best epoch isn't known before its epochs are evaluated; there is none yet"),
        ("q/a", "neither a model directory, a manifest nor RUN/ABLATION; runs here: r"),
        ("../r/a", "runs here: r"),
        ("results/r", "no config.json: not a Hugging Face model directory"),
        ("results/r/spec.json", "not a checkpoint's manifest"),
    ],
)
def test_another_name_is_told_what_there_is(name, words):
    with pytest.raises(UserError) as caught:
        setting_of(name)
    assert words in str(caught.value) and str(caught.value).startswith(name)


def test_an_epoch_of_a_training_under_way_has_a_name(run):
    write_json("weights/r/b/epoch_1/config.json", {})
    write_json("weights/r/b/epoch_1.json", {"checkpoint": "epoch_1", "path": "weights/r/b/epoch_1", "files": {}})
    write_json("weights/r/b/fingerprint.json", {"fingerprint": "x"})
    assert setting_of("r/b/epoch_1").vision == VISION
    with pytest.raises(UserError, match=r"evaluated; there is r/b/epoch_1$"):
        setting_of("r/b")


def test_weights_that_a_clone_lacks_are_named():
    write_json(
        "results/r/a/checkpoints/epoch_4.json", {"checkpoint": "epoch_4", "path": "weights/r/a/epoch_4", "files": {}}
    )
    with pytest.raises(UserError, match=r"weights are missing: weights/r/a/epoch_4: fetch them \(dvc pull\)"):
        setting_of("r/a/epoch_4")


def test_a_server_takes_as_many_videos_a_prompt_as_the_data_of_the_run_have(run):
    """data.views: together; vLLM refuses more than it was told. Without the data it is one, as for most."""
    assert setting_of("r/a").videos_a_prompt() == 1
    (run / "results/r/data").mkdir()
    conversations(run / "results/r/data/train.llava.json", 1, 3)
    conversations(run / "results/r/data/val.llava.json", 2)
    for name in ("r/a", "r/a/zero_shot", "weights/r/a/epoch_2"):
        assert setting_of(name).videos_a_prompt() == 3
    command = [sys.executable, str(ROOT / "scripts/serve.py"), "r/a", "--print"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert '--limit-mm-per-prompt \'{"video": 3, "image": 0}\'' in printed
