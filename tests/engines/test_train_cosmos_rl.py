"""The launcher sees a policy that dies, hangs or leaves nothing, ends all that was started, loses no finished epoch.

cosmos-rl and the GPU are played by a small process tree (fake_cosmos_rl.py); everything else is the real thing.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from roadtrain import processes
from roadtrain.data.llava import entry_json, multiple_choice, read_questions, write_entries
from roadtrain.files import read_json
from roadtrain.model import checkpoints
from roadtrain.train import batches
from roadtrain.train.cosmos.exports import resume_step
from roadtrain.train.cosmos.supervise import MARK
from support import tiny
from support.clips import decode, render
from support.programs import run_python
from support.run_toml import options, render_run_toml
from support.training import ROOT, VISION

FAKE = Path(__file__).parents[1] / "support/fake_cosmos_rl.py"
SETTINGS = {"engine": "cosmos-rl", "gpus": 1, "epochs": 2, "train_batch_per_replica": 4, "state_every_steps": 0}
REDIS = """#!{python}
import os, sys, time
if "--daemonize" in sys.argv:
    if os.fork(): os._exit(0)
    os.setsid()
    if os.fork(): os._exit(0)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root, values = tmp_path_factory.mktemp("cosmos"), []
    tiny.model("bfloat16").save_pretrained(root / "base")
    tiny.processor().save_pretrained(root / "base")
    for n in range(3):
        render(root / f"media/v{n}.mp4", frames=12, seed=n)
        for k in range(3):
            human = multiple_choice(f"Question {k}?", {"a": "one", "b": "two"})
            values.append(
                entry_json(
                    id=f"v{n}_{k}", scenario=str(n), video=f"v{n}.mp4", type="t", phase="p", human=human, answer="A"
                )
            )
    write_entries(root / "x.llava.json", values)
    decode(root, VISION)
    programs = root / "bin"
    programs.mkdir()
    for name, text in {
        "nvidia-smi": "#!/bin/sh\necho 0\n",
        "redis-server": REDIS.format(python=sys.executable),
        "redis-cli": "#!/bin/sh\n",
    }.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return root


@pytest.fixture
def work(root, tmp_path):
    """A TOML of its own output folder, and the command."""
    render_run_toml(
        tmp_path / "sft.toml", root, model=root / "base", vision=VISION, train=SETTINGS, output_dir=tmp_path / "w"
    )
    return tmp_path


def left_over(work: Path) -> list:
    """Processes that the launcher started and that live."""
    return processes.with_variable(MARK, f"{work / 'w'} node 0")


def command(work: Path, mode: str, *more: str) -> list[str]:
    fake = shlex.join([sys.executable, str(FAKE), mode])
    files = options(toml=work / "sft.toml", weights=work / "w", manifests=work / "m", log=work / "log.jsonl")
    return ["scripts/train_cosmos_rl.py", *files, "--leave", "4", "--cosmos-rl", fake, *more]


def train(root: Path, work: Path, mode: str, *more: str, path: str | None = None) -> subprocess.CompletedProcess:
    env = {"PATH": path or f"{root / 'bin'}:{os.environ['PATH']}"}
    result = run_python(*command(work, mode, *more), env=env, timeout=240)
    assert left_over(work) == []  # nothing that it started is alive
    return result


def steps(root: Path) -> int:
    """Optimizer steps of an epoch."""
    entries = list(read_questions(root / "x.llava.json"))
    return len(batches.steps(entries, epoch=1, seed=0, batch_questions=4, questions_per_video=None))


def test_what_a_success_leaves(root, work):
    result = train(root, work, "succeeds")
    assert result.returncode == 0, result.stderr
    size = steps(root)
    log = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == list(range(1, 2 * size + 1))
    for n in (1, 2):
        manifest = read_json(work / f"m/epoch_{n}.json")
        checkpoints.verify_checkpoint(manifest)
        assert (manifest["epoch"], manifest["step"], manifest["steps"], manifest["questions"]) == (
            n,
            n * size,
            2 * size,
            9 * n,
        )
        assert manifest["checkpoint"] == f"epoch_{n}" and manifest["seconds"] == n * size * 0.5
        files = {p.name for p in (work / f"w/epoch_{n}").iterdir()}
        assert {
            "config.json",
            "tokenizer.json",
            "processor_config.json",
            "model.safetensors.index.json",
            "00000.safetensors",
        } <= files
        # All but the weights is the base's: the prompts of evaluation are those of the base.
        for name in ("tokenizer.json", "processor_config.json", "chat_template.jinja"):
            assert (work / f"w/epoch_{n}" / name).read_bytes() == (root / "base" / name).read_bytes()
    assert not (work / "w/cosmos-rl").exists()
    assert f"step {2 * size}" in result.stdout or "resuming from step 0" in result.stdout
    assert f"{2 * size}/{2 * size}" in result.stderr and "loss" in result.stderr  # the progress bar
    from roadtrain.model.loading import load_model

    assert next(load_model(work / "w/epoch_2").parameters()).dtype.itemsize == 2
    again = train(root, work, "dies_at_once")  # nothing is started: every epoch is there
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    "mode, says",
    [
        ("dies_at_once", "CUDA out of memory"),
        ("exits_0", "epoch 1 is missing: cosmos-rl: ended with exit code 0"),
        ("half_an_export", "epoch 1 is missing"),
        ("never_starts", "the policy has ended and cosmos-rl has not"),
    ],
)
def test_a_failure_is_seen_whatever_the_exit_code(root, work, mode, says):
    began = time.monotonic()
    result = train(root, work, mode)
    assert result.returncode == 1 and says in result.stderr.splitlines()[-1]
    assert time.monotonic() - began < 120
    assert not (work / "m").exists() and not (work / "log.jsonl").exists()
    # Its own redis, also beside another run.
    assert int(tomllib.loads((work / "w/cosmos-rl/node_0.toml").read_text())["redis"]) >= 12800


def test_a_policy_that_hangs_is_ended(root, work):
    result = train(root, work, "hangs", "--silent", "5")
    last = result.stderr.splitlines()[-1]
    assert result.returncode == 1 and "the policy is silent" in last and "while training" in last


def test_a_dead_policy_loses_no_epoch_and_the_next_run_resumes(root, work):
    result = train(root, work, "dies")
    size = steps(root)
    assert (
        result.returncode == 1
        and "epoch 2 is missing" in result.stderr
        and "NCCL error" in result.stderr.splitlines()[-1]
    )
    first = read_json(work / "w/epoch_1.json")
    checkpoints.verify_checkpoint(first)
    (work / "w/cosmos-rl/99999999999999/checkpoints/step_99/policy").mkdir(parents=True)  # a state that isn't whole
    result = train(root, work, "succeeds")
    assert result.returncode == 0, result.stderr
    assert f"resuming from step {size}" in result.stdout
    assert read_json(work / "m/epoch_1.json") == first
    assert [json.loads(line)["step"] for line in (work / "log.jsonl").read_text().splitlines()] == list(
        range(1, 2 * size + 1)
    )


@pytest.mark.parametrize("training", [True, False])
def test_sigterm_saves_a_state_and_stops(root, work, training):
    env = os.environ | {"PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [sys.executable, *map(str, command(work, "slow" if training else "loads_for_ever"))],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 120
    awaited = work / ("w/train_log.jsonl" if training else "w/cosmos-rl/node_0.alive")
    while not (awaited.exists() and awaited.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 1 and "stopped by signal 15; start again to go on after step" in out
    assert left_over(work) == []
    step = resume_step(work / "w/cosmos-rl", 1)
    assert f"after step {step}" in out and (step > 0) == training
    if not training:
        return
    result = train(root, work, "succeeds")
    assert result.returncode == 0 and f"resuming from step {step}" in result.stdout, result.stderr


def test_what_a_killed_launcher_left_is_ended(root, work):
    env = os.environ | {"PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [sys.executable, *map(str, command(work, "loads_for_ever"))],
        cwd=ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not (work / "w/cosmos-rl/node_0.alive").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert len(left_over(work)) >= 4  # cosmos-rl, controller, torchrun, rank, redis
    # Also when the run starts over, and before that.
    (work / "sft.toml").write_text((work / "sft.toml").read_text().replace("optm_lr = ", "optm_lr = 2"))
    result = train(root, work, "dies_at_once")
    first, *rest = [line for line in result.stderr.splitlines() if "killed launcher" in line or "starting over" in line]
    assert "processes that a killed launcher left" in first and "starting over" in rest[0]


def test_a_changed_run_starts_over(root, work):
    assert train(root, work, "dies").returncode == 1
    assert (work / "w/epoch_1").exists() and resume_step(work / "w/cosmos-rl", 1) == steps(root)
    (work / "sft.toml").write_text((work / "sft.toml").read_text().replace("optm_lr = ", "optm_lr = 2"))
    result = train(root, work, "dies_at_once")
    assert "sft.toml changed since it was trained: starting over" in result.stderr
    assert not (work / "w/epoch_1").exists() and "start again to go on after step 0" in result.stderr


@pytest.mark.parametrize(
    "missing, says",
    [
        ("nvidia-smi", "nvidia-smi is not on PATH"),
        ("redis-server", "redis-server is not on PATH"),
        ("redis-cli", "apt-get install redis-server"),
    ],
)
def test_what_the_machine_lacks_is_said(root, work, tmp_path, missing, says):
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in (root / "bin").iterdir():
        if program.name != missing:
            (programs / program.name).symlink_to(program)
    result = train(root, work, "succeeds", path=str(programs))
    assert result.returncode == 1 and says in result.stderr.splitlines()[-1]


def test_too_few_gpus_and_code_of_a_model(root, work):
    toml = (work / "sft.toml").read_text()
    (work / "sft.toml").write_text(toml.replace("dp_shard_size = 1", "dp_shard_size = 8"))
    assert "train.gpus: 8 on this node, nvidia-smi shows 1" in train(root, work, "succeeds").stderr
    (work / "evil").mkdir()
    (work / "evil/config.json").write_text("{}")
    (work / "evil/modeling_x.py").write_text("raise SystemExit('ran')")
    (work / "sft.toml").write_text(toml.replace(json.dumps(str(root / "base")), json.dumps(str(work / "evil"))))
    assert "brings its own code (modeling_x.py)" in train(root, work, "succeeds").stderr


def test_frames_of_another_vision_setting_are_refused(root, work):
    """custom.vision of the TOML was edited: training on the frames that are there would be another run than it says."""
    toml = (work / "sft.toml").read_text()
    (work / "sft.toml").write_text(toml.replace("nframes = ", "nframes = 1"))
    result = train(root, work, "succeeds")
    assert result.returncode == 1 and "custom.vision.nframes is 1" in result.stderr.splitlines()[-1]
    assert not (work / "w/cosmos-rl").exists()
