"""The local engine with frozen parts: on one process and on two, killed and started again."""

import signal

import pytest
import torch
from safetensors.torch import load_file

from roadtrain.model.parts import part_of
from support.programs import run_python
from support.training import command, hashes, must_train, read_log, render_toml, start, train

FREEZE = ["vision", "embeddings"]
SETTINGS = {"freeze": FREEZE, "learning_rates": {"projector": 2e-3}}


@pytest.fixture(scope="module")
def frozen(training_root):
    return must_train(training_root / "frozen", render_toml(training_root, "frozen.toml", **SETTINGS))


def test_a_checkpoint_is_whole_and_frozen_weights_are_the_bases(training_root, frozen):
    base = load_file(training_root / "base/model.safetensors")
    for epoch in (1, 2):
        trained = load_file(frozen / f"epoch_{epoch}/model.safetensors")
        assert trained.keys() == base.keys()
        same = {name for name in trained if torch.equal(trained[name], base[name].to(torch.bfloat16))}
        assert same >= {name for name in base if part_of(name) in FREEZE}
        matrices = {name for name in base if part_of(name) not in FREEZE and base[name].ndim > 1}
        assert matrices and not same & matrices


def test_two_ranks_train_frozen_parts_as_one(training_root, frozen, tmp_path):
    toml = render_toml(training_root, "frozen_two.toml", **SETTINGS)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "--")
    result = run_python(*launcher, *command(tmp_path, toml))
    assert result.returncode == 0, result.stderr
    alone, both = read_log(frozen / "log.jsonl"), read_log(tmp_path / "train_log.jsonl")
    assert [a["loss"] for a in alone] == pytest.approx([b["loss"] for b in both], rel=1e-4)
    assert [a["grad_norm"] for a in alone] == pytest.approx([b["grad_norm"] for b in both], rel=1e-3)
    base, trained = (load_file(path / "model.safetensors") for path in (training_root / "base", tmp_path / "epoch_2"))
    assert trained.keys() == base.keys()
    kept = {name for name in base if part_of(name) in FREEZE}
    assert kept and all(torch.equal(trained[name], base[name].to(torch.bfloat16)) for name in kept)


def test_a_killed_run_ends_with_the_same_weights(training_root, frozen, tmp_path):
    toml = render_toml(training_root, "frozen.toml", **SETTINGS)
    process = start(tmp_path, toml)
    while process.poll() is None and not (tmp_path / "state/progress.json").exists():
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    must_train(tmp_path, toml)
    assert hashes(tmp_path) == hashes(frozen)


def test_a_rate_of_what_is_not_trained_is_one_line(training_root, tmp_path):
    toml = render_toml(training_root, "no_rate.toml", freeze=["vision"], learning_rates={"projector": 1e-3})
    toml.write_text(toml.read_text().replace("projector = ", "vision = "))  # the spec refuses it; a TOML may be edited
    result = train(tmp_path, toml)
    assert (
        result.returncode == 1 and "learning_rates.vision: nothing of it is trained" in result.stderr.splitlines()[-1]
    )


def test_a_toml_of_0_2_is_not_read_otherwise(training_root, tmp_path):
    toml = render_toml(training_root, "old.toml")
    toml.write_text(toml.read_text().replace("[custom.local]", "[custom.local]\nembedding_learning_rate = 1e-3"))
    result = train(tmp_path, toml)
    assert result.returncode == 1
    assert "custom.local.learning_rates.embeddings" in result.stderr.splitlines()[-1]
