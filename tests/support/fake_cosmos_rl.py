"""A process tree like cosmos-rl's, without a GPU: launcher, controller, a redis that is a daemon, torchrun and a rank.

Started as `fake_cosmos_rl.py MODE --config .. --port .. entry.py`. The rank trains nothing: it writes what
scripts/cosmos_sft.py and cosmos-rl write, at the steps at which they do. Modes: see `rank`.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = str(Path(__file__).absolute())


def launcher(mode: str, config: str) -> None:
    subprocess.run(["redis-server", "--daemonize"])  # makes itself a daemon
    controller = subprocess.Popen([sys.executable, HERE, "controller"])
    if mode == "never_starts":
        print("Process 17 failed with return code 127", flush=True)  # as cosmos-rl, which goes on waiting
        controller.wait()
    policy = subprocess.Popen(
        [sys.executable, HERE, "torchrun", mode, config], env=os.environ | {"COSMOS_ROLE": "Policy"}
    )
    if code := policy.wait():
        print(f"Process 23 failed with return code {code}", flush=True)  # it may have died too soon to be seen
    if mode in ("succeeds", "exits_0"):  # everything but redis goes
        controller.terminate()
        sys.exit(0)
    controller.wait()  # as cosmos-rl after a policy's death: for ever


def torchrun(mode: str, config: str) -> None:
    env = os.environ | {"LOCAL_RANK": "0", "RANK": "0"}
    sys.exit(subprocess.Popen([sys.executable, HERE, "rank", mode, config], env=env).wait())


def rank(mode: str, config: str) -> None:
    sys.path.insert(0, str(Path(HERE).parents[2] / "scripts"))
    from roadtrain.data.llava import read_questions
    from roadtrain.train import toml_config
    from roadtrain.train.cosmos import heartbeat
    from roadtrain.train.cosmos.plan import epoch_ends, questions_of_steps

    stop = []
    signal.signal(signal.SIGUSR1, lambda number, _: stop.append(number))
    heartbeat.begin_phase("loading")
    if mode == "dies_at_once":
        raise RuntimeError("CUDA out of memory (a fake one)")
    if mode == "loads_for_ever":
        time.sleep(600)
    run = toml_config.read_train_run(config)
    entries = list(read_questions(run.llava))
    ends = epoch_ends(run, entries, run.ranks)
    questions = questions_of_steps(run, entries, run.ranks)
    first = max(
        (int(p.parents[1].name[5:]) for p in Path(run.output_dir).glob("*/checkpoints/step_*/policy/.rank_0_complete")),
        default=0,
    )
    here = Path(run.output_dir, time.strftime("%Y%m%d%H%M%S") + f"{first:04d}")
    print(f"resuming from step {first}", flush=True)
    for step in range(first + 1, ends[run.epochs] + 1):
        heartbeat.begin_phase("training")
        if mode == "exits_0":
            sys.exit(0)
        if mode == "dies" and step == ends[1] + 1:
            raise RuntimeError("NCCL error (a fake one)")
        if mode == "hangs" and step == 2:
            time.sleep(600)
        line = {
            "step": step,
            "epoch": 1 + sum(step > end for end in ends.values()),
            "loss": 1 / step,
            "learning_rate": 1e-5,
            "grad_norm": 1.0,
            "questions": questions[step - 1],
        }
        for name, value in (("train_log.jsonl", line), ("train_times.jsonl", {"step": step, "seconds": 0.5})):
            with open(Path(os.environ["ROADTRAIN_TRAIN_LOG"]).with_name(name), "a") as stream:
                stream.write(json.dumps(value) + "\n")
        if mode == "slow":
            time.sleep(0.5)
        if step in ends.values() or stop:
            heartbeat.begin_phase("saving")
            export(Path(run.model), here / f"safetensors/step_{step}", half=mode == "half_an_export")
            state = here / f"checkpoints/step_{step}/policy"
            state.mkdir(parents=True)
            (state / "cosmos_config").write_text("{}")
            (state / ".rank_0_complete").touch()
        if stop:
            sys.exit(0)


def export(base: Path, target: Path, half: bool) -> None:
    """As cosmos-rl writes it, weights of the base."""
    from safetensors import safe_open

    target.mkdir(parents=True)
    shutil.copy(base / "model.safetensors", target / "00000.safetensors")
    with safe_open(target / "00000.safetensors", framework="np") as tensors:
        names = list(tensors.keys())
    (target / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(names, "00000.safetensors")})
    )
    if half:
        content = (target / "00000.safetensors").read_bytes()
        (target / "00000.safetensors").write_bytes(content[: len(content) // 2])


if __name__ == "__main__":
    if sys.argv[1] == "controller":
        time.sleep(600)
    elif sys.argv[1] in ("torchrun", "rank"):
        globals()[sys.argv[1]](*sys.argv[2:])
    else:
        launcher(sys.argv[1], sys.argv[sys.argv.index("--config") + 1])
