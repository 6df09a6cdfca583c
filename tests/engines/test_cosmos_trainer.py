"""The real cosmos-rl from launcher to exports, on a CPU over gloo (without_gpu/ changes a dozen of its lines): its curve is
the local engine's, a run that was stopped ends with the same weights, two ranks train what one does.

`make test-cosmos` runs these, where redis-server is installed.
"""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
import torch

from roadtrain import processes
from roadtrain.model.checkpoints import read_manifest, verify_checkpoint
from roadtrain.model.parts import part_of
from roadtrain.train.cosmos.supervise import MARK
from support import tiny
from support.programs import ROOT, run_program
from support.real_cosmos_rl import PYTHON, WITHOUT_GPU, needs_cosmos_rl, prepare, write_toml
from support.run_toml import options

pytestmark = [
    *needs_cosmos_rl,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="apt-get install redis-server"),
]
EPOCHS = 2


def command(work, name: str) -> list[str]:
    files = options(toml=work / f"{name}.toml", weights=work / name, manifests=work / f"{name}-manifests")
    return [str(PYTHON), "scripts/train_cosmos_rl.py", *files, *options(log=work / f"{name}.jsonl", threads=1)]


def environment(gpus: int = 1) -> dict[str, str]:
    path = f"{WITHOUT_GPU}:{os.environ['PATH']}"
    return os.environ | {"PYTHONPATH": str(WITHOUT_GPU), "PATH": path, "GPUS_PLAYED": str(gpus)}


def train(work, name: str, gpus: int = 1) -> list[dict]:
    result = subprocess.run(
        command(work, name), cwd=ROOT, env=environment(gpus), capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1500:]
    assert processes.with_variable(MARK, f"{work / name} node 0") == []
    for n in range(1, EPOCHS + 1):
        verify_checkpoint(read_manifest(work / f"{name}-manifests/epoch_{n}.json"))
    return curve(work / f"{name}.jsonl")


def curve(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("cosmos"))


@pytest.fixture(scope="module")
def one(root):
    write_toml(root, "one.toml", train_batch_per_replica=8)
    return train(root, "one")


def close(ours: list[dict], theirs: list[dict], loss: float) -> None:
    for a, b in zip(ours, theirs, strict=True):
        assert (a["step"], a["epoch"], a["questions"]) == (b["step"], b["epoch"], b["questions"])
        assert a["learning_rate"] == pytest.approx(b["learning_rate"], abs=1e-12)
        assert a["loss"] == pytest.approx(b["loss"], rel=loss) and a["grad_norm"] == pytest.approx(
            b["grad_norm"], rel=30 * loss
        )


def test_its_curve_is_the_local_engines(root, one):
    (root / "local.toml").write_text(
        (root / "one.toml").read_text().replace('engine = "cosmos-rl"', 'engine = "local"')
    )
    files = {"toml": root / "local.toml", "weights": root / "local", "manifests": root / "local-manifests"}
    result = run_program("train_local.py", **files, log=root / "local.jsonl", threads=1)
    assert result.returncode == 0, result.stderr
    assert len(one) >= 6
    assert all(0 <= line["waited_for_data"] <= line["seconds"] for line in curve(root / "one/train_times.jsonl"))
    # float32; the two releases of transformers add up in another order.
    close(one, curve(root / "local.jsonl"), loss=1e-3)


def test_a_stopped_run_goes_on_where_it_was(root, one):
    """SIGTERM in the first epoch: cosmos-rl saves a state after the step in hand; the same command goes on after it."""
    shutil.copy(root / "one.toml", root / "stopped.toml")
    process = subprocess.Popen(
        command(root, "stopped"),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log, deadline = root / "stopped/train_log.jsonl", time.monotonic() + 300
    while not (log.exists() and log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 1 and "stopped by signal 15; start again to go on after step" in out, out[-3000:]
    whole = train(root, "stopped")
    assert whole == one  # to the last bit
    manifests = [read_manifest(root / f"{name}-manifests/epoch_{EPOCHS}.json") for name in ("one", "stopped")]
    assert manifests[0]["files"] == manifests[1]["files"]


def test_two_ranks_with_two_clips_a_pass_train_what_one_does(root, one):
    write_toml(root, "two.toml", train_batch_per_replica=4, gpus=2, mini_batch=2)
    close(one, train(root, "two", gpus=2), loss=1e-4)


def test_frozen_parts_stay_bit_for_bit_and_the_curve_is_the_local_engines(root):
    """policy.freeze_pattern, seen by cosmos-rl's own model: what it matches is what the local engine freezes."""
    from safetensors.torch import load_file

    toml = write_toml(root, "frozen.toml", train_batch_per_replica=8, freeze=["vision", "embeddings"])
    ours = train(root, "frozen")
    (root / "frozen_local.toml").write_text(toml.read_text().replace('engine = "cosmos-rl"', 'engine = "local"'))
    files = {"toml": root / "frozen_local.toml", "weights": root / "frozen_local", "manifests": root / "frozen_local_m"}
    result = run_program("train_local.py", **files, log=root / "frozen_local.jsonl", threads=1)
    assert result.returncode == 0, result.stderr
    close(ours, curve(root / "frozen_local.jsonl"), loss=1e-3)
    base = load_file(tiny.BASE / "model.safetensors")
    trained = {}
    for file in (root / f"frozen/epoch_{EPOCHS}").glob("*.safetensors"):
        trained |= load_file(file)
    moved = {part_of(name) for name in base if not torch.equal(trained[name].to(base[name].dtype), base[name])}
    assert moved == {"projector", "language"}
    still = [name for name in base if part_of(name) in ("vision", "embeddings")]
    assert len(still) > 10 and all(torch.equal(trained[name].to(base[name].dtype), base[name]) for name in still)
