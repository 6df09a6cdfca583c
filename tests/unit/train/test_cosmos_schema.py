"""The TOML against cosmos-rl's own config model: what cosmos-rl would ignore or misread is said before it starts."""

import copy
import subprocess
import sys
import tomllib

import pytest

from roadtrain.train.cosmos import schema
from support.run_toml import render_ablation
from support.workflow import ROOT

needs_cosmos_rl = pytest.mark.skipif(
    schema.installed_version() is None,
    reason=f"cosmos-rl is not here: pip install --no-deps cosmos-rl=={schema.VERSION} toml",
)


@pytest.fixture(scope="module")
def model():
    if schema.installed_version() is None:
        pytest.skip(f"cosmos-rl is not here: pip install --no-deps cosmos-rl=={schema.VERSION} toml")
    return schema.config_model()


@pytest.fixture
def toml():
    return tomllib.loads(render_ablation("config.yaml", "nframes8"))


@pytest.mark.parametrize("name", ["nframes8", "fps1_8k"])
def test_the_published_ablations_render_to_golden_files(name):
    """Every byte that cosmos-rl gets. Renew after a wanted change: PYTHONPATH=scripts:tests python tests/unit/train/test_cosmos_schema.py"""
    assert render_ablation("config.yaml", name) == (ROOT / f"tests/support/golden/{name}.toml").read_text()


@pytest.mark.parametrize("name", ["nframes8", "fps1_8k"])
def test_every_key_of_the_recipe_has_its_value(name):
    """The published TOML, key by key. Its `enable_validation` is no key of cosmos-rl: `validation.enable` is. Its
    save_freq = 20 misses the ends of epochs (21 steps): every epoch is saved."""
    recipe = {
        "train": {
            "optm_lr": 2e-5,
            "optm_warmup_steps": 0,
            "optm_decay_type": "cosine",
            "optm_weight_decay": 0.01,
            "train_batch_per_replica": 32,
            "compile": False,
            "train_policy": {
                "type": "sft",
                "mini_batch": 1,
                "dataset": {"test_size": 0},
                "dataloader_num_workers": 4,
                "dataloader_prefetch_factor": 4,
            },
            "ckpt": {"enable_checkpoint": True, "save_freq_in_epoch": 1},
        },
        "validation": {"enable": False},
        "policy": {
            "model_name_or_path": "nvidia/Cosmos-Reason2-2B",
            "model_max_length": 32768,
            "parallelism": {"tp_size": 1, "cp_size": 1, "dp_shard_size": 8, "pp_size": 1},
        },
        "custom": {"vision": {"nframes": 8} if name == "nframes8" else {"fps": 1, "total_pixels": 8388608}},
    }
    toml = tomllib.loads((ROOT / f"tests/support/golden/{name}.toml").read_text())

    def differing(expected, actual, where=""):
        for key, value in expected.items():
            if isinstance(value, dict) and key != "vision":
                yield from differing(value, actual.get(key, {}), f"{where}{key}.")
            elif actual.get(key) != value:
                yield f"{where}{key}: {actual.get(key)!r}, not {value!r}"

    assert list(differing(recipe, toml)) == []
    assert toml["train"]["ckpt"]["max_keep"] > toml["train"]["epoch"] == 3
    assert (
        toml["logging"]["experiment_name"] == f"wts-environment/{name}"
        and toml["logging"]["project_name"] == "roadtrain"
    )
    # No other run's checkpoints beside it.
    assert toml["train"]["output_dir"] == f"weights/wts-environment/{name}/cosmos-rl"


@pytest.mark.parametrize(
    "file, name",
    [
        ("config.yaml", "nframes8"),
        ("config.yaml", "fps1_8k"),
        ("specs/sample.yaml", "nframes8"),
        ("specs/sample.yaml", "fps2"),
    ],
)
def test_what_we_render_is_what_cosmos_rl_reads(file, name, model):
    toml = tomllib.loads(render_ablation(file, name))
    before = copy.deepcopy(toml)
    assert schema.toml_mistakes(toml, model) == []
    assert toml == before  # from_dict writes a time stamp into its argument
    config = model.from_dict(copy.deepcopy(toml))
    assert config.train.train_policy.type == "sft" and config.policy.parallelism.tp_size == 1
    assert (config.train.optm_lr, config.train.epoch) == (toml["train"]["optm_lr"], toml["train"]["epoch"])
    assert config.train.ckpt.save_freq_in_epoch == 1 and config.custom == toml["custom"]


MISTAKES = {
    # path, value, what the line says. All but the last three pass cosmos-rl's own check without a word.
    "the recipe's own": ("train.enable_validation", False, "train.enable_validation: cosmos-rl 0.4.7 has no such key"),
    "misspelt": ("train.train_policy.mini_bach", 1, "did you mean mini_batch?"),
    "unknown section": ("trian", {}, "trian: cosmos-rl 0.4.7 has no such key; did you mean train?"),
    "deep": ("policy.parallelism.dp_size", 8, "policy.parallelism.dp_size: cosmos-rl"),
    "a key of RL in SFT": ("train.train_policy.kl_beta", 0.1, "train.train_policy.kl_beta: cosmos-rl"),
    "decay that isn't one": ("train.optm_decay_type", "banana", "should be one of 'sqrt', 'cosine', 'linear', 'none'"),
    "dtype that isn't one": ("train.master_dtype", "float33", "should be one of 'bfloat16'"),
    "wrong type": ("train.epoch", "three", "train.epoch: 'three': Input should be a valid integer"),
    "impossible": ("policy.parallelism.dp_shard_size", 0, "dp_shard_size must be greater than 0"),
    "never saved": ("train.ckpt.save_mode", "sometimes", "save_mode"),
}


@pytest.mark.parametrize("path, value, says", MISTAKES.values(), ids=MISTAKES)
def test_each_mistake_is_one_line(toml, model, path, value, says):
    *sections, key = path.split(".")
    here = toml
    for section in sections:
        here = here[section]
    here[key] = value
    (line,) = schema.toml_mistakes(toml, model)
    assert says in line and "\n" not in line


def test_the_entry_scripts_own_section_is_free(toml, model):
    toml["custom"]["anything"] = {"at": {"all": 1}}
    assert schema.toml_mistakes(toml, model) == []


@needs_cosmos_rl
def test_no_torch_and_nothing_left_behind():
    """The check runs where there is no torch, and a later real import of cosmos-rl finds no half-imported package."""
    code = (
        "import sys; from roadtrain.train.cosmos import schema; m = schema.config_model();"
        "assert schema.toml_mistakes({'train': {'train_policy': {'type': 'sft'}, 'output_dir': 'x'}}, m) == [];"
        "assert not any(n.split('.')[0] in ('torch', 'cosmos_rl', 'transformers') for n in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts", capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""


if __name__ == "__main__":
    for ablation in ("nframes8", "fps1_8k"):
        (ROOT / f"tests/support/golden/{ablation}.toml").write_text(render_ablation("config.yaml", ablation))
