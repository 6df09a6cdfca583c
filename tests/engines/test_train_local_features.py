"""The local engine with the features of a frozen tower kept: trained and evaluated as if it had computed them in each pass."""

import shutil
import signal
import subprocess

import pytest

from roadtrain.files import read_json
from support import training
from support.evaluation import evaluate_manifest
from support.programs import run_python
from support.training import command, hashes, must_train, read_log, start, train

SETTINGS = {"freeze": ["vision", "projector"], "learning_rates": {}}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Videos, frames and base of its own: features lie beside the frames."""
    return training.prepare(tmp_path_factory.mktemp("features"))


def render_toml(root, name, **settings):
    return training.render_toml(root, name, **SETTINGS | settings)


@pytest.fixture(scope="module")
def off(root):
    return must_train(root / "off", render_toml(root, "off.toml", cache_features="off"))


@pytest.fixture(scope="module")
def cached(root, off):
    assert not features(root)
    return must_train(root / "cached", render_toml(root, "cached.toml"))


def features(root):
    return {path: path.stat().st_mtime_ns for path in (root / "features").rglob("*.safetensors")}


def test_the_log_and_the_weights_are_those_of_computing_them_in_the_pass(root, off, cached):
    assert (off / "log.jsonl").read_bytes() == (cached / "log.jsonl").read_bytes()
    assert hashes(off) == hashes(cached)
    assert len(features(root)) == 6  # videos
    manifests = [read_json(run / "manifests/epoch_1.json") for run in (off, cached)]
    assert "features" not in manifests[0] and manifests[1]["features"] == "projector"


def test_another_run_reads_what_is_there(root, cached, tmp_path):
    before = features(root)
    must_train(tmp_path, render_toml(root, "again.toml", epochs=1, learning_rate=2e-3))
    assert features(root) == before
    # Trained mergers: the cut is below them, and their features are others.
    must_train(tmp_path / "tower", render_toml(root, "tower.toml", epochs=1, freeze=["vision"]))
    assert len(features(root)) == 2 * len(before)
    assert read_json(tmp_path / "tower/manifests/epoch_1.json")["features"] == "tower"


def test_every_epochs_evaluation_shares_them_and_answers_the_same(root, off, cached, tmp_path):
    answers = {}
    for name, run in {"off": off, "cached": cached}.items():
        for epoch in (1, 2):
            before = features(root)
            rows = evaluate_manifest(root, run / f"epoch_{epoch}.json", tmp_path / f"{name}{epoch}")
            answers[name, epoch] = [(row["response"], row["probabilities"]) for row in rows]
            # The base is stored in float32, the checkpoint in bfloat16: its tower is another, but the same in both epochs.
            assert len(features(root)) - len(before) == (6 if (name, epoch) == ("cached", 1) else 0)
    assert answers["off", 1] == answers["cached", 1] and answers["off", 2] == answers["cached", 2]
    assert answers["off", 1] != answers["off", 2]


def test_lora_reads_them_too(root, tmp_path):
    lora = {"freeze": [], "lora": {"rank": 4}}
    logs = []
    for name in ("off", "auto"):
        toml = render_toml(root, f"lora_{name}.toml", epochs=1, cache_features=name, **lora)
        logs.append((must_train(tmp_path / name, toml) / "log.jsonl").read_bytes())
    assert logs[0] == logs[1]
    assert read_json(tmp_path / "auto/manifests/epoch_1.json")["features"] == "projector"


def test_two_ranks_share_the_work(root, cached, tmp_path):
    shutil.rmtree(root / "features")
    toml = render_toml(root, "two.toml")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "--")
    result = run_python(*launcher, *command(tmp_path, toml))
    assert result.returncode == 0, result.stderr
    assert len(features(root)) == 6
    alone, both = read_log(cached / "log.jsonl"), read_log(tmp_path / "train_log.jsonl")
    assert [a["loss"] for a in alone] == pytest.approx([b["loss"] for b in both], rel=1e-4)


def test_a_run_killed_while_it_computes_them_goes_on(root, cached, tmp_path):
    shutil.rmtree(root / "features", ignore_errors=True)
    toml = render_toml(root, "cached.toml")
    process = start(tmp_path, toml, stderr=subprocess.DEVNULL)
    while process.poll() is None and not features(root):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    first = features(root)
    must_train(tmp_path, toml)
    assert hashes(tmp_path) == hashes(cached)
    assert first.items() <= features(root).items()


def test_a_damaged_file_is_named(root, tmp_path):
    must_train(tmp_path / "first", render_toml(root, "damaged.toml", epochs=1))
    for path in features(root):
        path.write_bytes(path.read_bytes()[:-8])
    result = train(tmp_path / "second", render_toml(root, "damaged.toml", epochs=1))
    assert result.returncode == 1 and "delete it" in result.stderr.splitlines()[-1]
    shutil.rmtree(root / "features")
