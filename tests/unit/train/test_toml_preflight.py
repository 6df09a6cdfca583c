"""The TOML says what the spec means, whatever strings are in it; preflight counts exactly and names every mistake."""

import json
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadtrain.data.llava import entry_json, multiple_choice, write_entries
from roadtrain.files import read_json, write_json
from roadtrain.frames.sampling import sample
from roadtrain.spec.reading import read_spec
from roadtrain.train import toml_config
from roadtrain.train.cosmos import schema as cosmos_schema
from roadtrain.train.preflight import checks, report
from support import tiny
from support.clips import decode, render
from support.training import ROOT, SPEC, VISION, command, render_toml, run

sys.path.insert(0, str(ROOT / "scripts"))
from render_toml import toml_value  # noqa: E402


@given(
    st.one_of(
        st.text(),
        st.integers(-(2**62), 2**62),
        st.booleans(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.lists(st.text()),
    )
)
def test_any_value_survives(value):
    if isinstance(value, str):
        value = value.encode("utf-8", "ignore").decode()  # lone surrogates are no text
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


def test_a_missing_key_names_file_and_key(tmp_path):
    (tmp_path / "x.toml").write_text("[policy]\n")
    with pytest.raises(ValueError, match=r"x\.toml: policy\.model_name_or_path is missing"):
        toml_config.read_train_run(tmp_path / "x.toml")
    (tmp_path / "x.toml").write_text("[policy\n")
    with pytest.raises(ValueError, match=r"x\.toml: not valid TOML"):
        toml_config.read_train_run(tmp_path / "x.toml")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("preflight")
    tiny.model("float32").save_pretrained(root / "base")
    tiny.processor().save_pretrained(root / "base")
    values = []
    for n in range(4):
        render(root / f"media/v{n}.mp4", frames=12 + n, seed=n)
        for k in range(3):
            human = multiple_choice(f"Question {k}?", {"a": "one", "b": "two"})
            values.append(
                entry_json(
                    id=f"v{n}_{k}", scenario=str(n), video=f"v{n}.mp4", type="t", phase="p", human=human, answer="A"
                )
            )
    write_entries(root / "x.llava.json", values)
    return root


def preflight(root: Path, **train):
    done = run("scripts/preflight.py", "--toml", render_toml(root, **train), "--output", root / "preflight.json")
    return done, read_json(root / "preflight.json")


@pytest.mark.parametrize("kind", ["shared-video", "per-question"])
def test_tokens_and_steps_are_those_of_training(root, kind, tmp_path):
    """What preflight counts is what the engine then trains on."""
    done, found = preflight(root, sequences=kind)
    assert done.returncode == 0, done.stderr
    decode(root, VISION)
    trained = run(*command(tmp_path, render_toml(root, sequences=kind, train_batch_per_replica=1)))
    assert trained.returncode == 0, trained.stderr
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert max(line["tokens"] for line in log) == found["longest_sequence"]
    done, found = preflight(root, sequences=kind, train_batch_per_replica=1)
    assert found["steps"] == len(log) and found["steps_per_epoch"] == [len(log) // 2] * 2
    assert found["vision_tokens"]["total"] == sum(c["vision_tokens"] for c in read_json(root / "index.json")["clips"])


def test_shared_video_saves_work(root):
    _, found = preflight(root)
    assert found["estimate"]["shared_video_saves"] > 1.3
    shared, apart = found["estimate"]["shared-video"], found["estimate"]["per-question"]
    assert apart["training_flops"] / shared["training_flops"] == pytest.approx(
        found["estimate"]["shared_video_saves"], rel=0.01
    )
    assert apart["seconds"] >= shared["seconds"] and apart["memory_gib_per_gpu"] <= shared["memory_gib_per_gpu"]
    _, other = preflight(root, sequences="per-question")
    assert other["estimate"] == found["estimate"]  # both kinds, whichever is configured


@pytest.mark.parametrize("name, tokens", [("nframes8", 2880), ("fps1_8k", 7733)])
def test_the_published_run_is_planned(name, tokens):
    """The recipe's size: 341 clips of 75 s at 1920x1080, 16 questions each, 8 GPUs. The model isn't here: it is known."""
    toml = tomllib.loads((ROOT / f"tests/support/golden/{name}.toml").read_text())
    config = toml_config.parse_train_run(toml, name)
    plan = sample(config.vision, total_frames=2250, fps=30.0, height=1080, width=1920)
    entries = [e for n in range(341) for e in tiny.entries(16, video=f"{n}.mp4", scenario=str(n))]
    found = report(config, toml, entries, {e.clip: (plan, 30.0) for e in entries}, 8, 32768)
    assert found["vision_tokens"]["mean"] == tokens and found["questions"] == 5456
    assert found["steps_per_epoch"] == [22] * 3 and found["steps"] == 66  # 256 questions a step
    shared, apart = found["estimate"]["shared-video"], found["estimate"]["per-question"]
    assert 10 < apart["seconds"] / shared["seconds"] < 20 and apart["gpu_hours"] == pytest.approx(
        apart["seconds"] / 450, rel=0.01
    )
    assert 5 < shared["memory_gib_per_gpu"] < 60 and apart["memory_gib_per_gpu"] <= shared["memory_gib_per_gpu"]


def test_the_plan_shows_both_kinds_and_the_price(root, monkeypatch):
    preflight(root)
    monkeypatch.setenv("ROADTRAIN_GPU_HOUR", "2.5")
    path = root / "preflight.json"
    found = read_json(path) | {"gpus": 8}
    found["estimate"]["shared-video"]["gpu_hours"] = 10
    write_json(root / "a/preflight.json", found)
    table = run("scripts/show_plan.py", root / "a/preflight.json").stdout
    assert (
        "25.00" in table and "per-question:" in table and f"{len(found['checks'])} of {len(found['checks'])}" in table
    )


def test_a_sequence_that_does_not_fit_is_found_before_training(root):
    done, _ = preflight(root, model_max_length=64)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and "sequence-fits-model" in last and "raise train.model_max_length" in last


def test_a_second_preflight_gives_the_same_bytes(root):
    preflight(root)
    first = (root / "preflight.json").read_bytes()
    preflight(root)
    assert (root / "preflight.json").read_bytes() == first


MISTAKES = {
    "mini-batch-divides-batch": ("train.train_policy.mini_batch", 4),
    "batch-fits-data": ("train.train_batch_per_replica", 1000),
    "one-frame-rule": ("custom.vision.fps", 1.0),
    "policy-is-sft": ("train.train_policy.type", "grpo"),
    "compile-off": ("train.compile", True),
    "tensor-parallel-is-one": ("policy.parallelism.tp_size", 2),
    "every-epoch-saved": ("train.ckpt.save_freq_in_epoch", 0),
    "epochs-are-kept": ("train.ckpt.max_keep", 1),
    "memory-fits-gpu": ("gpus", 1),
    "calibration-fits": ("calibration", 50),
    "token-for-gated-model": ("policy.model_name_or_path", "nvidia/Cosmos-Reason2-8B"),
}


@pytest.mark.parametrize("name, change", MISTAKES.items(), ids=MISTAKES)
def test_each_known_mistake_has_its_check(root, tmp_path, monkeypatch, name, change):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = render_toml(root)
    toml = tomllib.loads(path.read_text())
    found = {"questions": 12, "longest_sequence": 100, "longest_question": 80, "calibration_max_length": 4096}
    before = checks(toml_config.read_train_run(path), toml, found, 0)
    assert all(check.ok for check in before)
    keys, value = change
    if keys in ("gpus", "calibration"):  # not in the TOML
        more = (
            {"estimate": {"shared-video": {"memory_gib_per_gpu": 200.0}}}
            if keys == "gpus"
            else {"calibration_max_length": value}
        )
        failed = [check for check in checks(toml_config.read_train_run(path), toml, found | more, 1) if not check.ok]
        assert [check.name for check in failed] == [name] and failed[0].remedy
        return
    here, original = toml, path.read_text()
    *sections, last = keys.split(".")
    for section in sections:
        here = here[section]
    here[last] = value
    fields = {
        "train.train_policy.mini_batch": "mini_batch",
        "train.train_batch_per_replica": "batch_questions",
        "policy.model_name_or_path": "model",
    }
    import dataclasses

    config = toml_config.read_train_run(path)
    config = dataclasses.replace(config, **({fields[keys]: value} if keys in fields else {}))
    failed = [check for check in checks(config, toml, found, 0) if not check.ok]
    assert [check.name for check in failed] == [name] and failed[0].remedy
    assert path.read_text() == original


@pytest.mark.parametrize(
    "wrong, says", [({}, None), ({"train": {"enable_validation": False}}, "train.enable_validation")]
)
def test_cosmos_rls_own_model_is_asked(root, wrong, says):
    """Only where cosmos-rl is the engine; where it isn't installed that is the finding, with its remedy."""
    path = render_toml(root, engine="cosmos-rl", gpus=1, embedding_learning_rate=None)
    toml = tomllib.loads(path.read_text())
    found = {"questions": 12, "longest_sequence": 100, "longest_question": 80}
    for section, values in wrong.items():
        toml[section] |= values
    check = checks(toml_config.read_train_run(path), toml, found, 1)[-1]
    assert check.name == "cosmos-rl-reads-it"
    if cosmos_schema.installed() is None:
        assert not check.ok and "pip install --no-deps cosmos-rl" in check.remedy
    else:
        assert check.ok == (says is None) and (says or "every key") in check.found


def test_the_spec_of_the_tests_is_a_spec():
    assert read_spec({"train": SPEC, "ablations": {"a": {"vision": VISION}}}, "s")
