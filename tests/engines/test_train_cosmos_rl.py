"""The launcher sees a policy that dies, hangs or leaves nothing, ends all that was started, loses no finished epoch.

cosmos-rl and the GPU are played by a small process tree (fake_cosmos_rl.py); everything else is the real thing.
"""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
import types
from pathlib import Path

import pytest

from roadtrain import processes as process_tree
from roadtrain.cli import UserError
from roadtrain.data.llava import entry_json, multiple_choice, read_questions, write_entries
from roadtrain.files import read_json
from roadtrain.model import checkpoints
from roadtrain.train import batches
from roadtrain.train.cosmos import environment as cosmos_process
from roadtrain.train.cosmos import exports as cosmos_exports
from roadtrain.train.cosmos import nodes as cosmos_nodes
from support import tiny
from support.clips import decode, render
from support.training import ROOT, VISION, run

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
    settings = {"name": "a", "model": str(root / "base"), "vision": VISION, "train": SETTINGS}
    done = run(
        "scripts/render_toml.py",
        "--template",
        "templates/sft.toml.j2",
        "--ablation",
        json.dumps(settings),
        "--run",
        "r",
        "--llava",
        root / "x.llava.json",
        "--media",
        root / "media",
        "--frames",
        root / "index.json",
        "--system-prompt",
        "You are a helpful assistant.",
        "--output-dir",
        tmp_path / "w",
        "--output",
        tmp_path / "sft.toml",
    )
    assert done.returncode == 0, done.stderr
    return tmp_path


def command(work: Path, mode: str, *more: str) -> list[str]:
    fake = shlex.join([sys.executable, str(FAKE), mode])
    return [
        "scripts/train_cosmos_rl.py",
        "--toml",
        work / "sft.toml",
        "--weights",
        work / "w",
        "--manifests",
        work / "m",
        "--log",
        work / "log.jsonl",
        "--leave",
        "4",
        "--cosmos-rl",
        fake,
        *more,
    ]


def train(root: Path, work: Path, mode: str, *more: str, path: str | None = None) -> subprocess.CompletedProcess:
    env = os.environ | {"PATH": path or f"{root / 'bin'}:{os.environ['PATH']}"}
    done = run(*command(work, mode, *more), env=env, timeout=240)
    assert process_tree.marked("ROADTRAIN_SUPERVISED", f"{work / 'w'} node 0") == []  # nothing that it started is alive
    return done


def steps(root: Path) -> int:
    """Optimizer steps of an epoch."""
    entries = list(read_questions(root / "x.llava.json"))
    return len(batches.steps(entries, epoch=1, seed=0, batch_questions=4, questions_per_video=None))


def test_what_a_success_leaves(root, work):
    done = train(root, work, "succeeds")
    assert done.returncode == 0, done.stderr
    size = steps(root)
    log = [json.loads(line) for line in (work / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == list(range(1, 2 * size + 1))
    for n in (1, 2):
        manifest = read_json(work / f"m/epoch_{n}.json")
        checkpoints.verify(manifest)
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
    assert f"step {2 * size}" in done.stdout or "resuming from step 0" in done.stdout
    assert f"{2 * size}/{2 * size}" in done.stderr and "loss" in done.stderr  # the progress bar
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
    done = train(root, work, mode)
    assert done.returncode == 1 and says in done.stderr.splitlines()[-1]
    assert time.monotonic() - began < 120
    assert not (work / "m").exists() and not (work / "log.jsonl").exists()
    assert (
        int(tomllib.loads((work / "w/cosmos-rl/node_0.toml").read_text())["redis"]) >= 12800
    )  # its own, also beside another run


def test_a_policy_that_hangs_is_ended(root, work):
    done = train(root, work, "hangs", "--silent", "5")
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and "the policy is silent" in last and "while training" in last


def test_a_dead_policy_loses_no_epoch_and_the_next_run_resumes(root, work):
    done = train(root, work, "dies")
    size = steps(root)
    assert done.returncode == 1 and "epoch 2 is missing" in done.stderr and "NCCL error" in done.stderr.splitlines()[-1]
    first = read_json(work / "w/epoch_1.json")
    checkpoints.verify(first)
    (work / "w/cosmos-rl/99999999999999/checkpoints/step_99/policy").mkdir(parents=True)  # a state that isn't whole
    done = train(root, work, "succeeds")
    assert done.returncode == 0, done.stderr
    assert f"resuming from step {size}" in done.stdout
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
    assert process_tree.marked("ROADTRAIN_SUPERVISED", f"{work / 'w'} node 0") == []
    step = cosmos_exports.resume_step(work / "w/cosmos-rl", 1)
    assert f"after step {step}" in out and (step > 0) == training
    if not training:
        return
    done = train(root, work, "succeeds")
    assert done.returncode == 0 and f"resuming from step {step}" in done.stdout, done.stderr


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
    assert (
        len(process_tree.marked("ROADTRAIN_SUPERVISED", f"{work / 'w'} node 0")) >= 4
    )  # cosmos-rl, controller, torchrun, rank, redis
    (work / "sft.toml").write_text(
        (work / "sft.toml").read_text().replace("optm_lr = ", "optm_lr = 2")
    )  # even then, and before
    done = train(root, work, "dies_at_once")
    first, *rest = [line for line in done.stderr.splitlines() if "killed launcher" in line or "starting over" in line]
    assert "processes that a killed launcher left" in first and "starting over" in rest[0]


def test_a_changed_run_starts_over(root, work):
    assert train(root, work, "dies").returncode == 1
    assert (work / "w/epoch_1").exists() and cosmos_exports.resume_step(work / "w/cosmos-rl", 1) == steps(root)
    (work / "sft.toml").write_text((work / "sft.toml").read_text().replace("optm_lr = ", "optm_lr = 2"))
    done = train(root, work, "dies_at_once")
    assert "sft.toml changed since it was trained: starting over" in done.stderr
    assert not (work / "w/epoch_1").exists() and "start again to go on after step 0" in done.stderr


def test_a_lost_export_is_trained_again(root, work):
    """A state beyond an epoch that was never exported would make cosmos-rl go on after it."""
    state = work / "w/cosmos-rl/20260101000000/checkpoints"
    size = steps(root)
    for step in (size, 2 * size):
        (state / f"step_{step}/policy").mkdir(parents=True)
        (state / f"step_{step}/policy/cosmos_config").touch()
        (state / f"step_{step}/policy/.rank_0_complete").touch()
    assert (
        cosmos_exports.resume_step(work / "w/cosmos-rl", 1) == 2 * size
        and cosmos_exports.resume_step(work / "w/cosmos-rl", 2) == 0
    )
    cosmos_exports.forget_states_from(work / "w/cosmos-rl", 2 * size)
    assert cosmos_exports.resume_step(work / "w/cosmos-rl", 1) == size


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
    done = train(root, work, "succeeds", path=str(programs))
    assert done.returncode == 1 and says in done.stderr.splitlines()[-1]


def test_gpus_that_cosmos_rl_takes_and_a_name_without_an_address(root, tmp_path, monkeypatch):
    """It asserts that a machine shows it 1, 2, 4 or 8; torchrun waits for ever for a machine whose name has no address."""
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 4; echo 5; echo 6\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{root / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(socket, "gethostbyname", lambda name: "127.0.0.1")
    assert cosmos_process.check_machine(2) == ["4", "5"]
    assert (
        cosmos_process.environment(tmp_path, tmp_path / "log", tmp_path / "alive", 1, ["4", "5"])[
            "CUDA_VISIBLE_DEVICES"
        ]
        == "4,5"
    )
    with pytest.raises(UserError, match="train.gpus: 3 on one node: cosmos-rl takes 1, 2, 4 or 8"):
        cosmos_process.check_machine(3)

    def unknown(name: str) -> str:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "gethostbyname", unknown)
    with pytest.raises(UserError, match="has no address: .* to /etc/hosts"):
        cosmos_process.check_machine(1)


def test_wandb_that_would_be_passed_over_in_silence(monkeypatch):
    cosmos_process.check_wandb(["console"])
    monkeypatch.setitem(sys.modules, "wandb", None)  # import wandb fails
    with pytest.raises(
        UserError, match="train.logger: wandb is not installed beside cosmos-rl: .* -m pip install wandb"
    ):
        cosmos_process.check_wandb(["console", "wandb"])
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(api=types.SimpleNamespace(api_key=None)))
    with pytest.raises(UserError, match="set WANDB_API_KEY or run wandb login"):
        cosmos_process.check_wandb(["wandb"])
    sys.modules["wandb"].api.api_key = "a key"
    cosmos_process.check_wandb(["wandb"])


def test_too_few_gpus_and_code_of_a_model(root, work):
    toml = (work / "sft.toml").read_text()
    (work / "sft.toml").write_text(toml.replace("dp_shard_size = 1", "dp_shard_size = 8"))
    assert "train.gpus: 8 on this node, nvidia-smi shows 1" in train(root, work, "succeeds").stderr
    (work / "evil").mkdir()
    (work / "evil/config.json").write_text("{}")
    (work / "evil/modeling_x.py").write_text("raise SystemExit('ran')")
    (work / "sft.toml").write_text(toml.replace(json.dumps(str(root / "base")), json.dumps(str(work / "evil"))))
    assert "brings its own code (modeling_x.py)" in train(root, work, "succeeds").stderr


def test_nodes_of_a_list_and_of_a_slurm_step(monkeypatch, tmp_path):
    assert cosmos_nodes.find(None, None).options(8000) == ["--port", "8000"]
    two = cosmos_nodes.find("10.0.0.1,10.0.0.2", 1)
    assert (two.count, two.index) == (2, 1)
    assert two.options(8000) == [
        "--url",
        "10.0.0.1:8000",
        "--num-workers",
        "2",
        "--worker-idx",
        "1",
        "--node-ip-list",
        "10.0.0.1;10.0.0.2",
    ]
    with pytest.raises(UserError, match="--node-index"):
        cosmos_nodes.find("a,b", None)
    (tmp_path / "scontrol").write_text('#!/bin/sh\n[ "$*" = "show hostnames n[1-2]" ] && printf "n1\\nn2\\n"\n')
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name, value in {
        "SLURM_STEP_NUM_NODES": "2",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_STEP_NODELIST": "n[1-2]",
        "SLURM_NODEID": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert cosmos_nodes.find(None, None) == cosmos_nodes.Nodes(("n1", "n2"), 1)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "16")
    with pytest.raises(UserError, match="--ntasks-per-node=1"):
        cosmos_nodes.find(None, None)
