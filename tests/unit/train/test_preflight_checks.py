"""Each mistake that users of cosmos-rl and of the recipe are known to make has its check, and only that one fails."""

import dataclasses
import tomllib

import pytest

from roadtrain.train import toml_config
from roadtrain.train.cosmos import schema
from roadtrain.train.preflight.checks import RunSizes, check_run, is_problem
from support.run_toml import render_run_toml

VISION = {"nframes": 4, "min_pixels": 4096, "max_pixels": 8192}
SIZES = RunSizes(questions=12, longest_sequence=100, longest_question=80, calibration_max_length=4096)
# What is changed: a key of the TOML, or one of the sizes.
MISTAKES = {
    "mini-batch-divides-batch": ("train.train_policy.mini_batch", 4),
    "batch-fits-data": ("train.train_batch_per_replica", 1000),
    "one-frame-rule": ("custom.vision.fps", 1.0),
    "policy-is-sft": ("train.train_policy.type", "grpo"),
    "compile-off": ("train.compile", True),
    "tensor-parallel-is-one": ("policy.parallelism.tp_size", 2),
    "every-epoch-saved": ("train.ckpt.save_freq_in_epoch", 0),
    "epochs-are-kept": ("train.ckpt.max_keep", 1),
    "memory-fits-gpu": ("memory_gib_per_gpu", 200.0),
    "sequence-fits-model": ("longest_sequence", 5000),
    "calibration-fits": ("calibration_max_length", 50),
}


def write_toml(folder, **train):
    settings = {"gpus": 0, "epochs": 2, "train_batch_per_replica": 6, "model_max_length": 2048} | train
    (folder / "base").mkdir(exist_ok=True)
    return render_run_toml(
        folder / "sft.toml", folder, model=folder / "base", vision=VISION, train=settings, output_dir=folder / "w"
    )


@pytest.mark.parametrize("name, change", MISTAKES.items(), ids=MISTAKES)
def test_each_known_mistake_has_its_check(tmp_path, name, change):
    toml = tomllib.loads(write_toml(tmp_path, engine="local").read_text())
    checks = check_run(toml_config.parse_train_run(toml, "t"), toml, SIZES, 0)
    assert not any(map(is_problem, checks)) and sum(check.state == "ok" for check in checks) == len(checks) - 1
    (*sections, key), value = change[0].split("."), change[1]
    here, sizes = toml, SIZES
    for section in sections:
        here = here[section]
    if sections:
        here[key] = value
    else:
        sizes = dataclasses.replace(SIZES, **{key: value})
    checks = check_run(toml_config.parse_train_run(toml, "t"), toml, sizes, 0 if sections else 1)
    failed = [check for check in checks if is_problem(check)]
    assert [check.name for check in failed] == [name] and failed[0].remedy


@pytest.mark.parametrize(
    "change, says", [({}, "every key"), ({"train": {"enable_validation": False}}, "train.enable_validation")]
)
def test_cosmos_rls_own_model_is_asked(tmp_path, change, says):
    """Where cosmos-rl isn't installed that is what the check says, with its remedy."""
    toml = tomllib.loads(write_toml(tmp_path, engine="cosmos-rl", gpus=1).read_text())
    for section, values in change.items():
        toml[section] |= values
    check = schema.reading_check(toml)
    assert check.name == "cosmos-rl-reads-it"
    if schema.installed_version() is None:
        assert is_problem(check) and "pip install --no-deps cosmos-rl" in check.remedy
    else:
        assert is_problem(check) == bool(change) and says in check.found


def test_what_is_not_known_is_not_ok(tmp_path):
    """A model whose sizes nobody knows has no memory that fits; nothing that is quantized has no length."""
    toml = tomllib.loads(write_toml(tmp_path, engine="local", gpus=2).read_text())
    sizes = dataclasses.replace(SIZES, memory_gib_per_gpu=None, calibration_max_length=None, text_counted=False)
    checks = {check.name: check for check in check_run(toml_config.parse_train_run(toml, "t"), toml, sizes, 2)}
    unknown = [check.name for check in checks.values() if check.state != "ok"]
    assert unknown == ["memory-fits-gpu", "calibration-fits"]
    assert all(checks[name].state == "not checked" and "None" not in checks[name].found for name in unknown)
    assert str(tmp_path / "base") in checks["memory-fits-gpu"].found
    assert "text estimated" in checks["sequence-fits-model"].found
